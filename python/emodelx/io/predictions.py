"""Predictions in and out: the ``.npz`` through which other networks plug in.

The amino-acid volume of a large map would not fit into memory, so it passes through in blocks, one type after the
other, and only the voxels that can belong to a candidate are kept.
"""

from pathlib import Path
from typing import IO
from zipfile import ZIP_DEFLATED, BadZipFile, ZipFile
from zlib import error as zlib_error

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from emodelx.config import RESOLUTION_RANGE, ReadingConfig
from emodelx.constants import AMINO_ACIDS
from emodelx.errors import InputError
from emodelx.io.files import open_input, replacing
from emodelx.records import Floats, Ints, Prediction, VoxelOdds

REQUIRED = ("ca_prob", "bb_prob", "aa_prob", "origin")
DEFAULT_THRESHOLD = 0.35  # the paper's
TYPE_FLOOR = ReadingConfig.type_floor
TYPES = len(AMINO_ACIDS)
BLOCK_VOXELS = 1 << 20
ROUNDING = 1e-3  # how far a probability may leave 0..1; float16 needs it


def read_prediction(path: Path | str) -> Prediction:
    """Read what a network says from an ``.npz`` file.

    Parameters
    ----------
    path : Path or str
        Holds ``ca_prob`` and ``bb_prob`` ``(nx, ny, nz)``, ``aa_prob`` ``(20, nx, ny, nz)`` in the order of
        `AMINO_ACIDS` and ``origin`` ``(3,)`` in Angstrom, on a 1 A grid, as float16, float32 or float64, in C order;
        optionally ``threshold``, ``resolution`` in Angstrom, ``density``, the map as the network read it,
        ``(nx, ny, nz)``, and ``odds`` ``(2, 2)``, power and factor with which the odds of ``ca_prob`` and ``bb_prob``
        mean what they say.

    Returns
    -------
    Prediction
        Types are known next to every Calpha probability above 0.1, or above the threshold if that is lower.

    Raises
    ------
    InputError
        If the file cannot be read, an array is missing or has the wrong shape or type, or holds anything but
        probabilities.
    """
    path = Path(path)
    with open_input(path) as file:
        try:
            with ZipFile(file) as archive:
                return _read_arrays(archive, path)
        except (BadZipFile, EOFError, OSError, RuntimeError, zlib_error):  # zipfile says all of these of damage
            raise InputError(f"{path}: not a complete .npz file; write it again with numpy.savez_compressed") from None


def _read_arrays(archive: ZipFile, path: Path) -> Prediction:
    names = set(archive.namelist())
    missing = [name for name in REQUIRED if f"{name}.npy" not in names]
    if missing:
        raise InputError(f"{path}: {', '.join(missing)} missing; a prediction holds {', '.join(REQUIRED)}")
    ca_prob, bb_prob = (_read_probability(archive, name, path) for name in ("ca_prob", "bb_prob"))
    if ca_prob.ndim != 3 or 0 in ca_prob.shape or ca_prob.shape != bb_prob.shape:
        raise InputError(f"{path}: ca_prob {ca_prob.shape} and bb_prob {bb_prob.shape} must be volumes of one shape")
    threshold = _read_threshold(archive, path) if "threshold.npy" in names else DEFAULT_THRESHOLD
    voxels = type_voxels(ca_prob, min(TYPE_FLOOR, threshold))
    return Prediction(
        ca_prob,
        bb_prob,
        voxels,
        _read_types(archive, ca_prob.shape, voxels, path),
        _read_origin(archive, path),
        threshold,
        resolution=_read_resolution(archive, path) if "resolution.npy" in names else None,
        density=_read_density(archive, ca_prob.shape, path) if "density.npy" in names else None,
        odds=_read_odds(archive, path) if "odds.npy" in names else None,
    )


def type_voxels(ca_prob: Floats, floor: float = TYPE_FLOOR) -> Ints:
    """Voxels whose amino-acid probabilities matter: the 3x3x3 surroundings of every Calpha probability above `floor`.

    Parameters
    ----------
    ca_prob : ndarray, dtype=float32, shape=(nx, ny, nz)
    floor : float

    Returns
    -------
    ndarray, dtype=int64, shape=(m,), ascending
        Flat C-order indices.
    """
    near = ca_prob > floor
    for axis in range(3):
        along = np.moveaxis(near, axis, 0)
        seed = along.copy()
        along[1:] |= seed[:-1]
        along[:-1] |= seed[1:]
    return np.flatnonzero(near).astype(np.int64, copy=False)


def _read_array(archive: ZipFile, name: str, path: Path) -> NDArray:
    with archive.open(f"{name}.npy") as stream:
        try:
            array = npy.read_array(stream, allow_pickle=False)
        except ValueError:
            raise InputError(f"{path}: {name} is no plain array of numbers; save it as float32") from None
    if array.dtype.kind not in "fiu":
        raise InputError(f"{path}: {name} has type {array.dtype}; save it as float32")
    return array


def _read_probability(archive: ZipFile, name: str, path: Path) -> Floats:
    """Read a whole array of probabilities as float32, C order."""
    array = np.ascontiguousarray(_read_array(archive, name, path), np.float32)
    _require_probability(array, name, path)
    return np.clip(array, 0, 1, out=array)


def _read_density(archive: ZipFile, shape: tuple[int, ...], path: Path) -> Floats:
    density = np.ascontiguousarray(_read_array(archive, "density", path), np.float32)
    if density.shape != shape or not np.isfinite(density).all():
        raise InputError(f"{path}: density must hold finite numbers in the shape {shape} of ca_prob")
    return density


