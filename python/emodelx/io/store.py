"""Saved records: any record of `emodelx.records` in one `.npz`, without pickle.

The file holds the arrays as `a0, a1, ...`, the record's tree as JSON in `tree`, and in `key` what the record was made
from: a digest of its inputs and configuration. A record is found again only under the same key.
"""

import hashlib
import json
import zipfile
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emodelx import records
from emodelx.io.atomic import sweep, whole_file

Arrays = dict[str, NDArray[Any]]


def digest(*parts: object) -> str:
    """Return the SHA-256 of the representations of `parts`, in hexadecimal."""
    return hashlib.sha256("\0".join(map(repr, parts)).encode()).hexdigest()


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file's content, in hexadecimal."""
    content = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 22):
            content.update(block)
    return content.hexdigest()


@dataclass(frozen=True)
class Store:
    """Folder of saved records."""

    folder: Path

    def open(self) -> None:
        """Make the folder and sweep what killed runs left in it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        sweep(self.folder)

    def save(self, name: str, key: str, record: object) -> None:
        """Write a record (a dataclass of `emodelx.records`, or a tuple of them)."""
        arrays: Arrays = {}
        tree = json.dumps(_pack(record, arrays))
        with whole_file(self._path(name)) as part, part.open("wb") as file:
            np.savez(file, allow_pickle=False, key=np.array(key), tree=np.array(tree), **arrays)

    def load(self, name: str, key: str) -> Any | None:  # noqa: ANN401 - the record that was saved
        """Return the record saved under `name` with this key; None when there is none, or it cannot be read."""
        try:
            with self._path(name).open("rb") as raw, np.load(raw, allow_pickle=False) as file:
                if str(file["key"]) != key:
                    return None
                return _unpack(json.loads(str(file["tree"])), file)
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return None

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.npz"


def _pack(value: Any, arrays: Arrays) -> Any:  # noqa: ANN401 - a tree of records
    """Replace records and arrays by JSON; the arrays go to `arrays`."""
    if isinstance(value, np.ndarray):
        name = f"a{len(arrays)}"
        arrays[name] = value
        return {"array": name}
    if is_dataclass(value):
        return {
            "record": type(value).__name__,
            "fields": {f.name: _pack(getattr(value, f.name), arrays) for f in fields(value)},
        }
    if isinstance(value, tuple):
        return [_pack(item, arrays) for item in value]
    return value.item() if isinstance(value, np.generic) else value


def _unpack(tree: Any, arrays: Any) -> Any:  # noqa: ANN401 - a tree of records
    """Undo `_pack`."""
    if isinstance(tree, list):
        return tuple(_unpack(item, arrays) for item in tree)
    if not isinstance(tree, dict):
        return tree
    if "array" in tree:
        return arrays[tree["array"]]
    return getattr(records, tree["record"])(**{name: _unpack(item, arrays) for name, item in tree["fields"].items()})
