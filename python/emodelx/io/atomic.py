"""Files that appear whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

UNFINISHED = ".unfinished"
"""Suffix of a file that is being written; what a killed run leaves carries it."""


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a path to write to; it is renamed to `path` when the block ends well, and removed otherwise.

    Examples
    --------
    >>> import tempfile
    >>> target = Path(tempfile.mkdtemp()) / "note.txt"
    >>> with whole_file(target) as part:
    ...     _ = part.write_text("whole")
    ...     target.exists()
    False
    >>> target.read_text()
    'whole'
    """
    part = path.with_name(f".{path.name}.{os.getpid()}{UNFINISHED}")
    try:
        yield part
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def sweep(folder: Path) -> None:
    """Remove what killed runs left unfinished in `folder`."""
    for part in folder.glob(f".*{UNFINISHED}"):
        part.unlink(missing_ok=True)
