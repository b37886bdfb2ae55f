"""Tables as text, so that they can be looked at and compared; in `scoring/tables`.

A file holds blocks with blank lines between them. The first line of a block is the table's name, dtype and shape. Below
it are, for float32, the numbers of each row; for uint8, pairs of digits (0-9, then a-v for 10 to 31) that stand for 16
times the first plus the second: up to 255 a value, from 256 on 1 to 256 zeros, which most of a sparse table is.
"""

from functools import cache
from importlib.resources import files
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

DIGITS = "0123456789abcdefghijklmnopqrstuv"
LONGEST_RUN = 256
LINE = 120


@cache
def read_tables(name: str) -> dict[str, NDArray[Any]]:
    """Read the tables of one of the package's files by name."""
    return parse_tables((files("emodelx.scoring") / f"tables/{name}.txt").read_text("ascii"))


def parse_tables(text: str) -> dict[str, NDArray[Any]]:
    """Tables by name, from the text of a file."""
    return dict(map(_parsed, text.split("\n\n")))


def _parsed(block: str) -> tuple[str, NDArray[Any]]:
    head, body = block.split("\n", 1)
    name, dtype, *shape = head.split()
    values = _unpacked(body) if dtype == "uint8" else np.array(body.split(), np.float32)
    return name, values.reshape([int(length) for length in shape])


def _unpacked(body: str) -> NDArray[np.uint8]:
    letters = np.frombuffer("".join(body.split()).encode(), np.uint8).astype(np.int64)
    digits = np.where(letters < ord("a"), letters - ord("0"), letters - ord("a") + 10)
    codes = 16 * digits[::2] + digits[1::2]
    zeros = codes > 255
    return np.repeat(np.where(zeros, 0, codes).astype(np.uint8), np.where(zeros, codes - 255, 1))


def write_tables(path: Path, tables: dict[str, NDArray[Any]]) -> None:
    """Write tables of dtype uint8 or float32 to a file."""
    path.write_text("\n".join(map(_block, tables, tables.values())), "ascii")


def _block(name: str, table: NDArray[Any]) -> str:
    head = f"{name} {table.dtype} {' '.join(map(str, table.shape))}"
    return "\n".join([head, *(_packed(table) if table.dtype == np.uint8 else _rows(table)), ""])


def _rows(table: NDArray[Any]) -> list[str]:
    """The shortest numbers that read back as the same."""
    rows = table.reshape(-1, table.shape[-1])
    return [" ".join(np.format_float_positional(value, trim="-") for value in row) for row in rows]


def _packed(table: NDArray[np.uint8]) -> list[str]:
    values = table.ravel()
    starts = np.flatnonzero(np.diff(values != 0, prepend=True) | (values != 0))
    counts = np.diff(starts, append=len(values))
    codes = chain.from_iterable(map(_codes, values[starts].tolist(), counts.tolist()))
    text = "".join(DIGITS[code // 16] + DIGITS[code % 16] for code in codes)
    return [text[at : at + LINE] for at in range(0, len(text), LINE)]


def _codes(value: int, count: int) -> list[int]:
    """A value that is not zero, or some zeros."""
    if value:
        return [value]
    full, rest = divmod(count, LONGEST_RUN)
    return [255 + LONGEST_RUN] * full + [255 + rest] * (rest > 0)
