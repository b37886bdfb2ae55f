"""Sparse n-hop likelihoods against all walks written down."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matrices import dense, sparse
from oracle import traces as slow

from emodelx import _core


@st.composite
def likelihoods(draw):
    """A random symmetric likelihood with many equal entries, some of them below the floor."""
    n, seed = draw(st.integers(1, 9)), draw(st.integers(0, 10_000))
    rng = np.random.default_rng(seed)
    upper = np.triu(rng.choice([0, 0, 0.05, 0.5, 0.75, 1.0], (n, n)), 1)
    return (upper + upper.T).astype(np.float32)


@settings(max_examples=100, deadline=None)
@given(H=likelihoods(), count=st.integers(1, 6), neighbours=st.integers(1, 3))
def test_hops(H, count, neighbours):
    found = _core.sample_hops(sparse(H), count, neighbours, 0.1, threads=1)
    expected = slow.hops(H, count, neighbours, 0.1)
    assert len(found) == count
    for rows, matrix in zip(found, expected, strict=True):
        np.testing.assert_allclose(dense(rows, len(H)), matrix, atol=1e-6)


@settings(max_examples=50, deadline=None)
@given(H=likelihoods())
def test_columns_sum_to_one(H):
    for rows in _core.sample_hops(sparse(H), 6, 2, 0.1):
        total = dense(rows, len(H)).sum(0)
        np.testing.assert_allclose(total[total > 0], 1, atol=1e-6)


def test_planted_chain_is_walked():
    """On one chain the n-hop neighbours are the two candidates n residues away, and share a column equally."""
    n = 30
    chain = np.eye(n, k=1) + np.eye(n, k=-1)
    for hop, rows in enumerate(_core.sample_hops(sparse(chain), 6, 2, 0.1), 1):
        found = dense(rows, n)
        expected = np.eye(n, k=hop) + np.eye(n, k=-hop)
        np.testing.assert_allclose(found, expected / expected.sum(0), atol=1e-6)


def test_a_weak_shortcut_loses_against_the_chain():
    """A false link of low likelihood is followed, but the true neighbours keep most of the weight."""
    chain = np.eye(20, k=1) + np.eye(20, k=-1)
    chain[5, 15] = chain[15, 5] = 0.2
    found = dense(_core.sample_hops(sparse(chain), 6, 3, 0.1)[1], 20)
    assert found[5, 7] > 4 * found[5, 14] > 0


def ring(n, reach):
    """Every candidate linked to its `reach` neighbours on both sides of a ring."""
    far = [s for s in range(-reach, reach + 1) if s]
    column = np.sort((np.arange(n)[:, None] + far) % n, axis=1)
    value = np.random.default_rng(0).random(column.size, np.float32)
    return np.arange(n + 1) * len(far), column.ravel(), value


def test_threads(same_on_all_threads):
    same_on_all_threads(_core.sample_hops, ring(500, 3), 6, 3, 0.1)


def test_ctrl_c(interrupted):
    with interrupted():
        _core.sample_hops(ring(50_000, 4), 8, 6, 0.1, threads=1)


def test_progress_is_told():
    told = []
    _core.sample_hops(ring(8_000, 4), 5, 4, 0.1, threads=1, progress=lambda *counts: told.append(counts))
    done, total = zip(*told, strict=True)
    assert set(total) <= {0, 8_000}
    assert list(done) == sorted(done)


def test_an_error_of_the_listener_ends_the_step():
    def fail(*_):
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        _core.sample_hops(ring(50_000, 4), 8, 6, 0.1, threads=1, progress=fail)


GOOD = (np.array([0, 1, 2]), np.array([1, 0]), np.ones(2, np.float32))


@pytest.mark.parametrize(
    ("links", "hops", "floor", "error", "message"),
    [
        ((np.array([0, 1]), np.array([0, 0]), np.ones(2, np.float32)), 6, 0.1, ValueError, "do not fit together"),
        ((np.array([0, 1]), np.array([1]), np.ones(1, np.float32)), 6, 0.1, ValueError, "lie in 0..n"),
        ((np.array([0, 1]), np.array([-1]), np.ones(1, np.float32)), 6, 0.1, ValueError, "lie in 0..n"),
        ((np.array([0, 2, 2]), np.array([1, 0]), np.ones(2, np.float32)), 6, 0.1, ValueError, "ascend within a row"),
        ((*GOOD[:2], np.array([1, np.nan], np.float32)), 6, 0.1, ValueError, "links: values must be finite"),
        ((*GOOD[:2], np.ones(2)), 6, 0.1, TypeError, "links"),
        (GOOD, 17, 0.1, ValueError, "hops must be at most 16"),
        (GOOD, 6, np.nan, ValueError, "floor finite"),
    ],
)
def test_bad_input(links, hops, floor, error, message):
    with pytest.raises(error, match=message):
        _core.sample_hops(links, hops, 2, floor)
