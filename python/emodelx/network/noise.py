"""Where a map holds nothing but noise: its values lie as far below the solvent as above it.

Atoms only add to the density, so that a map with atoms has more high values than low ones. A network that was trained
on molecules sees molecules in noise, too; what it is not shown it cannot take for one.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

Volume = NDArray[np.float32]

BLOCK = 6
"""Voxels that are weighed together, along each axis: noise of neighbouring blocks has little to do with each other."""
AROUND = 6
"""Blocks to each side of a block that are weighed with it: cubes of 78 voxels."""
HIGHEST = 2.5
"""Larger values, on the scale of the network, count as this one: a single bright atom is no molecule."""
LEAST_EXCESS = 5.0
"""Standard deviations; values with less are noise. `docs/accuracy.md` tells what it is in noise and in real maps."""
SMALL = 343
"""Blocks of a map of 42 A; smaller maps cannot show as much, and less is asked of them."""


def excess(values: Volume) -> NDArray[np.float32]:
    """Weigh the values above the solvent against those below it.

    The sum of their cubes over the blocks around each place, in standard deviations of what it would be if every block
    could as well have the opposite sign: the root of the sum of squares.

    Parameters
    ----------
    values : ndarray, dtype=float32, shape=(nx, ny, nz)
        On the scale of the network, not clipped; the solvent is 0.

    Returns
    -------
    ndarray, dtype=float32
        Per block of `BLOCK` voxels along each axis.
    """
    blocks = _block_means(torch.from_numpy(values).clamp(-HIGHEST, HIGHEST).pow_(3))
    spread = _sum_around(blocks.square()).clamp_(min=torch.finfo(torch.float32).tiny).sqrt_()
    found: NDArray[np.float32] = (_sum_around(blocks) / spread).numpy()
    return found


def take_out_noise(values: Volume) -> None:
    """Set values to 0, in place, where the map holds nothing but noise.

    Parameters
    ----------
    values : ndarray, dtype=float32, shape=(nx, ny, nz)
        On the scale of the network, not clipped; the solvent is 0.
    """
    found = excess(values)
    noise = found < LEAST_EXCESS * min(1.0, found.size / SMALL) ** 0.5
    for axis in range(3):
        noise = np.repeat(noise, BLOCK, axis=axis)
    nx, ny, nz = values.shape
    values[noise[:nx, :ny, :nz]] = 0


def _block_means(values: Tensor) -> Tensor:
    """Means over blocks; what the last ones hold beyond the map is 0."""
    beyond = [side for size in reversed(values.shape) for side in (0, -size % BLOCK)]
    return functional.avg_pool3d(functional.pad(values, beyond)[None], BLOCK)[0]


def _sum_around(blocks: Tensor) -> Tensor:
    """Sum over the cube around every block, which is 0 beyond the map; an axis at a time."""
    padded = functional.pad(blocks, [AROUND] * 6)[None]
    for axis in range(3):
        kernel = [2 * AROUND + 1 if other == axis else 1 for other in range(3)]
        padded = functional.avg_pool3d(padded, kernel, stride=1) * (2 * AROUND + 1)
    return padded[0]
