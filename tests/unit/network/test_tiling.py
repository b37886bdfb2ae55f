"""The plan of windows: identity in, identity out, at every voxel."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emodelx.network.tiling import TilePlan


def stitch(plan, volume, tiles):
    """Read every window with a network that returns its input, and put the map together again."""
    out = np.zeros_like(volume)
    for tile in tiles:
        in_map, in_window = plan.inside(tile)
        window = np.zeros((plan.window,) * 3, np.float32)
        window[in_window] = volume[in_map]
        out[in_map] += (window * plan.share(tile))[in_window]
    return out


edges = st.integers(1, 40)


@settings(max_examples=150, deadline=None)
@given(
    shape=st.tuples(edges, edges, edges), window=st.integers(4, 24), overlap=st.floats(0, 0.9), seed=st.integers(0, 99)
)
def test_identity_in_identity_out_at_every_voxel(shape, window, overlap, seed):
    volume = np.random.default_rng(seed).uniform(0.1, 1, shape).astype(np.float32)
    plan = TilePlan.cover(shape, window, overlap)
    np.testing.assert_allclose(stitch(plan, volume, plan.with_density(volume, 0)), volume, rtol=1e-5)


@settings(max_examples=50, deadline=None)
@given(
    shape=st.tuples(edges, edges, edges), window=st.integers(4, 24), overlap=st.floats(0, 0.9), seed=st.integers(0, 99)
)
def test_windows_without_density_may_be_skipped(shape, window, overlap, seed):
    rng = np.random.default_rng(seed)
    volume = np.zeros(shape, np.float32)
    volume[tuple(rng.integers(0, shape))] = 0.5
    plan = TilePlan.cover(shape, window, overlap)
    np.testing.assert_allclose(stitch(plan, volume, plan.with_density(volume, 0)), volume, rtol=1e-5)


@settings(max_examples=100, deadline=None)
@given(size=st.integers(1, 300), window=st.integers(4, 64), overlap=st.floats(0, 0.9))
def test_neighbours_overlap_as_asked_and_no_window_hangs_over(size, window, overlap):
    starts = TilePlan.cover((size, size, size), window, overlap).axes[0].starts
    assert (np.diff(starts) <= max(1, int(window * (1 - overlap)))).all()
    assert (np.diff(starts) > 0).all()
    if size >= window:
        assert starts[0] == 0
        assert starts[-1] == size - window


def test_a_small_map_lies_in_the_middle_of_one_window():
    plan = TilePlan.cover((10, 8, 16), 16, 0.25)
    assert [list(axis.starts) for axis in plan.axes] == [[-3], [-4], [0]]


def test_only_windows_with_density_are_read():
    volume = np.zeros((96, 32, 32), np.float32)
    volume[70, 5, 5] = 0.3
    plan = TilePlan.cover(volume.shape, 32, 0)
    assert plan.with_density(volume, 0.1).tolist() == [[2, 0, 0]]
    assert plan.with_density(volume, 0.3).shape == (0, 3)


@pytest.mark.parametrize("overlap", [0.25, 0.5])
def test_the_border_of_a_window_says_least(overlap):
    axis = TilePlan.cover((128, 128, 128), 64, overlap).axes[0]
    for first, second in itertools.pairwise(range(len(axis.starts))):
        shared = axis.starts[second] - axis.starts[first]
        assert axis.share[first, shared] > 0.99
        assert axis.share[first, -1] < 0.01
