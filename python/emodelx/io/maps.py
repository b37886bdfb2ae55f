"""Density maps in and out: MRC2014 and CCP4, plain or gzip; the axes are transposed here and nowhere else."""

import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from io import SEEK_END, BufferedIOBase, BufferedWriter
from pathlib import Path
from typing import BinaryIO, cast
from zlib import error as zlib_error

import numpy as np
from numpy.typing import NDArray

from emodelx.errors import InputError
from emodelx.io.files import open_input, replacing
from emodelx.io.mrc_header import (
    HEADER_BYTES,
    VALUE_TYPES,
    MapHeader,
    MapLayout,
    bare_name,
    in_file_order,
    pack_header,
    parse_header,
)
from emodelx.records import DensityMap, Floats

GZIP_MAGIC = b"\x1f\x8b"
GZIP_MODULUS = 1 << 32  # gzip keeps the size of the content in four bytes
DEFLATE_LIMIT = 1032  # bytes that one compressed byte can stand for at most
BLOCK_BYTES = 1 << 23  # sections are moved in blocks, so that no second copy of the volume exists
DEFAULT_LAYOUT = MapLayout()
SMALLEST_EDGE = 8.0  # Angstrom; less than two turns of a helix


@dataclass(frozen=True)
class MapFile:
    """A map and what its file says about it.

    Attributes
    ----------
    density : DensityMap
    header : MapHeader
    warnings : tuple of str
        One line for everything that was repaired or assumed, for the log and the report.
    """

    density: DensityMap
    header: MapHeader
    warnings: tuple[str, ...]


def read_map(path: Path | str) -> MapFile:
    """Read a density map, placed where ChimeraX shows it.

    Voxels that are not finite become 0, or the value of the map nearest to 0.

    Parameters
    ----------
    path : Path or str
        An MRC or CCP4 file of mode 0, 1, 2, 6 or 12, in either byte order and any axis order, plain or gzip.

    Returns
    -------
    MapFile
        Its density is float32 ``(nx, ny, nz)`` in C order, indexed ``[x, y, z]``.

    Raises
    ------
    InputError
        If the file cannot be read, is truncated, holds no single upright volume, or a volume without contrast or with
        an edge below 8 A.
    """
    path = Path(path)
    values, header = read_volume(path)
    _require_room(values.shape * header.spacing, path)
    warnings = list(header.warnings)
    repaired = repair(values)
    if repaired:
        warnings.append(f"{repaired} of {values.size} voxels were not finite numbers; set to no density")
    low, high = float(values.min()), float(values.max())
    if low == high:
        raise InputError(f"{path}: the map is empty, every voxel is {low:.6g}; give a map with density")
    return MapFile(DensityMap(values, header.origin, header.spacing), header, tuple(warnings))


def _require_room(edges: NDArray[np.float64], path: Path) -> None:
    if edges.min() < SMALLEST_EDGE:
        size = " x ".join(f"{edge:.4g}" for edge in edges)
        raise InputError(f"{path}: the map is too small to hold a protein, {size} A; check its voxel size")


@np.errstate(invalid="ignore")
def repair(values: Floats) -> int:
    """Set voxels that are not finite to 0, or to the finite value nearest to 0, in place; return their number."""
    low, high = values.min(), values.max()  # both are NaN where any voxel is
    if np.isfinite(low) and np.isfinite(high):
        return 0
    finite = np.isfinite(values)
    low = values.min(where=finite, initial=np.inf)
    high = values.max(where=finite, initial=-np.inf)
    values[~finite] = min(max(0.0, low), high) if low <= high else 0.0
    return values.size - int(np.count_nonzero(finite))


