"""Loops that a structure lacks, as coils between their ends: a start for what finds their course in a map."""

import numpy as np

from emodelx.constants import CA_DISTANCE
from emodelx.records import Ints, Points
from emodelx.vectors import unit

LONGEST = 25
"""Residues of a loop."""
RISE = 1.5
"""Least advance per residue in Angstrom: that of a helix."""
TURN = np.radians(100)
"""Turn per residue of the coil."""


def with_loops(numbers: Ints, points: Points) -> tuple[Ints, Points]:
    """Add the missing residues between those that are there.

    A loop is a coil of steps of 3.8 A around a straight line, or around an arc that bows away from the structure where
    its ends are nearer than a helix of its length.

    Parameters
    ----------
    numbers : ndarray, dtype=int64, shape=(n,), ascending
    points : ndarray, dtype=float64, shape=(n, 3)
        Calphas in Angstrom.

    Returns
    -------
    numbers, points
        With the residues of all gaps of up to 25 residues that a chain can span.
    """
    centre = points.mean(axis=0)
    all_numbers, all_points = [numbers], [points]
    for i in np.flatnonzero(np.diff(numbers) > 1):
        missing = int(numbers[i + 1] - numbers[i]) - 1
        ends = points[[i, i + 1]]
        if missing <= LONGEST and np.linalg.norm(ends[1] - ends[0]) < CA_DISTANCE * (missing + 1):
            all_numbers.append(np.arange(int(numbers[i]) + 1, int(numbers[i + 1])))
            all_points.append(_coil(ends, missing, centre))
    joined = np.concatenate(all_numbers)
    order = np.argsort(joined, kind="stable")
    return joined[order], np.ascontiguousarray(np.concatenate(all_points)[order])


def _coil(ends: Points, missing: int, centre: Points) -> Points:
    """Residues between two ends. Shape (missing, 3)."""
    across = ends[1] - ends[0]
    distance = max(float(np.linalg.norm(across)), 1e-3)
    along = across / distance
    outward = ends.mean(axis=0) - centre
    outward = unit(outward - outward @ along * along + 1e-6 * np.roll(along, 1))
    share = np.arange(1, missing + 1) / (missing + 1)
    rise = max(distance / (missing + 1), RISE)
    bow = np.sqrt(max((rise * (missing + 1)) ** 2 - distance**2, 0.0)) / 2
    axis = ends[0] + share[:, None] * across + (np.sin(np.pi * share) * bow)[:, None] * outward
    radius = np.sqrt(max(CA_DISTANCE**2 - rise**2, 0.0)) / (2 * np.sin(TURN / 2))
    fade = np.minimum(1, 4 * np.minimum(share, 1 - share))
    angle = TURN * np.arange(missing)
    side = np.cross(along, outward)
    return axis + (radius * fade)[:, None] * (np.cos(angle)[:, None] * outward + np.sin(angle)[:, None] * side)
