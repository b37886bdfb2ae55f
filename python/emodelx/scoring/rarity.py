"""Tables of how rare torsion angles are in well resolved structures."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

RARITY_POWER = 0.25
"""Tables hold rarity to this power in 255 steps, so that small shares, which decide, keep two digits."""


def look_up(table: NDArray[np.uint8], angles: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of residues that are rarer than those with these angles, 0 to 1.

    Parameters
    ----------
    table : ndarray, dtype=uint8, shape=(cells,) * d
        Periodic, its cells from -180 degrees on.
    angles : ndarray, dtype=float64, shape=(n, d)
        In degrees.

    Returns
    -------
    ndarray, dtype=float64, shape=(n,)
    """
    places = (angles.T + 180) / 360 * len(table) - 0.5
    values = map_coordinates(table.astype(np.float32), places, order=1, mode="grid-wrap")
    return (values / 255.0) ** (1 / RARITY_POWER)
