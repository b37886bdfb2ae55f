"""The hand of a map, from the helices in its candidates: those of proteins are right-handed.

The network itself cannot tell: it reads a map and its mirror image equally well.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from emodelx.records import Candidates, HelixTurns, Ints, Points
from emodelx.vectors import torsion

STEPS = ((3.0, 4.6), (4.7, 6.2), (4.2, 6.2), (5.2, 7.6))
"""Angstrom between a residue of a helix and the first to fourth after it: 3.8, 5.5, 5.1 and 6.2, with their errors."""
TORSION = (20.0, 90.0)
"""Degrees of four Calphas in a row; 50 in a helix, and -50 in its mirror image."""
CROWDED = 12
"""Neighbours per candidate, about 2 in maps of proteins, above which there are too many runs, which tell nothing."""


def count_turns(candidates: Candidates) -> HelixTurns:
    """Count runs of five candidates that wind like a helix, by their hand.

    Five have two torsions that wind the same way. Four do not suffice: in poor maps they wind either way by chance.

    Parameters
    ----------
    candidates : Candidates

    Returns
    -------
    HelixTurns
        None of either hand where the candidates lie denser than residues can.
    """
    points = candidates.positions
    runs = steps = _steps(points)
    if len(steps) > CROWDED * len(points):
        return HelixTurns(0, 0)
    for length in (3, 4, 5):
        runs = _extend(runs, steps)
        for hop in range(2, length):
            runs = runs[_apart(points, runs[:, -1 - hop], runs[:, -1], STEPS[hop - 1])]
    turns = np.stack([torsion(*np.moveaxis(points[runs[:, first : first + 4]], 1, 0)) for first in (0, 1)])
    right, left = (int(_within(sign * turns, TORSION).all(axis=0).sum()) // 2 for sign in (1, -1))
    return HelixTurns(right, left)


def _steps(points: Points) -> Ints:
    """Neighbours as consecutive residues are, both ways round. Shape (s, 2)."""
    if len(points) == 0:
        return np.empty((0, 2), np.int64)
    pairs = KDTree(points).query_pairs(STEPS[0][1], output_type="ndarray")
    pairs = pairs[_apart(points, pairs[:, 0], pairs[:, 1], STEPS[0])]
    return np.concatenate([pairs, pairs[:, ::-1]]).astype(np.int64)


def _extend(runs: Ints, steps: Ints) -> Ints:
    """Add every step that leads on from the end of every run, without coming back."""
    steps = steps[np.argsort(steps[:, 0], kind="stable")]
    first, last = (np.searchsorted(steps[:, 0], runs[:, -1], side) for side in ("left", "right"))
    count = last - first
    within = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    added = steps[np.repeat(first, count) + within, 1]
    longer = np.column_stack([np.repeat(runs, count, axis=0), added])
    return longer[(longer[:, :-1] != added[:, None]).all(axis=1)]


def _apart(points: Points, a: Ints, b: Ints, limits: tuple[float, float]) -> NDArray[np.bool_]:
    return _within(np.linalg.norm(points[a] - points[b], axis=1), limits)


def _within(values: NDArray[np.float64], limits: tuple[float, float]) -> NDArray[np.bool_]:
    return (values > limits[0]) & (values < limits[1])
