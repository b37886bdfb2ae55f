"""Register errors: where the residue types that the network reads fit better some places along the sequence.

A stretch that is merely hard to read fits badly everywhere; one that is out of register fits well elsewhere, and by how
many places it is off follows at once.
"""

from collections.abc import Sequence

import numpy as np

from emodelx.records import Floats, Ints
from emodelx.scoring.windows import averaged, window_sizes

MOST_SHIFT = 8
"""Places along the sequence that are tried in either direction."""
UNKNOWN_TYPE = -1


def find_shifts(odds: Floats, types: Ints, lengths: Sequence[int]) -> tuple[Ints, Floats]:
    """Find for every residue the shift of the sequence at which the types around it fit best.

    Parameters
    ----------
    odds : ndarray, dtype=float32, shape=(r, 20)
        Log-odds of every type, as read at the Calpha of every residue.
    types : ndarray, dtype=int64, shape=(r,)
        Types of the model; `UNKNOWN_TYPE` where not known.
    lengths : sequence of int
        Residues of every chain, in order.

    Returns
    -------
    shift : ndarray, dtype=int64, shape=(r,)
        The types of the residues that many places further along the chain fit best.
    gain : ndarray, dtype=float32, shape=(r,)
        Log-odds by which they fit better than those of the model, summed over the window around the residue; 0 where
        the model's own fit best.
    """
    shifts = np.array(sorted(range(-MOST_SHIFT, MOST_SHIFT + 1), key=abs))
    fits = np.stack([averaged(_fit(odds, _moved(types, lengths, shift)), lengths) for shift in shifts])
    best = fits.argmax(axis=0)
    gain = (fits.max(axis=0) - fits[0]) * window_sizes(lengths)
    return shifts[best], gain.astype(np.float32)


def _fit(odds: Floats, types: Ints) -> Floats:
    """Log-odds of types; 0 where they are not known."""
    return np.where(types == UNKNOWN_TYPE, 0, odds[np.arange(len(types)), types])


def _moved(types: Ints, lengths: Sequence[int], shift: int) -> Ints:
    """The types of the residues `shift` places further along every chain, unknown beyond its ends."""
    moved = np.full(len(types), UNKNOWN_TYPE)
    for end, length in zip(np.cumsum(lengths), lengths, strict=True):
        first, last = end - length + max(-shift, 0), end - max(shift, 0)
        if first < last:
            moved[first:last] = types[first + shift : last + shift]
    return moved
