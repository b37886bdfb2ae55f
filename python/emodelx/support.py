"""How much main chain the network sees along chains."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from emodelx.records import CalphaModel, Points, Prediction

PARTS = (0.25, 0.5, 0.75)
"""Where the main chain is read on the way to the next residue."""


def support(positions: Points, prediction: Prediction) -> NDArray[np.float64]:
    """Mean main-chain probability from each residue to the next.

    Parameters
    ----------
    positions : ndarray, dtype=float64, shape=(length, 3)
        Calphas in Angstrom; NaN where a residue is not placed.
    prediction : Prediction

    Returns
    -------
    ndarray, dtype=float64, shape=(length,)
        NaN where the residue or the next one is not placed.
    """
    onward = np.roll(positions, -1, axis=0) - positions
    onward[-1] = np.nan
    points = np.stack([positions + part * onward for part in PARTS]) - prediction.origin
    read = map_coordinates(prediction.bb_prob, np.nan_to_num(points).T, order=1, cval=0.0).T.mean(axis=0)
    return np.where(np.isfinite(onward[:, 0]), read, np.nan)


def usual_support(model: CalphaModel, prediction: Prediction) -> float:
    """Median main-chain probability along what is placed, or along the templates where nothing is."""
    along = [support(chain.positions, prediction) for chain in model.chains]
    along += [support(chain.reference, prediction) for chain in model.chains if chain.reference is not None]
    values = np.concatenate(along) if along else np.zeros(0)
    return float(np.median(values[np.isfinite(values)])) if np.isfinite(values).any() else 1.0
