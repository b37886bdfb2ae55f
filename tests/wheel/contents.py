"""Check that a wheel holds the package, its weights and tables, and nothing else: `contents.py WHEEL`."""

import sys
from pathlib import PurePosixPath
from zipfile import ZipFile

NEEDED = {"emodelx/py.typed", "emodelx/_core.pyi", "emodelx/_core.abi3.so", "emodelx/weights/default.safetensors"}
NEEDED |= {f"emodelx/scoring/tables/{name}.txt" for name in ("covalent", "ramachandran", "rotamers")}
SUFFIXES = {".py", ".pyi", ".so", ".typed", ".safetensors", ".txt"}
LARGEST = 60e6
"""Bytes; the weights may take 40 MB of them."""


def complaints(names):
    """What is missing and what should not be there, one line each."""
    own = {name for name in names if name.startswith("emodelx/")}
    yield from (f"missing: {name}" for name in sorted(NEEDED - own))
    yield from (f"not of the package: {name}" for name in sorted(names - own) if ".dist-info/" not in name)
    yield from (f"unexpected kind: {name}" for name in sorted(own) if PurePosixPath(name).suffix not in SUFFIXES)
    if not any(name.endswith("LICENSE") for name in names - own):
        yield "missing: the licence"


def main(path):
    """Print the complaints; return the exit code."""
    with ZipFile(path) as wheel:
        size = sum(file.compress_size for file in wheel.infolist())
        found = list(complaints({file.filename for file in wheel.infolist() if not file.is_dir()}))
    if "-cp310-abi3-" not in path:
        found.append(f"not an abi3 wheel for Python 3.10 and later: {path}")
    if size > LARGEST:
        found.append(f"{size / 1e6:.0f} MB are more than {LARGEST / 1e6:.0f} MB")
    print("\n".join(found) or f"wheel of {size / 1e6:.1f} MB: complete, nothing else in it")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
