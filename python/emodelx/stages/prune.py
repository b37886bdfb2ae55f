"""Pruning: residues that hang on nothing are taken away."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from emodelx.config import RunConfig
from emodelx.records import CalphaModel, Chain, Ints, Points, Provenance

SHORTEST, SHORTEST_TRACED = 3, 2
"""Residues of a stretch that is kept. Of single residues a tenth to a third is right, of pairs under half (simulated
cases, with and without templates); traced residues are of runs of nine or more, which a bad neighbour has cut."""
STEP = (2.4, 5.5)
"""Angstrom between consecutive Calphas of one stretch; 2.9 to 3.8 with the errors of candidates."""


def prune_residues(model: CalphaModel, _: RunConfig) -> CalphaModel:
    """Take away single residues, and pairs that were not traced, between gaps or steps that no chain makes.

    The paper keeps them.

    Parameters
    ----------
    model : CalphaModel

    Returns
    -------
    CalphaModel
        The same chains without these residues.
    """
    return replace(model, chains=tuple(_pruned(chain) for chain in model.chains))


def _pruned(chain: Chain) -> Chain:
    shortest = np.where(chain.provenance == Provenance.TRACED, SHORTEST_TRACED, SHORTEST)
    lone = chain.placed() & (stretch_lengths(chain.positions) < np.minimum(shortest, len(chain.positions)))
    return replace(
        chain,
        positions=np.where(lone[:, None], np.nan, chain.positions),
        candidates=np.where(lone, -1, chain.candidates),
        provenance=np.where(lone, Provenance.MISSING, chain.provenance).astype(np.uint8),
    )


def stretch_lengths(positions: Points) -> Ints:
    """Count the residues of the stretch that every residue belongs to.

    Parameters
    ----------
    positions : ndarray, dtype=float64, shape=(length, 3)
        Calphas in Angstrom; NaN where a residue is not placed, which counts as a stretch of its own.

    Returns
    -------
    ndarray, dtype=int64, shape=(length,)
    """
    step = np.linalg.norm(np.diff(positions, axis=0), axis=1)
    joined: NDArray[np.bool_] = (step > STEP[0]) & (step < STEP[1])
    stretch = np.concatenate([[0], np.cumsum(~joined)])
    return np.bincount(stretch)[stretch]
