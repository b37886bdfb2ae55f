"""Where the windows stand that a map is read in, and how much each of them says about each voxel.

A pure plan: numpy alone, no network. Along every axis the shares of the windows add up to 1 at each voxel of the map,
so that stitching is a plain sum and a network that returns its input gives the map back.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emodelx.records import Floats, Ints

Shape = tuple[int, int, int]


@dataclass(frozen=True)
class AxisTiles:
    """Windows along one axis.

    Attributes
    ----------
    starts : ndarray, dtype=int64, shape=(k,)
        First voxel of each window, ascending; negative where a window begins before the map.
    share : ndarray, dtype=float32, shape=(k, window)
        What each window contributes to each of its voxels.
    """

    starts: Ints
    share: Floats


@dataclass(frozen=True)
class TilePlan:
    """Windows over a map.

    Attributes
    ----------
    shape : tuple of int
        Shape of the map.
    window : int
        Edge of a window in voxels.
    axes : tuple of AxisTiles
        Windows along x, y and z; a window of the map is one of each.
    """

    shape: Shape
    window: int
    axes: tuple[AxisTiles, AxisTiles, AxisTiles]

    @classmethod
    def cover(cls, shape: Shape, window: int, overlap: float) -> TilePlan:
        """Plan windows that cover every voxel.

        Parameters
        ----------
        shape : tuple of int
            Shape of the map.
        window : int
            Edge of a window in voxels; a smaller map lies in the middle of one window.
        overlap : float
            Smallest part of a window that its neighbour covers too, 0 <= overlap < 1.
        """
        stride = max(1, int(window * (1 - overlap)))
        x, y, z = (_tile_axis(size, window, stride) for size in shape)
        return cls(shape, window, (x, y, z))

    def with_density(self, volume: Floats, level: float) -> NDArray[np.int64]:
        """Select the windows in which the map rises above `level`.

        Parameters
        ----------
        volume : ndarray, shape=(nx, ny, nz)
            The map.
        level : float
            A window whose every voxel is at or below it has nothing to read.

        Returns
        -------
        ndarray, dtype=int64, shape=(n, 3)
            Place of each window in `axes`, ascending.
        """
        counts = [len(axis.starts) for axis in self.axes]
        return np.array(
            [tile for tile in np.ndindex(*counts) if (volume[self.inside(tile)[0]] > level).any()], np.int64
        ).reshape(-1, 3)

    def inside(self, tile: NDArray[np.int64] | tuple[int, ...]) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
        """Return the part of the map that a window covers, as slices of the map and slices of the window."""
        starts = [int(axis.starts[place]) for axis, place in zip(self.axes, tile, strict=True)]
        in_map = tuple(slice(max(s, 0), min(s + self.window, n)) for s, n in zip(starts, self.shape, strict=True))
        in_window = tuple(slice(part.start - s, part.stop - s) for s, part in zip(starts, in_map, strict=True))
        return in_map, in_window

    def share(self, tile: NDArray[np.int64] | tuple[int, ...]) -> Floats:
        """Return what a window contributes to each of its voxels, shape (window, window, window)."""
        x, y, z = (axis.share[place] for axis, place in zip(self.axes, tile, strict=True))
        return x[:, None, None] * y[:, None] * z


def _tile_axis(size: int, window: int, stride: int) -> AxisTiles:
    """Spread the fewest windows that keep to the stride evenly over an axis."""
    if size <= window:
        starts = np.array([(size - window) // 2])
    else:
        count = -(-(size - window) // stride) + 1
        starts = np.linspace(0, size - window, count).round().astype(np.int64)
    return AxisTiles(starts, _shares(starts, size, window))


def _shares(starts: Ints, size: int, window: int) -> Floats:
    """Divide each voxel among its windows; the border of a window, where the network sees least, says least."""
    bell = np.sin(np.pi * (np.arange(window) + 0.5) / window) ** 2
    places = starts[:, None] + np.arange(window)
    inside = (places >= 0) & (places < size)
    total = np.zeros(size)
    np.add.at(total, places[inside], np.broadcast_to(bell, places.shape)[inside])
    return np.where(inside, bell / total[places.clip(0, size - 1)], 0).astype(np.float32)
