"""The 1024-byte header of MRC2014 and CCP4 maps: what it says, and where ChimeraX puts the map.

The file stores ``data[section][row][column]``; MAPC, MAPR and MAPS name the axis (1 x, 2 y, 3 z) that columns, rows and
sections run along. NSTART and the grid size come in column, row, section order; the cell, the intervals M and ORIGIN in
x, y, z order.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from emodelx.errors import InputError
from emodelx.records import DensityMap, Floats

HEADER_BYTES = 1024

_FIELDS = {  # name: type, offset
    "size": ("3i4", 0), "mode": ("i4", 12), "start": ("3i4", 16), "intervals": ("3i4", 28), "cell": ("3f4", 40),
    "angles": ("3f4", 52), "axes": ("3i4", 64), "range": ("3f4", 76), "space_group": ("i4", 88), "extended": ("i4", 92),
    "version": ("i4", 108), "imod_stamp": ("i4", 152), "imod_flags": ("i4", 156), "origin": ("3f4", 196),
    "map": ("S4", 208), "machine": ("S4", 212), "rms": ("f4", 216), "label_count": ("i4", 220),
    "labels": ("10S80", 224),
}  # fmt: skip
HEADER = np.dtype({
    "names": list(_FIELDS),
    "formats": [kind for kind, _ in _FIELDS.values()],
    "offsets": [offset for _, offset in _FIELDS.values()],
    "itemsize": HEADER_BYTES,
})  # fmt: skip

VALUE_TYPES = {0: np.dtype("i1"), 1: np.dtype("i2"), 2: np.dtype("f4"), 6: np.dtype("u2"), 12: np.dtype("f2")}
"""Type of the voxels for every mode that holds a density."""

MACHINE_STAMPS = {"<": b"DD", ">": b"\x11\x11"}
CCP4_NAMES = (".map", ".ccp4")
LARGEST_SIZE = 65536  # sizes stay below it, so the first word tells the byte order even where MACHST is wrong
IMOD_STAMP = 1146047817
IMOD_SIGNED = 1
VOLUME_STACK = 401
ROTATION_LABEL = b"Chimera rotation:"
RIGHT_ANGLE_TOLERANCE = 0.01  # degrees; moves the far corner of a 300 A box by 0.05 A
SAME_PLACE = 0.01  # Angstrom
FORMAT_VERSION = 20141


@dataclass(frozen=True)
class MapHeader:
    """What a header says, in x, y, z order.

    Attributes
    ----------
    shape : tuple of int
        Voxels along x, y and z.
    spacing : ndarray, dtype=float64, shape=(3,)
        Voxel size in Angstrom.
    origin : ndarray, dtype=float64, shape=(3,)
        Centre of voxel 0,0,0 in Angstrom, where ChimeraX puts it.
    placement : str
        Header words that gave the origin: ``ORIGIN`` or ``NSTART``.
    mode : int
        MRC mode of the voxels.
    value_type : dtype
        Type and byte order of the voxels in the file.
    axes : tuple of int
        MAPC, MAPR, MAPS.
    data_offset : int
        First byte of the voxels.
    warnings : tuple of str
        What the header got wrong, and what was done.
    """

    shape: tuple[int, int, int]
    spacing: NDArray[np.float64]
    origin: NDArray[np.float64]
    placement: str
    mode: int
    value_type: np.dtype
    axes: tuple[int, int, int]
    data_offset: int
    warnings: tuple[str, ...] = ()

    @property
    def data_bytes(self) -> int:
        """Size of the voxels in bytes."""
        return int(np.prod(self.shape, dtype=np.int64)) * self.value_type.itemsize

    def without_extended(self) -> "MapHeader":
        """Return the same header for a file whose extended header is announced and not there."""
        return replace(self, data_offset=HEADER_BYTES)


@dataclass(frozen=True)
class MapLayout:
    """How a map is laid out in a file.

    Attributes
    ----------
    mode : int
        0 int8, 1 int16, 2 float32, 6 uint16, 12 float16.
    axes : tuple of int
        MAPC, MAPR, MAPS: the axes (1 x, 2 y, 3 z) along columns, rows and sections.
    byte_order : str
        ``<`` little-endian, ``>`` big-endian.
    placement : str
        Whether ORIGIN or NSTART holds the origin; NSTART can hold whole voxels only.
    """

    mode: int = 2
    axes: tuple[int, int, int] = (1, 2, 3)
    byte_order: Literal["<", ">"] = "<"
    placement: Literal["ORIGIN", "NSTART"] = "ORIGIN"


def in_file_order(volume: NDArray, axes: tuple[int, int, int]) -> NDArray:
    """View of a volume ``[x, y, z]`` as ``[section, row, column]`` of a file with these MAPC, MAPR, MAPS."""
    column, row, section = axes
    return volume.transpose(section - 1, row - 1, column - 1)


def bare_name(path: Path) -> str:
    """Name of a file in lower case, without the mark of compression."""
    return path.name.lower().removesuffix(".gz")


@np.errstate(over="ignore", invalid="ignore")  # the words may be anything
def parse_header(raw: bytes, path: Path) -> MapHeader:
    """Read a header.

    Parameters
    ----------
    raw : bytes
        The first 1024 bytes of the (decompressed) file.
    path : Path
        For the messages.

    Raises
    ------
    InputError
        If this is no map, no single volume, or a volume that cannot be used: complex values, skewed or rotated grid.
    """
    order = "<" if 0 < int.from_bytes(raw[:4], "little", signed=True) < LARGEST_SIZE else ">"
    words = np.frombuffer(raw, HEADER.newbyteorder(order))[0]
    _require_map(words, path)
    _require_upright(words, path)
    warnings: list[str] = []
    axes = _axes(words, warnings)
    to_xyz = np.argsort(axes)
    nx, ny, nz = (int(n) for n in words["size"][to_xyz])
    _require_volume(words, (nx, ny, nz), path)
    spacing = _spacing(words, warnings)
    start = _start(words["start"][to_xyz], max(nx, ny, nz, *words["intervals"]), warnings) * spacing
    placement, origin = _placement(words, start, spacing, path, warnings)
    return MapHeader(
        shape=(nx, ny, nz),
        spacing=spacing,
        origin=origin,
        placement=placement,
        mode=int(words["mode"]),
        value_type=_value_type(words).newbyteorder(order),
        axes=axes,
        data_offset=HEADER_BYTES + int(words["extended"]),
        warnings=tuple(warnings),
    )


def _is_mrc2000(words: np.void) -> bool:
    """Only these hold ORIGIN where we look for it; older files have other words there."""
    return bool(words["map"] == b"MAP ")


def _require_map(words: np.void, path: Path) -> None:
    sizes_fit = ((words["size"] > 0) & (words["size"] < LARGEST_SIZE)).all()
    known = words["mode"] in VALUE_TYPES and words["extended"] >= 0
    if sizes_fit and known:
        return
    if not _is_mrc2000(words):
        raise InputError(f"{path}: not a density map; give an MRC or CCP4 map (.mrc, .map, .ccp4, also .gz)")
    if not sizes_fit:
        raise InputError(f"{path}: the header gives an impossible grid of {_by(words['size'])}; get the file again")
    if words["extended"] < 0:
        raise InputError(
            f"{path}: the header gives an extended header of {words['extended']} bytes; get the file again"
        )
    raise InputError(f"{path}: mode {words['mode']} is not a density; save the map in mode 2 (32-bit real)")


def _require_volume(words: np.void, shape: tuple[int, int, int], path: Path) -> None:
    sections, depth, group = shape[2], int(words["intervals"][2]), int(words["space_group"])
    if group == 0 and sections > 1 and depth == 1:
        raise InputError(
            f"{path}: a stack of {sections} images (ISPG 0, MZ 1), not a volume; give the reconstructed map"
        )
    if group == VOLUME_STACK and 0 < depth < sections:
        raise InputError(f"{path}: a stack of {sections // depth} volumes (ISPG 401); give one of them as its own map")
    if min(shape) == 1:
        raise InputError(f"{path}: a flat image of {_by(shape)} voxels, not a volume; give the reconstructed map")


def _require_upright(words: np.void, path: Path) -> None:
    angles = words["angles"].astype(np.float64)
    if _are_cell_angles(angles) and (abs(angles - 90) > RIGHT_ANGLE_TOLERANCE).any():
        raise InputError(
            f"{path}: its grid is skewed (cell angles {_numbers(angles)}); resample it onto a grid with right angles"
        )
    for label in words["labels"]:
        if label.startswith(ROTATION_LABEL):
            raise InputError(
                f"{path}: its grid is rotated ({label.decode('ascii', 'replace')}); resample it onto an upright grid"
            )


def _are_cell_angles(angles: NDArray[np.float64]) -> bool:
    """Whether three angles in degrees can be those of a cell; ChimeraX takes 90 for all where they cannot."""
    total = angles.sum()
    return bool((angles > 0).all() and (angles < 180).all() and total < 360 and angles.max() < total / 2)


def _value_type(words: np.void) -> np.dtype:
    """Type of the voxels; bytes are unsigned in files older than MRC2000 and where IMOD says so."""
    by_imod = words["imod_stamp"] == IMOD_STAMP
    unsigned = not words["imod_flags"] & IMOD_SIGNED if by_imod else not _is_mrc2000(words)
    if words["mode"] == 0 and unsigned:
        return np.dtype("u1")
    return VALUE_TYPES[int(words["mode"])]


def _axes(words: np.void, warnings: list[str]) -> tuple[int, int, int]:
    column, row, section = (int(axis) for axis in words["axes"])
    if {column, row, section} == {1, 2, 3}:
        return column, row, section
    warnings.append(f"MAPC, MAPR, MAPS are {column}, {row}, {section}; taken as 1, 2, 3")
    return 1, 2, 3


def _spacing(words: np.void, warnings: list[str]) -> NDArray[np.float64]:
    """Voxel size in Angstrom: cell over intervals, or 1 where any of them makes no sense."""
    cell, intervals = words["cell"].astype(np.float64), words["intervals"]
    if np.isfinite(cell).all() and (cell > 0).all() and (intervals > 0).all():
        return cell / intervals
    warnings.append(f"cell {_numbers(cell)} A over {_by(intervals)} intervals gives no voxel size; taken as 1 A")
    return np.ones(3)


def _start(start: NDArray[np.int32], largest: int, warnings: list[str]) -> NDArray[np.float64]:
    """First grid point in voxels, x, y, z; 0 where the words were never set."""
    if (abs(start.astype(np.int64)) <= 10 * int(largest)).all():
        return start.astype(np.float64)
    warnings.append(f"NSTART {_numbers(start)} is far outside the map; taken as 0, 0, 0")
    return np.zeros(3)


def _placement(
    words: np.void, start: NDArray[np.float64], spacing: NDArray[np.float64], path: Path, warnings: list[str]
) -> tuple[str, NDArray[np.float64]]:
    """Which words place the map, and where (Angstrom): ORIGIN where it is set and sound, otherwise NSTART.

    `start` is what NSTART says, in Angstrom.
    """
    origin = words["origin"]
    if not _is_mrc2000(words) or not origin.any():
        return "NSTART", start
    if not _is_sound(origin, spacing):
        warnings.append(f"ORIGIN {_numbers(origin)} was never set; placed by NSTART at {_numbers(start)} A")
        return "NSTART", start
    placed = origin.astype(np.float64)
    if (abs(placed - start) > SAME_PLACE).any():
        _warn_of_origin(placed, start, path, warnings)
    return "ORIGIN", placed


def _warn_of_origin(origin: NDArray[np.float64], start: NDArray[np.float64], path: Path, warnings: list[str]) -> None:
    """Say what other programs may make of a map whose ORIGIN is not its NSTART (both in Angstrom)."""
    if start.any():
        warnings.append(f"ORIGIN {_numbers(origin)} A and NSTART {_numbers(start)} A disagree; placed by ORIGIN")
    if bare_name(path).endswith(CCP4_NAMES):
        warnings.append("placed by ORIGIN, which ChimeraX obeys in .mrc files only: open this one with 'format mrc'")


def _is_sound(origin: NDArray[np.float32], spacing: NDArray[np.float64]) -> bool:
    """Whether ORIGIN is finite and a step of one voxel still changes it, in the precision of the header."""
    return bool(np.isfinite(origin).all() and (origin + spacing.astype(np.float32) != origin).all())


def pack_header(density: DensityMap, layout: MapLayout, path: Path) -> bytes:
    """Write the header of a map.

    Raises
    ------
    InputError
        If the mode cannot hold the values, or NSTART cannot hold the origin.
    """
    values, shape = density.values, np.array(density.values.shape)
    _require_representable(values, layout.mode, path)
    to_file = np.array(layout.axes) - 1
    words = np.zeros(1, HEADER.newbyteorder(layout.byte_order))[0]
    words["size"], words["intervals"], words["cell"] = shape[to_file], shape, shape * density.spacing
    words["mode"], words["axes"], words["angles"] = layout.mode, layout.axes, 90
    mean = values.mean(dtype=np.float64)
    square = sum(np.square(slab - mean).sum() for slab in values) / values.size
    words["range"], words["rms"] = (values.min(), values.max(), mean), np.sqrt(square)
    words["space_group"], words["version"] = 1, FORMAT_VERSION
    words["map"], words["machine"] = b"MAP ", MACHINE_STAMPS[layout.byte_order]
    words["label_count"], words["labels"][0] = 1, b"emodelx"
    if layout.placement == "ORIGIN":
        words["origin"] = density.origin
    else:
        words["start"] = _whole_voxels(density, path)[to_file]
    return words.tobytes()


def _whole_voxels(density: DensityMap, path: Path) -> NDArray[np.int64]:
    """Return the origin in voxels, x, y, z."""
    start = np.rint(density.origin / density.spacing)
    if (abs(start * density.spacing - density.origin) > 1e-3).any():
        raise InputError(f"{path}: the origin is no whole number of voxels, so NSTART cannot hold it; use ORIGIN")
    return start.astype(np.int64)


def _require_representable(values: Floats, mode: int, path: Path) -> None:
    value_type = VALUE_TYPES[mode]
    real = value_type.kind == "f"
    limits = np.finfo(value_type) if real else np.iinfo(value_type)
    whole = real or all(bool((slab == np.rint(slab)).all()) for slab in values)
    if not whole or values.min() < limits.min or values.max() > limits.max:
        kind = "numbers" if real else "whole numbers"
        raise InputError(f"{path}: mode {mode} holds {kind} from {limits.min} to {limits.max} only; use mode 2")


def _numbers(values: NDArray) -> str:
    return ", ".join(f"{value:.6g}" for value in values)


def _by(values: Iterable[int]) -> str:
    return " x ".join(str(value) for value in values)
