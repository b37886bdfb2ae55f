"""Bring a map of any voxel size onto the 1 A grid that the network reads.

Trilinear interpolation, after a low-pass where the voxels are finer than 1 A: what the coarser grid cannot hold would
otherwise fold back as false detail. Both are linear and separable, so that each axis is one sparse matrix.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, diags_array

from emodelx.errors import InputError
from emodelx.records import DensityMap, Floats, Points

FINEST, COARSEST = 0.3, 3.0
"""Voxel sizes in Angstrom between which a map is worth reading."""

SAME = 1e-4
"""Voxel sizes that differ from 1 A by no more than this part are left alone."""

REACH = 4.0
"""Half-width of the low-pass kernel in Angstrom."""

CUT = 0.45
"""Frequency in 1/A at which the low-pass has fallen to one half; the 1 A grid ends at 0.5."""


def to_working_grid(density: DensityMap) -> DensityMap:
    """Resample a map to voxels of 1 A.

    Parameters
    ----------
    density : DensityMap
        Finite values; the voxels may be anisotropic.

    Returns
    -------
    DensityMap
        Spacing 1 A, same origin: the centre of voxel 0,0,0 stays where it is, and the last voxel is the last one inside
        the input. A map that has 1 A voxels already is returned as it is.

    Raises
    ------
    InputError
        When a voxel size is outside 0.3 to 3 A.
    """
    check_voxel_size(density.spacing)
    if np.allclose(density.spacing, 1, rtol=0, atol=SAME):
        return density
    sizes = list(zip(density.values.shape, density.spacing, strict=True))
    shape = tuple(_working_size(n, s) for n, s in sizes)
    values = _along_axes(density.values, [_axis_operator(n, s) for n, s in sizes], shape)
    return DensityMap(values, density.origin, np.ones(3))


def on_grid(density: DensityMap, origin: Points, shape: tuple[int, ...]) -> Floats:
    """Values of a map at the voxels of another grid of the same spacing.

    Parameters
    ----------
    density : DensityMap
    origin : ndarray, shape=(3,)
        Angstrom; centre of the first voxel of the grid.
    shape : tuple of int
        Of the grid.

    Returns
    -------
    ndarray, dtype=float32
        Interpolated linearly; 0 outside of the map.
    """
    first = (origin - density.origin) / density.spacing
    sizes = zip(density.values.shape, first, shape, strict=True)
    return _along_axes(density.values, [_between(size, start, count) for size, start, count in sizes], shape)


def check_voxel_size(spacing: NDArray[np.float64]) -> None:
    """Refuse voxel sizes that no map worth reading has.

    Parameters
    ----------
    spacing : ndarray, shape=(3,)
        Voxel size in Angstrom.

    Raises
    ------
    InputError
        When one is outside 0.3 to 3 A.
    """
    if (spacing < FINEST).any() or (spacing > COARSEST).any():
        sizes = " x ".join(f"{s:.3g}" for s in spacing)
        raise InputError(
            f"the map's voxels are {sizes} A, outside {FINEST:g} to {COARSEST:g} A; "
            "correct the voxel size in its header or resample it"
        )


def _along_axes(values: Floats, operators: Sequence[csr_array], shape: tuple[int, ...]) -> Floats:
    """Multiply every axis of a volume by its matrix; `shape` is that of the result."""
    along_x, along_y, along_z = operators
    planes = np.empty((len(values), *shape[1:]), np.float32)
    for plane, section in zip(planes, values, strict=True):
        plane[:] = along_y @ (section @ along_z.T)
    return (along_x @ planes.reshape(len(planes), -1)).reshape(shape)


def _axis_operator(size: int, spacing: float) -> csr_array:
    """Matrix from `size` voxels of `spacing` A to the voxels at 0, 1, 2 ... A; its rows sum to 1."""
    interpolation = _interpolation(size, spacing)
    return interpolation @ _low_pass(size, spacing) if spacing < 1 else interpolation


def _working_size(size: int, spacing: float) -> int:
    """Number of 1 A voxels whose centres lie between the first and the last of the input."""
    return int((size - 1) * spacing + SAME) + 1


def _interpolation(size: int, spacing: float) -> csr_array:
    """Linear interpolation at 0, 1, 2 ... A."""
    return _at(np.arange(_working_size(size, spacing)) / spacing, size)


def _between(size: int, first: float, count: int) -> csr_array:
    """Linear interpolation at `count` places, one voxel apart; 0 outside of the voxels."""
    places = first + np.arange(count)
    outside = (places < 0) | (places > size - 1)
    return diags_array(np.where(outside, np.float32(0), np.float32(1))) @ _at(places.clip(0, size - 1), size)


def _at(places: NDArray[np.float64], size: int) -> csr_array:
    """Linear interpolation at places within `size` voxels, and less than a voxel beyond the last."""
    rows = np.arange(len(places))
    left = np.minimum(places.astype(np.int64), max(size - 2, 0))
    right = np.minimum(left + 1, size - 1)
    part = (places - left).clip(0, 1)
    return _matrix(np.tile(rows, 2), np.concatenate([left, right]), np.concatenate([1 - part, part]), (len(rows), size))


def _low_pass(size: int, spacing: float) -> csr_array:
    """Sinc under a Hann window.

    Beyond its ends the map goes on as its point reflection, so that straight lines stay straight.
    """
    reach = min(int(REACH / spacing), size - 1)
    offsets = np.arange(-reach, reach + 1)
    kernel = np.sinc(2 * CUT * offsets * spacing) * np.cos(0.5 * np.pi * offsets * spacing / REACH) ** 2
    rows, columns = np.broadcast_arrays(np.arange(size)[:, None], np.arange(size)[:, None] + offsets)
    weights = np.broadcast_to(kernel / kernel.sum(), rows.shape)
    end = columns.clip(0, size - 1)
    beyond = columns != end
    # A voxel beyond the end is worth twice the end less its mirror image.
    mirror = 2 * end - columns
    return _matrix(
        np.concatenate([rows[~beyond], rows[beyond], rows[beyond]]),
        np.concatenate([columns[~beyond], end[beyond], mirror[beyond]]),
        np.concatenate([weights[~beyond], 2 * weights[beyond], -weights[beyond]]),
        (size, size),
    )


def _matrix(
    rows: NDArray[np.int64], columns: NDArray[np.int64], values: NDArray[np.float64], shape: tuple[int, int]
) -> csr_array:
    return csr_array((values.astype(np.float32), (rows, columns)), shape=shape)