def _require_probability(values: NDArray, name: str, path: Path) -> None:
    low, high = values.min(initial=0), values.max(initial=0)  # NaN where any value is
    if not (low >= -ROUNDING and high <= 1 + ROUNDING):
        raise InputError(f"{path}: {name} holds values from {low:.4g} to {high:.4g}; probabilities run from 0 to 1")


def _read_origin(archive: ZipFile, path: Path) -> NDArray[np.float64]:
    origin = _read_array(archive, "origin", path).astype(np.float64)
    if origin.shape != (3,) or not np.isfinite(origin).all():
        raise InputError(f"{path}: origin must be three finite numbers, the centre of voxel 0,0,0 in Angstrom")
    return origin


def _read_threshold(archive: ZipFile, path: Path) -> float:
    threshold = _read_array(archive, "threshold", path)
    if threshold.size != 1 or not 0 < threshold.item() < 1:
        raise InputError(f"{path}: threshold must be one number between 0 and 1")
    return float(threshold.item())


def _read_resolution(archive: ZipFile, path: Path) -> float:
    resolution = _read_array(archive, "resolution", path)
    low, high = RESOLUTION_RANGE
    if resolution.size != 1 or not low <= resolution.item() <= high:
        raise InputError(f"{path}: resolution must be one number of Angstrom between {low:g} and {high:g}")
    return float(resolution.item())


def _read_odds(archive: ZipFile, path: Path) -> VoxelOdds:
    odds = _read_array(archive, "odds", path)
    if odds.shape != (2, 2) or odds.dtype.kind != "f" or not (np.isfinite(odds) & (odds > 0)).all():
        raise InputError(f"{path}: odds must be (2, 2) positive numbers, power and factor for ca_prob and bb_prob")
    calpha, main_chain = ((float(power), float(factor)) for power, factor in odds)
    return VoxelOdds(calpha, main_chain)


def _read_types(archive: ZipFile, shape: tuple[int, ...], voxels: Ints, path: Path) -> Floats:
    """Read ``aa_prob`` at the given voxels only; float32 ``(m, 20)``."""
    type_prob = np.empty((len(voxels), TYPES), np.float32)
    size = int(np.prod(shape, dtype=np.int64))
    with archive.open("aa_prob.npy") as stream:
        value_type = _read_type_header(stream, shape, path)
        for residue in range(TYPES):
            for first in range(0, size, BLOCK_VOXELS):
                count = min(BLOCK_VOXELS, size - first)
                block = np.frombuffer(_read_exactly(stream, count * value_type.itemsize), value_type)
                _require_probability(block, "aa_prob", path)
                here = slice(*np.searchsorted(voxels, (first, first + count)))
                type_prob[here, residue] = block[voxels[here] - first]
    return np.clip(type_prob, 0, 1, out=type_prob)


def _read_type_header(stream: IO[bytes], shape: tuple[int, ...], path: Path) -> np.dtype:
    try:
        version = npy.read_magic(stream)
        read_header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        found, column_major, value_type = read_header(stream)
    except ValueError:
        raise InputError(f"{path}: aa_prob is no plain array of numbers; save it as float32") from None
    if value_type.kind != "f":
        raise InputError(f"{path}: aa_prob has type {value_type}; save it as float32")
    if found != (TYPES, *shape):
        raise InputError(
            f"{path}: aa_prob has shape {found}; it must be {(TYPES, *shape)}, types in the order {AMINO_ACIDS}"
        )
    if column_major:
        raise InputError(f"{path}: aa_prob is in Fortran order; save numpy.ascontiguousarray(aa_prob)")
    return value_type


def _read_exactly(stream: IO[bytes], count: int) -> bytes:
    data = stream.read(count)
    if len(data) < count:
        raise EOFError
    return data


def write_prediction(path: Path | str, prediction: Prediction) -> None:
    """Write a prediction as a compressed ``.npz`` that `numpy.load` reads, too.

    ``aa_prob`` is written dense, type by type, with 0.05 where the types are unknown; it is never held in memory. The
    file appears under its name only when it is complete.
    """
    path = Path(path)
    with replacing(path) as part, ZipFile(part, "w", ZIP_DEFLATED, compresslevel=1) as archive:
        _write_array(archive, "ca_prob", prediction.ca_prob)
        _write_array(archive, "bb_prob", prediction.bb_prob)
        _write_array(archive, "origin", prediction.origin)
        _write_array(archive, "threshold", np.array(prediction.threshold))
        if prediction.resolution is not None:
            _write_array(archive, "resolution", np.array(prediction.resolution))
        if prediction.density is not None:
            _write_array(archive, "density", prediction.density.astype(np.float16))
        if prediction.odds is not None:
            _write_array(archive, "odds", np.array([prediction.odds.calpha, prediction.odds.main_chain]))
        _write_types(archive, prediction)


def _write_array(archive: ZipFile, name: str, array: NDArray) -> None:
    with archive.open(f"{name}.npy", "w", force_zip64=True) as stream:
        npy.write_array(stream, array, allow_pickle=False)


def _write_types(archive: ZipFile, prediction: Prediction) -> None:
    shape, size, voxels = prediction.ca_prob.shape, prediction.ca_prob.size, prediction.type_voxels
    with archive.open("aa_prob.npy", "w", force_zip64=True) as stream:
        npy.write_array_header_2_0(stream, {"descr": "<f4", "fortran_order": False, "shape": (TYPES, *shape)})
        for residue in range(TYPES):
            for first in range(0, size, BLOCK_VOXELS):
                count = min(BLOCK_VOXELS, size - first)
                here = slice(*np.searchsorted(voxels, (first, first + count)))
                block = np.full(count, 1 / TYPES, "<f4")
                block[voxels[here] - first] = prediction.type_prob[here, residue]
                stream.write(block.data)
