"""Tables survive being written as text, to the last bit."""

from importlib.resources import files

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from emodelx.scoring.text_tables import parse_tables, read_tables, write_tables

SHAPES = arrays.array_shapes(max_dims=4, max_side=9)
NUMBERS = st.floats(width=32, allow_nan=False, allow_infinity=False)
MOSTLY_ZEROS = st.one_of(st.just(0), st.integers(0, 255))
TABLES = st.one_of(
    arrays.arrays(np.uint8, SHAPES, elements=MOSTLY_ZEROS), arrays.arrays(np.float32, SHAPES, elements=NUMBERS)
)


def same(found, expected):
    return found.dtype == expected.dtype and found.shape == expected.shape and found.tobytes() == expected.tobytes()


@given(st.lists(TABLES, min_size=1, max_size=3))
def test_tables_read_back_as_written(tmp_path_factory, tables):
    path = tmp_path_factory.mktemp("tables") / "t.txt"
    named = {f"t{i}": table for i, table in enumerate(tables)}
    write_tables(path, named)
    found = parse_tables(path.read_text("ascii"))
    assert list(found) == list(named)
    assert all(same(found[name], table) for name, table in named.items())


@pytest.mark.parametrize("zeros", [0, 1, 255, 256, 257, 512, 1000])
def test_long_runs_of_zeros(tmp_path, zeros):
    table = np.concatenate([np.zeros(zeros, np.uint8), np.array([7, 0, 255, 0], np.uint8)])
    write_tables(tmp_path / "t.txt", {"t": table})
    assert same(parse_tables((tmp_path / "t.txt").read_text("ascii"))["t"], table)


def test_the_code_is_the_stated_one():
    table = parse_tables("t uint8 2 4\n01ffg1\n0ag2\n")["t"]
    assert table.tolist() == [[1, 255, 0, 0], [10, 0, 0, 0]]


@pytest.mark.parametrize("name", ["covalent", "ramachandran", "rotamers"])
def test_the_packages_own_files_are_written_alike(tmp_path, name):
    write_tables(tmp_path / "again.txt", read_tables(name))
    own = files("emodelx.scoring") / f"tables/{name}.txt"
    assert (tmp_path / "again.txt").read_bytes() == own.read_bytes()
