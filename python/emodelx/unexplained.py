"""Which candidates a model does not explain."""

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from emodelx.records import CalphaModel, Candidates

TAKEN = 2.5
"""Angstrom from a residue within which a candidate is explained by it."""


def is_unexplained(model: CalphaModel, candidates: Candidates) -> NDArray[np.bool_]:
    """Tell the candidates that no residue of the model explains. Shape (n,)."""
    placed = np.concatenate([np.zeros((0, 3)), *(chain.positions[chain.placed()] for chain in model.chains)])
    if len(placed) == 0 or len(candidates) == 0:
        return np.ones(len(candidates), np.bool_)
    return np.asarray(KDTree(placed).query(candidates.positions)[0] > TAKEN)