def read_volume(path: Path) -> tuple[Floats, MapHeader]:
    """Read header and voxels as they are; the voxels as float32 ``(nx, ny, nz)``."""
    if bare_name(path).endswith(".mrcs"):
        raise InputError(f"{path}: a stack of images by its name, not a volume; give the reconstructed map")
    with open_input(path) as file:
        compressed = file.read(len(GZIP_MAGIC)) == GZIP_MAGIC
        plain_size, most = _plain_sizes(file, compressed)
        file.seek(0)
        stream = gzip.GzipFile(fileobj=file) if compressed else cast(BufferedIOBase, file)
        try:
            return _read_stream(stream, plain_size, most, path)
        except (EOFError, zlib_error, gzip.BadGzipFile):
            raise InputError(f"{path}: the compressed file is damaged or cut short; get it again") from None


def _plain_sizes(file: BinaryIO, compressed: bool) -> tuple[int, int]:
    """Size of the decompressed file (modulo 4 GiB, as gzip keeps it), and the most that it can be."""
    size = file.seek(0, SEEK_END)
    if not compressed:
        return size, size
    file.seek(-min(4, size), SEEK_END)
    return int.from_bytes(file.read(4), "little"), size * DEFLATE_LIMIT


def _read_stream(stream: BufferedIOBase, plain_size: int, most: int, path: Path) -> tuple[Floats, MapHeader]:
    raw = stream.read(HEADER_BYTES)
    if len(raw) < HEADER_BYTES:
        raise InputError(f"{path}: not a density map, only {len(raw)} bytes; give an MRC or CCP4 map")
    header = parse_header(raw, path)
    if plain_size == (HEADER_BYTES + header.data_bytes) % GZIP_MODULUS:
        header = header.without_extended()  # old EMDB entries announce symmetry operators that are not there
    if most < header.data_offset + header.data_bytes:
        raise _truncated(header, path)
    stream.seek(header.data_offset)
    return _read_voxels(stream, header, path), header


@np.errstate(invalid="ignore")  # signalling NaN complain when they are converted
def _read_voxels(stream: BufferedIOBase, header: MapHeader, path: Path) -> Floats:
    values = np.empty(header.shape, np.float32)
    for block in _blocks(in_file_order(values, header.axes)):
        raw = np.empty(block.size * header.value_type.itemsize, np.uint8)
        if stream.readinto(raw.data) < raw.nbytes:
            raise _truncated(header, path)
        block[...] = raw.view(header.value_type).reshape(block.shape)
    stream.read(1)  # gzip compares its check sum only when it is asked for more
    return values


def _blocks(sections: NDArray) -> Iterator[NDArray]:
    step = max(1, BLOCK_BYTES // sections[0].nbytes)
    for first in range(0, len(sections), step):
        yield sections[first : first + step]


def _truncated(header: MapHeader, path: Path) -> InputError:
    size = " x ".join(str(n) for n in header.shape)
    return InputError(
        f"{path}: the file is cut short, it cannot hold {size} voxels of mode {header.mode}; get it again"
    )


def write_map(path: Path | str, density: DensityMap, layout: MapLayout = DEFAULT_LAYOUT) -> None:
    """Write a density map; gzip if the name ends in ``.gz``. The file appears under its name only when it is complete.

    Parameters
    ----------
    path : Path or str
    density : DensityMap
    layout : MapLayout
        Mode, axis order, byte order and the words that hold the origin.

    Raises
    ------
    InputError
        If the mode cannot hold the values, or NSTART cannot hold the origin.
    """
    path = Path(path)
    header = pack_header(density, layout, path)
    value_type = VALUE_TYPES[layout.mode].newbyteorder(layout.byte_order)
    with replacing(path) as part, part.open("wb") as plain, _compressing(plain, path) as stream:
        stream.write(header)
        for block in _blocks(in_file_order(density.values, layout.axes)):
            stream.write(np.ascontiguousarray(block, value_type).data)


def _compressing(plain: BufferedWriter, path: Path) -> BufferedIOBase:
    if path.suffix.lower() != ".gz":
        return plain
    # noise compresses badly at any level; without name and time the same map gives the same bytes
    return gzip.GzipFile("", "wb", compresslevel=1, fileobj=plain, mtime=0)
