"""Rotamer scores: how common the chi angles of a residue are in well resolved structures.

The shares that are favoured or outliers are those of MolProbity (Hintze et al., Proteins 84, 1177-1189, 2016); the
distributions are our own (`scripts/derive_validation_tables.py`).
"""

import numpy as np
from numpy.typing import NDArray

from emodelx.constants import AMINO_ACIDS
from emodelx.records import AtomicChain
from emodelx.scoring.rarity import look_up
from emodelx.scoring.text_tables import read_tables
from emodelx.scoring.torsions import CHI_COUNT, side_chains

FAVOURED = 0.02
"""Side chains rarer than that of this share of residues are not favoured."""
OUTLIER = 0.003
"""And those rarer than this are outliers."""


def rarities(chain: AtomicChain) -> NDArray[np.float64]:
    """Share of well resolved residues of the type with rarer chi angles, 0 to 1; NaN without all chis. Shape (r,)."""
    chis = side_chains(chain)
    tables = read_tables("rotamers")
    result = np.full(len(chain), np.nan)
    for code, table in tables.items():
        mine = chis[:, : CHI_COUNT[code]]
        known = (chain.types == AMINO_ACIDS.index(code)) & np.isfinite(mine).all(axis=1)
        result[known] = look_up(table, mine[known])
    return result
