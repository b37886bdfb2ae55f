"""What the copies of a chain say about each other."""

from collections.abc import Iterable

import numpy as np

from emodelx.records import Chain, Points

FLANK = 25
"""Residues on both sides of a gap on which a copy is superposed."""
LEAST_SHARED = 8
"""Residues that the superposition needs."""
LARGEST_RMSD = 1.5
"""Angstrom; copies that differ more tell nothing."""


def expected_positions(chain: Chain, chains: Iterable[Chain]) -> Points:
    """Say where the copies of a chain have the residues that it misses.

    Parameters
    ----------
    chain : Chain
    chains : iterable of Chain
        All chains of the model; copies are those with the same sequence.

    Returns
    -------
    ndarray, dtype=float64, shape=(length, 3)
        Angstrom, in the place of `chain`; NaN where no copy has the residue or none superposes well around it.
    """
    expected = np.full_like(chain.positions, np.nan)
    copies = [other for other in chains if other is not chain and other.sequence == chain.sequence]
    for gap in _gaps(chain):
        for copy in copies:
            unknown = np.isnan(expected[gap])
            if not unknown.any():
                break
            expected[gap] = np.where(unknown, _transfer(chain, copy, gap), expected[gap])
    return expected


def _transfer(chain: Chain, other: Chain, gap: slice) -> Points:
    """Positions of the gap's residues in `other`, superposed on the residues around the gap."""
    around = slice(max(gap.start - FLANK, 0), gap.stop + FLANK)
    both = np.isfinite(chain.positions[around, 0]) & np.isfinite(other.positions[around, 0])
    nothing = np.full((gap.stop - gap.start, 3), np.nan)
    if both.sum() < LEAST_SHARED:
        return nothing
    mobile, target = other.positions[around][both], chain.positions[around][both]
    rotation, shift = superpose(mobile, target)
    rmsd = np.sqrt((((mobile @ rotation.T + shift) - target) ** 2).sum(axis=1).mean())
    return other.positions[gap] @ rotation.T + shift if rmsd < LARGEST_RMSD else nothing


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


def _gaps(chain: Chain) -> list[slice]:
    """Runs of residues without a position."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], ~chain.placed(), [False]]).astype(np.int8)))
    return [slice(int(a), int(b)) for a, b in edges.reshape(-1, 2)]
