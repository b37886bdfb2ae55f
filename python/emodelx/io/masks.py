"""Masks: which part of a map to model, brought onto the grid of the map by position."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emodelx.errors import InputError
from emodelx.io.maps import read_volume, repair
from emodelx.records import DensityMap, Floats

ROUNDING = 0.05  # how far a soft mask may leave 0..1; programs that resample masks overshoot
SAME_GRID = 0.01  # Angstrom


def read_mask(path: Path | str, density: DensityMap) -> Floats:
    """Read a mask, soft (0 to 1) or binary, onto the grid of a map.

    Parameters
    ----------
    path : Path or str
        A map file on any grid; outside of it the mask is 0.
    density : DensityMap
        The map to be masked.

    Returns
    -------
    ndarray, dtype=float32, shape of the map
        0 outside, 1 inside, interpolated linearly where the grids differ.

    Raises
    ------
    InputError
        If the file is no map, its values are not those of a mask, or it leaves nothing of the map.
    """
    path = Path(path)
    values, header = read_volume(path)
    repair(values)
    mask = DensityMap(values, header.origin, header.spacing)
    _require_mask(values, path)
    resampled = values if _on_same_grid(mask, density) else _resample(mask, density)
    if not resampled.any():
        raise InputError(
            f"{path}: the mask ({_box(mask)}) leaves nothing of the map ({_box(density)}); make it from this map"
        )
    return np.clip(resampled, 0, 1, out=resampled)


def _require_mask(values: Floats, path: Path) -> None:
    low, high = values.min(), values.max()
    if low < -ROUNDING or high > 1 + ROUNDING:
        raise InputError(f"{path}: its values run from {low:.4g} to {high:.4g}; a mask runs from 0 to 1")


def _on_same_grid(mask: DensityMap, density: DensityMap) -> bool:
    """Whether first and last voxels coincide."""
    if mask.values.shape != density.values.shape:
        return False
    corners = zip(_corners(mask), _corners(density), strict=True)
    return all(bool((abs(a - b) < SAME_GRID).all()) for a, b in corners)


def _resample(mask: DensityMap, density: DensityMap) -> Floats:
    """Mask at the voxel centres of the map, trilinear, 0 outside; axis by axis, as both grids are upright."""
    values = mask.values
    for axis, size in enumerate(density.values.shape):
        centres = density.origin[axis] + np.arange(size) * density.spacing[axis]
        values = _interpolate(values, (centres - mask.origin[axis]) / mask.spacing[axis], axis)
    return values


def _interpolate(values: Floats, at: NDArray[np.float64], axis: int) -> Floats:
    """Values at fractional indices along one axis, falling to 0 within one voxel beyond the ends."""
    padded = np.pad(values, [(int(a == axis),) * 2 for a in range(3)])
    last = padded.shape[axis] - 1
    at = np.clip(at + 1, 0, last)
    low = np.minimum(at.astype(np.int64), last - 1)
    share = np.expand_dims(at - low, [a for a in range(3) if a != axis]).astype(np.float32)
    before, after = padded.take(low, axis), padded.take(low + 1, axis)
    after -= before
    after *= share
    after += before
    return after


def _corners(grid: DensityMap) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Centres of the first and the last voxel in Angstrom."""
    return grid.origin, grid.origin + (np.array(grid.values.shape) - 1) * grid.spacing


def _box(grid: DensityMap) -> str:
    return ", ".join(
        f"{axis} {low:.4g} to {high:.4g} A" for axis, low, high in zip("xyz", *_corners(grid), strict=True)
    )
