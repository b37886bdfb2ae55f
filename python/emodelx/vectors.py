"""Vectors, and points from bond lengths, angles and torsions. Angles are in degrees, lengths in Angstrom."""

import numpy as np
from numpy.typing import NDArray

from emodelx.records import Points


def unit(vectors: Points) -> Points:
    """Vectors at length 1. Shape (..., 3)."""
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def median_of_known(points: Points) -> Points:
    """Median along the first axis without what is NaN; NaN where all is. Shapes (n, ...) to (...)."""
    ascending = np.sort(points, axis=0)  # NaN comes last
    known = np.isfinite(points).sum(axis=0)[None]
    lower = np.take_along_axis(ascending, np.maximum(known - 1, 0) // 2, axis=0)
    upper = np.take_along_axis(ascending, np.minimum(known // 2, len(points) - 1), axis=0)
    return (lower[0] + upper[0]) / 2


def angle(a: Points, b: Points, c: Points) -> NDArray[np.float64]:
    """Angle a-b-c of many triples of points, 0 to 180. Shapes (..., 3) to (...)."""
    first, last = a - b, c - b
    return np.degrees(np.arctan2(np.linalg.norm(np.cross(first, last), axis=-1), (first * last).sum(-1)))


def torsion(a: Points, b: Points, c: Points, d: Points) -> NDArray[np.float64]:
    """Torsion a-b-c-d of many quadruples of points, -180 to 180. Shapes (..., 3) to (...)."""
    first, axis, last = a - b, unit(c - b), d - c
    first = first - (first * axis).sum(-1, keepdims=True) * axis
    last = last - (last * axis).sum(-1, keepdims=True) * axis
    return np.degrees(np.arctan2((np.cross(axis, first) * last).sum(-1), (first * last).sum(-1)))


def place(a: Points, b: Points, c: Points, bond: float, bend: float, twist: float | Points) -> Points:
    """Return the atom d that is bonded to c.

    Parameters
    ----------
    a, b, c : ndarray, dtype=float64, shape=(..., 3)
        The three atoms before it, in Angstrom.
    bond : float
        Distance c-d in Angstrom.
    bend : float
        Angle b-c-d in degrees.
    twist : float or ndarray, shape=(...)
        Torsion a-b-c-d in degrees.

    Returns
    -------
    ndarray, dtype=float64, shape=(..., 3)
    """
    away, around = np.radians(180 - bend), np.radians(twist)
    forward = unit(c - b)
    normal = unit(np.cross(b - a, forward))
    side = np.cross(normal, forward)
    sideways = np.cos(around)[..., None] * side + np.sin(around)[..., None] * normal
    return c + bond * (np.cos(away) * forward + np.sin(away) * sideways)
