"""Chain names of a model: those the sequence file gives, then A..Z, a..z, 0..9, then AA, AB and on."""

from collections.abc import Iterator, Sequence
from itertools import count, product
from string import ascii_lowercase, ascii_uppercase, digits

from emodelx import records

_SYMBOLS = ascii_uppercase + ascii_lowercase + digits


def name_chains(sequences: Sequence[records.Sequence]) -> tuple[tuple[str, ...], ...]:
    """Name every copy of every sequence; no name is given twice.

    Returns
    -------
    tuple of tuple of str
        `names[i][c]` is the chain name of copy c of sequence i.
    """
    taken = {chain for sequence in sequences for chain in sequence.chains}
    free = (name for name in _all_names() if name not in taken)
    return tuple(
        sequence.chains + tuple(next(free) for _ in range(sequence.copies - len(sequence.chains)))
        for sequence in sequences
    )


def _all_names() -> Iterator[str]:
    for length in count(1):
        yield from map("".join, product(_SYMBOLS, repeat=length))
