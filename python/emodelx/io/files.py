"""Files opened, read whole and written whole: nothing here knows a format; every failure is one clear line."""

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from emodelx.errors import InputError, ResourceError
from emodelx.io.atomic import whole_file

_GZIP_MAGIC = b"\x1f\x8b"


def open_input(path: Path) -> BinaryIO:
    """Open an input file for reading bytes.

    Raises
    ------
    InputError
        When it is missing, a folder, not readable or empty.
    """
    if not path.exists():
        raise InputError(f"{path}: no such file")
    if not path.is_file():
        raise InputError(f"{path}: not a file")
    try:
        file = path.open("rb")
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    if not file.peek(1):
        file.close()
        raise InputError(f"{path}: the file is empty")
    return file


def read_bytes(path: Path, limit: int) -> bytes:
    """Contents of a file, decompressed when it is gzip (told by its first bytes, not by its name).

    Parameters
    ----------
    path : Path
    limit : int
        Largest size in bytes that makes sense for such a file; it keeps a map given by mistake out of memory.

    Raises
    ------
    InputError
        When the file is missing, a folder, unreadable, empty, damaged or too large.
    """
    with open_input(path) as file:
        content = _read_at_most(file, path, limit + 1)
    if len(content) > limit:
        raise InputError(f"{path}: larger than {limit >> 20} MB; is it the right file?")
    if not content:
        raise InputError(f"{path}: the file is empty")
    return content


def _read_at_most(file: BinaryIO, path: Path, size: int) -> bytes:
    try:
        magic = file.read(len(_GZIP_MAGIC))
        file.seek(0)
        return gzip.GzipFile(fileobj=file).read(size) if magic == _GZIP_MAGIC else file.read(size)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"{path}: the compressed file is damaged or cut short; get it again") from error


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a path to write to; it becomes `path` only when the block ends well.

    Raises
    ------
    ResourceError
        When the file cannot be written.
    """
    try:
        with whole_file(path) as part:
            yield part
    except OSError as error:
        raise ResourceError(f"{path}: cannot be written ({error.strerror or error})") from error
