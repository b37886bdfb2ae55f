"""How much of a model runs along the reference in its direction.

The definitions are those of phenix.chain_comparison as EModelX's paper uses them. A model residue that has a reference
Calpha within 3 A is paired with the nearest; it is *forward* when the residue bonded before or after it is paired with
the one before or after on the reference, in the same order. A segment is a run of forward residues each paired with the
one after the last.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from emodelx.io.structures import CalphaChain
from emodelx.records import Ints, Points

LONGEST_STEP = 5.0
"""Angstrom; Calphas of one chain further apart are not consecutive."""


@dataclass(frozen=True)
class Direction:
    """Forward residues of a model, and its forward segments."""

    forward: int
    segments: int


def directions(model: Sequence[CalphaChain], reference: Sequence[CalphaChain], near: float) -> Direction:
    """Count forward residues and segments.

    Parameters
    ----------
    model, reference : sequence of CalphaChain
        Neither empty.
    near : float
        Angstrom; the longest distance of a pair.
    """
    built, true = _joined(model), _joined(reference)
    distance, partner = KDTree(true).query(built)
    partner = np.where(distance < near, partner, -1)
    steps = _follows(model, built) & _is_forward(partner, _follows(reference, true))
    forward = np.zeros(len(built), bool)
    forward[:-1] |= steps
    forward[1:] |= steps
    starts = np.diff(steps.astype(np.int8), prepend=0) == 1
    return Direction(int(forward.sum()), int(starts.sum()))


def _joined(chains: Sequence[CalphaChain]) -> Points:
    return np.concatenate([chain.positions for chain in chains])


def _follows(chains: Sequence[CalphaChain], positions: Points) -> NDArray[np.bool_]:
    """Whether the next residue is the next of its chain. Shape (n - 1,)."""
    owner = np.repeat(np.arange(len(chains)), [len(chain) for chain in chains])
    return (np.diff(owner) == 0) & (np.linalg.norm(np.diff(positions, axis=0), axis=1) < LONGEST_STEP)


def _is_forward(partner: Ints, reference_follows: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Whether a residue and the next are paired with a residue and the next. Shape (n - 1,)."""
    one, other = partner[:-1], partner[1:]
    step = (one >= 0) & (other == one + 1)
    return step & np.append(reference_follows, False)[one]
