"""What the copies of a chain, and templates, say about the residues that a chain misses."""

from collections.abc import Iterable, Sequence

import numpy as np

from emodelx.records import Chain, Points
from emodelx.runs import runs

FLANK = 25
"""Residues on both sides of a gap on which a copy is superposed."""
LEAST_SHARED = 8
"""Residues that the superposition needs."""
LARGEST_RMSD = 1.5
"""Angstrom; copies that differ more tell nothing."""


def expected_positions(chain: Chain, chains: Iterable[Chain]) -> Points:
    """Say where templates, and the copies of a chain, have the residues that it misses.

    Parameters
    ----------
    chain : Chain
    chains : iterable of Chain
        All chains of the model; copies are those with the same sequence.

    Returns
    -------
    ndarray, dtype=float64, shape=(length, 3)
        Angstrom, in the place of `chain`; NaN where nothing has the residue or superposes well around it.
    """
    copies = [other.positions for other in chains if other is not chain and other.sequence == chain.sequence]
    expected = np.full_like(chain.positions, np.nan) if chain.reference is None else chain.reference
    return np.where(chain.placed()[:, None], np.nan, complete(expected, chain.positions, copies))


def strands(chains: Sequence[Chain], origin: Points) -> list[tuple[Points, Points]]:
    """Return the positions of every chain, and where its missing residues are expected, from `origin` on."""
    return [(chain.positions - origin, expected_positions(chain, chains) - origin) for chain in chains]


def complete(known: Points, positions: Points, models: Sequence[Points]) -> Points:
    """Fill the residues that are neither known nor placed from models, superposed around each gap.

    Parameters
    ----------
    known, positions : ndarray, dtype=float64, shape=(length, 3)
        Angstrom; NaN where a residue is not known, or not placed.
    models : sequence of ndarray, dtype=float64, shape=(length, 3)
        Other copies of the chain, the best first; NaN where they lack a residue.

    Returns
    -------
    ndarray, dtype=float64, shape=(length, 3)
        `known`, with what the models add.
    """
    filled = known.copy()
    for gap in _gaps(positions):
        for model in models:
            unknown = np.isnan(filled[gap])
            if (unknown & np.isfinite(model[gap])).any():
                filled[gap] = np.where(unknown, _transfer(positions, model, gap), filled[gap])
    return filled


def _transfer(positions: Points, model: Points, gap: slice) -> Points:
    """Positions of the gap's residues in `model`, superposed on the residues around the gap."""
    around = slice(max(gap.start - FLANK, 0), gap.stop + FLANK)
    both = np.isfinite(positions[around, 0]) & np.isfinite(model[around, 0])
    nothing = np.full((gap.stop - gap.start, 3), np.nan)
    if both.sum() < LEAST_SHARED:
        return nothing
    mobile, target = model[around][both], positions[around][both]
    rotation, shift = superpose(mobile, target)
    rmsd = np.sqrt((((mobile @ rotation.T + shift) - target) ** 2).sum(axis=1).mean())
    return model[gap] @ rotation.T + shift if rmsd < LARGEST_RMSD else nothing


def superpose(mobile: Points, target: Points) -> tuple[Points, Points]:
    """Find the motion that takes `mobile` onto `target` with the least squared distance (Kabsch).

    Parameters
    ----------
    mobile, target : ndarray, dtype=float64, shape=(n, 3)
        Angstrom; row by row the same residue.

    Returns
    -------
    rotation : ndarray, dtype=float64, shape=(3, 3)
    shift : ndarray, dtype=float64, shape=(3,)
        `mobile @ rotation.T + shift` lies on `target`.
    """
    centre, onto = mobile.mean(axis=0), target.mean(axis=0)
    left, _, right = np.linalg.svd((mobile - centre).T @ (target - onto))
    handed = np.diag([1, 1, np.sign(np.linalg.det(left @ right))])
    rotation = (left @ handed @ right).T
    return rotation, onto - rotation @ centre


def _gaps(positions: Points) -> list[slice]:
    """Runs of residues without a position."""
    return [slice(first, end) for first, end in runs(np.isnan(positions[:, 0]))]
