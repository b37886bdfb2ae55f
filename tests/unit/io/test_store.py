import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from emodelx.io.store import Store, digest, file_digest
from emodelx.records import (
    Bends,
    CalphaModel,
    Candidates,
    Chain,
    DensityMap,
    Fragment,
    Hops,
    Links,
    Prediction,
    SecondLook,
    Sequence,
    SparseRows,
)


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "work")
    store.open()
    return store


def sparse(value=0.5):
    return SparseRows(np.array([0, 1, 1]), np.array([1]), np.array([value], np.float32))


def model():
    chain = Chain(
        0,
        "AA",
        np.array([[1.0, 2.0, 3.0], [np.nan] * 3]),
        np.array([4, -1]),
        np.array([1, 0], np.uint8),
        np.array([88, 0], np.float32),
    )
    return CalphaModel((Sequence("ä|1", "MK", ("AA",), 2),), (chain,))


def bent():
    """Links with bends."""
    bends = Bends(np.array([[0, 1, 2], [2, 1, 0]]), np.array([1.5, -1.5], np.float32))
    return Links(sparse(), bends)


def prediction():
    volumes = np.random.default_rng(0).random((3, 2, 3, 4), np.float32)
    types = np.full((2, 20), 0.05, np.float32)
    return Prediction(volumes[0], volumes[1], np.array([3, 5]), types, np.ones(3), 0.4, 3.5, density=volumes[2])


def assert_same(a, b):
    assert type(a) is type(b)
    if isinstance(a, np.ndarray):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)
    elif isinstance(a, tuple):
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            assert_same(x, y)
    elif hasattr(a, "__dataclass_fields__"):
        for name in a.__dataclass_fields__:
            assert_same(getattr(a, name), getattr(b, name))
    else:
        assert a == b


@pytest.mark.parametrize(
    "record",
    [
        Links(sparse()),
        bent(),
        SecondLook(Candidates.none(), bent().bends),
        prediction(),
        Hops((sparse(), sparse(0.25))),
        (),
        (Fragment(0, 3, np.arange(4), 1.5), Fragment(1, 0, np.arange(0), -2.0)),
        model(),
    ],
)
def test_records_come_back(store, record):
    store.save("it", "key", record)
    assert_same(store.load("it", "key"), record)


@given(hnp.arrays(np.float32, hnp.array_shapes(min_dims=3, max_dims=3), elements=st.floats(width=32)))
def test_volumes_come_back(tmp_path_factory, values):
    store = Store(tmp_path_factory.mktemp("store"))
    record = DensityMap(values, np.zeros(3), np.ones(3))
    store.save("map", "key", record)
    assert_same(store.load("map", "key"), record)


def test_another_key_finds_nothing(store):
    store.save("it", "key", model())
    assert store.load("it", "other") is None
    assert store.load("another", "key") is None


def test_a_damaged_record_counts_as_absent(store):
    store.save("it", "key", model())
    path = store.folder / "it.npz"
    content = path.read_bytes()
    for damaged in (b"", content[: len(content) // 2], b"PK" + content[4:], content[:-200] + bytes(200)):
        path.write_bytes(damaged)
        assert store.load("it", "key") is None


def test_a_flipped_bit_counts_as_damage(store):
    store.save("it", "key", Links(sparse()))
    path = store.folder / "it.npz"
    content = bytearray(path.read_bytes())
    at = content.index(np.float32(0.5).tobytes())
    content[at] ^= 1
    path.write_bytes(content)
    assert store.load("it", "key") is None


def test_same_record_same_bytes(store):
    store.save("a", "key", model())
    store.save("b", "key", model())
    assert (store.folder / "a.npz").read_bytes() == (store.folder / "b.npz").read_bytes()


def test_digest_tells_its_parts_apart():
    assert len({digest("ab", "c"), digest("a", "bc"), digest("abc"), digest("abc", None), digest()}) == 5
    assert digest(1, "x") == digest(1, "x")


def test_file_digest_is_sha256(tmp_path):
    path = tmp_path / "abc"
    path.write_bytes(b"abc")
    assert file_digest(path) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
