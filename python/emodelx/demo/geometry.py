"""Points from bond lengths, angles and torsions."""

import numpy as np

from emodelx.records import Points


def place(a: Points, b: Points, c: Points, bond: float, angle: float, torsion: float | Points) -> Points:
    """Return the atom d that is bonded to c.

    Parameters
    ----------
    a, b, c : ndarray, dtype=float64, shape=(..., 3)
        The three atoms before it, in Angstrom.
    bond : float
        Distance c-d in Angstrom.
    angle : float
        Angle b-c-d in degrees.
    torsion : float or ndarray, shape=(...)
        Torsion a-b-c-d in degrees.

    Returns
    -------
    ndarray, dtype=float64, shape=(..., 3)
    """
    bend, twist = np.radians(180 - angle), np.radians(torsion)
    forward = _unit(c - b)
    normal = _unit(np.cross(b - a, forward))
    side = np.cross(normal, forward)
    sideways = np.cos(twist)[..., None] * side + np.sin(twist)[..., None] * normal
    return c + bond * (np.cos(bend) * forward + np.sin(bend) * sideways)


def _unit(vectors: Points) -> Points:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
