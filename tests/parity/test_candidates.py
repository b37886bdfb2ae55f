"""Peaks and refined candidates against their slow twins."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from oracle import candidates as slow

from emodelx import _core

shapes = st.tuples(st.integers(1, 7), st.integers(1, 7), st.integers(1, 7))
# Few different values, so that plateaus are common.
volumes = arrays(np.float32, shapes, elements=st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]))


@settings(max_examples=100, deadline=None)
@given(ca_prob=volumes, radius=st.sampled_from([0.0, 1.0, 1.5, 2.3, 3.0]), threshold=st.sampled_from([-1.0, 0.3]))
def test_peaks(ca_prob, radius, threshold):
    voxels = np.flatnonzero(ca_prob > threshold)
    found = _core.find_peaks(ca_prob, voxels, radius, threads=1)
    np.testing.assert_array_equal(found, slow.find_peaks(ca_prob, voxels, radius))


@settings(max_examples=100, deadline=None)
@given(ca_prob=volumes, seed=st.integers(0, 1000))
def test_refinement(ca_prob, seed):
    rng = np.random.default_rng(seed)
    voxels = np.flatnonzero(rng.random(ca_prob.size) < 0.3)
    type_voxels = np.flatnonzero(rng.random(ca_prob.size) < 0.7)
    type_prob = rng.dirichlet(np.ones(20), len(type_voxels)).astype(np.float32)
    positions, types = _core.refine_candidates(ca_prob, voxels, type_voxels, type_prob, threads=1)
    expected = [slow.refine(ca_prob, v, type_voxels, type_prob) for v in voxels]
    np.testing.assert_allclose(positions, np.array([e[0] for e in expected]).reshape(-1, 3), atol=1e-12)
    np.testing.assert_allclose(types, np.array([e[1] for e in expected]).reshape(-1, 20), atol=1e-6)


def random_volume(seed=0):
    return np.random.default_rng(seed).random((24, 25, 26), np.float32)


def test_threads(same_on_all_threads):
    ca_prob = random_volume()
    voxels = np.flatnonzero(ca_prob > 0.3)
    peaks = same_on_all_threads(_core.find_peaks, ca_prob, voxels, 2.3)
    type_prob = np.random.default_rng(1).dirichlet(np.ones(20), len(voxels)).astype(np.float32)
    same_on_all_threads(_core.refine_candidates, ca_prob, peaks, voxels, type_prob)


def test_ctrl_c(interrupted):
    ca_prob = np.ones((100, 100, 100), np.float32)
    with interrupted():
        _core.find_peaks(ca_prob, np.arange(ca_prob.size), 20.0, threads=1)


ONE = np.zeros((2, 2, 2), np.float32)
NONE = np.zeros(0, np.int64)


@pytest.mark.parametrize(
    ("ca_prob", "voxels", "radius", "error", "message"),
    [
        (np.full((2, 2, 2), np.nan, np.float32), NONE, 2.3, ValueError, "ca_prob must be finite"),
        (np.zeros((2, 3, 4), np.float32).T, NONE, 2.3, ValueError, "ca_prob must be C-contiguous"),
        (np.zeros((2, 2)), NONE, 2.3, TypeError, "ca_prob"),
        (ONE.astype(float), NONE, 2.3, TypeError, "ca_prob"),
        (ONE, np.array([8]), 2.3, ValueError, "voxels must ascend and lie inside the volume"),
        (ONE, np.array([-1]), 2.3, ValueError, "voxels must not be negative"),
        (ONE, np.array([1, 0]), 2.3, ValueError, "voxels must ascend"),
        (ONE, NONE, np.nan, ValueError, "the radius must lie in 0 to 20 A"),
        (ONE, NONE, -1.0, ValueError, "the radius must lie in 0 to 20 A"),
    ],
)
def test_bad_volume(ca_prob, voxels, radius, error, message):
    with pytest.raises(error, match=message):
        _core.find_peaks(ca_prob, voxels, radius)


@pytest.mark.parametrize(
    ("type_voxels", "type_prob", "message"),
    [
        (np.array([0, 1]), np.zeros((1, 20), np.float32), "2 voxels have 20 type values"),
        (np.array([1, 0]), np.zeros((2, 20), np.float32), "type_voxels must ascend"),
        (np.array([0]), np.zeros((1, 19), np.float32), r"type_prob must have shape \(n, 20\), not \(1, 19\)"),
        (np.array([0]), np.full((1, 20), np.inf, np.float32), "type_prob must be finite"),
    ],
)
def test_bad_types(type_voxels, type_prob, message):
    with pytest.raises(ValueError, match=message):
        _core.refine_candidates(ONE, np.array([0]), type_voxels, type_prob)
