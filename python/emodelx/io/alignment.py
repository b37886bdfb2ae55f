"""Alignment of two protein sequences, one of which may lack loops and whole domains of the other."""

import gemmi
import numpy as np

from emodelx.io.residue_numbers import UNKNOWN, letters
from emodelx.records import Ints

UNPLACED = -1
"""Stands for no position in the other sequence."""

# A residue is worth half a gap, and gaps may be of any length: loops and whole domains are missing in models.
_SCORING = {"match": 5, "mismatch": -4, "gapo": -10, "gape": 0}


def align(sequence: str, common: str) -> Ints:
    """Find the position in `common` of every residue of `sequence`; X is left out on both sides.

    Returns
    -------
    ndarray, dtype=int64, shape=(len(sequence),)
        Ascending; `UNPLACED` where a residue has no partner.
    """
    mine = np.flatnonzero(letters(sequence) != ord(UNKNOWN))
    theirs = np.flatnonzero(letters(common) != ord(UNKNOWN))
    query, target = [sequence[i] for i in mine], [common[i] for i in theirs]
    scoring = gemmi.AlignmentScoring()
    for name, value in _SCORING.items():
        setattr(scoring, name, value)
    alignment = gemmi.align_string_sequences(query, target, [], scoring)
    in_query = letters(alignment.add_gaps("".join(query), 1)) != ord("-")
    in_target = letters(alignment.add_gaps("".join(target), 2)) != ord("-")
    both = in_query & in_target
    positions = np.full(len(sequence), UNPLACED)
    positions[mine[(in_query.cumsum() - 1)[both]]] = theirs[(in_target.cumsum() - 1)[both]]
    return positions
