"""Grid DBSCAN against scikit-learn: the same labels, numbers included."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.cluster import DBSCAN

from emodelx import _core


def reference(points, eps, min_samples):
    return DBSCAN(eps=eps, min_samples=min_samples).fit(points).labels_


# Distances on a lattice hit eps exactly, which is where two programs may disagree.
lattices = arrays(np.int8, st.tuples(st.integers(1, 80), st.just(3)), elements=st.integers(-6, 6))
clouds = arrays(np.float32, st.tuples(st.integers(1, 80), st.just(3)), elements=st.floats(-9, 9, width=32))


@settings(max_examples=150, deadline=None)
@given(points=st.one_of(lattices, clouds), eps=st.sampled_from([1, 2, 3, 5]), min_samples=st.integers(1, 8))
def test_labels_are_those_of_scikit_learn(points, eps, min_samples):
    points = points.astype(np.float64)
    np.testing.assert_array_equal(
        _core.dbscan(points, eps, min_samples, threads=1), reference(points, eps, min_samples)
    )


@pytest.mark.parametrize("seed", range(3))
def test_labels_of_voxels(seed, same_on_all_threads):
    """Voxels at the density and with the settings of a map."""
    rng = np.random.default_rng(seed)
    points = np.unique(rng.normal(rng.uniform(0, 90, (60, 1, 3)), 4, (60, 40, 3)).round().reshape(-1, 3), axis=0)
    rng.shuffle(points)
    labels = same_on_all_threads(_core.dbscan, points, 10.0, 10)
    np.testing.assert_array_equal(labels, reference(points, 10.0, 10))
    assert labels.max() >= 1


def test_planted_clusters_come_back():
    """Balls 30 A apart, numbered by their first point, and a stray point between them."""
    rng = np.random.default_rng(0)
    ball = np.array([[0, 0, 0], [30, 0, 0], [0, 30, 0]], float)
    member = rng.integers(0, 3, 300)
    points = np.vstack([ball[member] + rng.normal(0, 2, (300, 3)), [[15, 15, 30]]])
    number = {b: i for i, b in enumerate(dict.fromkeys(member.tolist()))}
    assert _core.dbscan(points, 10.0, 10).tolist() == [*(number[b] for b in member.tolist()), -1]


def test_no_points():
    assert _core.dbscan(np.zeros((0, 3)), 10.0, 10).shape == (0,)


def test_far_apart_points_need_no_more_memory():
    points = np.array([[-1e8, 0, 0], [1e8, 1e8, 1e8]])
    assert _core.dbscan(points, 10.0, 1).tolist() == [0, 1]


def test_ctrl_c(interrupted):
    points = np.random.default_rng(0).uniform(0, 1000, (400_000, 3))
    with interrupted():
        _core.dbscan(points, 10.0, 3, threads=1)


@pytest.mark.parametrize(
    ("points", "eps", "error", "message"),
    [
        (np.zeros((4, 2)), 10.0, ValueError, r"points must have shape \(n, 3\), not \(4, 2\)"),
        (np.array([[0, 0, np.nan]]), 10.0, ValueError, "points must be finite"),
        (np.array([[0, 0, 1e300]]), 10.0, ValueError, "within 1e9 cells of the origin"),
        (np.zeros((4, 3)), 0.0, ValueError, "must be positive"),
        (np.zeros((4, 3)), np.nan, ValueError, "must be positive"),
        (np.zeros((4, 3), np.float32), 10.0, TypeError, "points"),
        (np.zeros(3), 10.0, TypeError, "points"),
    ],
)
def test_bad_input(points, eps, error, message):
    with pytest.raises(error, match=message):
        _core.dbscan(points, eps, 10)
