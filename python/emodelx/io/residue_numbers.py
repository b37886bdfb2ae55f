"""What the numbers of residues in structure files count."""

import numpy as np
from numpy.typing import NDArray

from emodelx.records import Ints

UNKNOWN = "X"
"""Letter of a residue whose type is not known."""


def own_sequence(residues: str, numbers: Ints, sequence: str) -> tuple[str, Ints]:
    """Find the sequence that a chain counts its residues in, and where they are in it.

    That is the full sequence of the file, else one made of the author's numbers with X between; where numbers do not
    ascend (insertion codes), the residues just follow one another.

    Parameters
    ----------
    residues : str
        One-letter codes, X where unknown. Length n.
    numbers : ndarray, dtype=int64, shape=(n,)
    sequence : str
        Full sequence of the file, empty where it gives none.

    Returns
    -------
    sequence : str
    places : ndarray, dtype=int64, shape=(n,)
        0-based positions in it.
    """
    if _counts_in_sequence(residues, numbers, sequence):
        return sequence, numbers - 1
    n = len(residues)
    if n == 0 or (np.diff(numbers) <= 0).any() or numbers[-1] - numbers[0] > 10 * n + 1000:
        return residues, np.arange(n)
    places = numbers - numbers[0]
    spaced = np.full(places[-1] + 1, ord(UNKNOWN), np.uint8)
    spaced[places] = letters(residues)
    return spaced.tobytes().decode("ascii"), places


def _counts_in_sequence(residues: str, numbers: Ints, sequence: str) -> bool:
    """Whether the numbers of a chain are positions in its full sequence; not every program keeps to that."""
    places = numbers - 1
    if len(places) == 0 or places.min() < 0 or places.max() >= len(sequence):
        return False
    return bool((letters(sequence)[places] == letters(residues)).mean() > 0.5)


def letters(residues: str) -> NDArray[np.uint8]:
    """One-letter codes as an array. Shape (n,)."""
    return np.frombuffer(residues.encode("ascii"), np.uint8)
