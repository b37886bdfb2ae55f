"""Sparse connection likelihood against its dense twin."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from matrices import dense
from oracle import links as slow

from emodelx import _core

volume = np.random.default_rng(0).random((12, 13, 14), np.float32)
# Some points lie outside of the volume, where there is no main chain.
clouds = arrays(np.float64, st.tuples(st.integers(0, 40), st.just(3)), elements=st.floats(-3, 16, width=32))


@settings(max_examples=100, deadline=None)
@given(points=clouds, distances=st.sampled_from([(2.0, 6.0), (0.0, 3.0), (3.0, 9.0)]))
def test_likelihood(points, distances):
    rows = _core.link_candidates(points, volume, *distances, threads=1)
    found, expected = dense(rows, len(points)), slow.likelihood(points, volume, *distances)
    np.testing.assert_array_equal(found, found.T)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_planted_chain_is_linked():
    """Along a straight chain on main chain the true neighbours have H = 1, and those two apart none."""
    points = np.column_stack([np.arange(10) * 3.8 + 3, np.full(10, 5.0), np.full(10, 5.0)])
    bb_prob = np.zeros((45, 11, 11), np.float32)
    bb_prob[:, 5, 5] = 1
    found = dense(_core.link_candidates(points, bb_prob, 2.0, 6.0), 10)
    np.testing.assert_allclose(found, np.eye(10, k=1) + np.eye(10, k=-1), atol=1e-6)


def test_main_chain_tells_equally_distant_candidates_apart():
    points = np.array([[5.0, 5, 5], [8.8, 5, 5], [5, 8.8, 5]])
    bb_prob = np.zeros((12, 12, 12), np.float32)
    bb_prob[5:10, 5, 5] = 1
    found = dense(_core.link_candidates(points, bb_prob, 2.0, 6.0), 3)
    assert found[0, 1] == 1
    assert found[0, 2] == 0.5


def test_threads(same_on_all_threads):
    points = np.random.default_rng(0).uniform(0, 12, (400, 3))
    same_on_all_threads(_core.link_candidates, points, volume, 2.0, 6.0)


def test_ctrl_c(interrupted):
    points = np.random.default_rng(0).uniform(0, 6, (20_000, 3))
    with interrupted():
        _core.link_candidates(points, volume, 2.0, 6.0, threads=1)


@pytest.mark.parametrize(
    ("points", "bb_prob", "furthest", "error", "message"),
    [
        (np.zeros((2, 4)), volume, 6.0, ValueError, r"points must have shape \(n, 3\)"),
        (np.full((2, 3), np.inf), volume, 6.0, ValueError, "points must be finite"),
        (np.zeros((2, 3)), np.full((2, 2, 2), np.nan, np.float32), 6.0, ValueError, "bb_prob must be finite"),
        (np.zeros((2, 3)), volume[::2], 6.0, ValueError, "bb_prob must be C-contiguous"),
        (np.zeros((2, 3)), volume, -6.0, ValueError, "must be positive"),
        (np.zeros((2, 3)), volume.astype(float), 6.0, TypeError, "bb_prob"),
    ],
)
def test_bad_input(points, bb_prob, furthest, error, message):
    with pytest.raises(error, match=message):
        _core.link_candidates(points, bb_prob, 2.0, furthest)
