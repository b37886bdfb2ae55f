"""Means along chains: the scores of single residues are too noisy to be told from chance."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from emodelx.records import Floats, Ints

HALF_WINDOW = 9
"""Residues on either side that scores are averaged over, those of DAQ."""


def averaged(scores: NDArray[np.floating], lengths: Sequence[int]) -> Floats:
    """Mean over a window along every chain, cut off at its ends.

    Parameters
    ----------
    scores : ndarray, shape=(r,)
        All chains, one after the other.
    lengths : sequence of int
        Residues of every chain, in order.

    Returns
    -------
    ndarray, dtype=float32, shape=(r,)
    """
    chains = np.split(scores.astype(np.float64), np.cumsum(lengths)[:-1])
    return np.concatenate([_moving_mean(chain) for chain in chains]).astype(np.float32)


def window_sizes(lengths: Sequence[int]) -> Ints:
    """Residues in the window around every residue of chains. Shape (r,)."""
    windows = [_window(length) for length in lengths]
    return np.concatenate([last - first for first, last in windows])


def _moving_mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    sums = np.concatenate([[0.0], np.cumsum(values)])
    first, last = _window(len(values))
    return (sums[last] - sums[first]) / (last - first)


def _window(length: int) -> tuple[Ints, Ints]:
    """First residue of the window around every residue of a chain, and the one behind its last."""
    place = np.arange(length)
    return np.maximum(place - HALF_WINDOW, 0), np.minimum(place + HALF_WINDOW + 1, length)
