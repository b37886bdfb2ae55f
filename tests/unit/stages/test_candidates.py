"""Candidates from a planted prediction."""

import numpy as np
import pytest

from emodelx.config import CandidateConfig, RunConfig
from emodelx.errors import NothingBuildableError
from emodelx.records import Prediction
from emodelx.stages.candidates import keep_main_clusters, propose_candidates

ORIGIN = np.array([10.0, -20.0, 30.0])
SHAPE = (48, 48, 48)


def blobs(points, height=0.9, width=0.8):
    """Volume with a Gaussian of `height` at each grid position."""
    volume = np.zeros(SHAPE)
    for point in points:
        x, y, z = (np.exp(-((np.arange(n) - c) ** 2) / (2 * width**2)) for n, c in zip(SHAPE, point, strict=True))
        volume = np.maximum(volume, height * x[:, None, None] * y[:, None] * z)
    return volume.astype(np.float32)


def predict(ca_prob, bb_prob=None, types=None):
    """Prediction whose amino-acid probabilities are `types` at every voxel."""
    types = np.full(20, 0.05) if types is None else types
    type_voxels = np.flatnonzero(ca_prob > 0.01)
    type_prob = np.tile(types, (len(type_voxels), 1)).astype(np.float32)
    return Prediction(ca_prob, ca_prob if bb_prob is None else bb_prob, type_voxels, type_prob, ORIGIN)


def propose(prediction, config=None):
    return propose_candidates(prediction, config or CandidateConfig(), RunConfig(threads=1))


def helix(count, start=(24.0, 24.0, 8.0)):
    """Calphas of an ideal alpha helix along z: 2.3 A radius, 100 degrees and 1.5 A a residue."""
    turn = np.radians(100) * np.arange(count)
    return np.column_stack([2.3 * np.cos(turn), 2.3 * np.sin(turn), 1.5 * np.arange(count)]) + start


def nearest(points, candidates):
    """Distance of every planted point to its nearest candidate."""
    shift = points[:, None] + ORIGIN - candidates.positions
    return np.sqrt((shift**2).sum(-1)).min(1)


@pytest.mark.parametrize("seed", range(5))
def test_a_planted_helix_comes_back(seed):
    """Its Calphas are 3.8 A apart: all come back wherever they lie between the voxels, and nothing else."""
    planted = helix(20) + np.random.default_rng(seed).uniform(-1, 1, 3)
    found = propose(predict(blobs(planted)))
    assert len(found) == 20
    assert nearest(planted, found).max() < 0.5


@pytest.mark.parametrize(("jitter", "recall"), [(0.3, 0.99), (0.5, 0.94)])
def test_a_jittered_helix_comes_back(jitter, recall):
    rng = np.random.default_rng(0)
    near = []
    for _ in range(10):
        planted = helix(20) + rng.normal(0, jitter / np.sqrt(3), (20, 3))
        near.append(nearest(planted, propose(predict(blobs(planted)))) < 1)
    assert np.mean(near) >= recall


def test_the_shoulders_of_a_wide_peak_are_no_candidates():
    assert len(propose(predict(blobs([[24.0, 24, 24]], width=3.0)))) == 1


def test_scores_and_types_are_read_at_the_candidate():
    types = np.random.default_rng(0).dirichlet(np.ones(20))
    prediction = predict(blobs([[24.0, 24, 24]], width=1.2), blobs([[24.0, 24, 24]], height=0.6), types)
    found = propose(prediction)
    np.testing.assert_allclose(found.positions, [ORIGIN + 24], atol=1e-6)
    np.testing.assert_allclose(found.ca_score, [0.9], atol=1e-6)
    np.testing.assert_allclose(found.bb_score, [0.6], atol=1e-6)
    np.testing.assert_allclose(found.type_prob, [types], atol=1e-6)


def test_far_noise_is_dropped():
    noise = np.array([[4.0, 4, 4]])
    planted = helix(16, (30.0, 30.0, 14.0))
    found = propose(predict(blobs(np.vstack([planted, noise]))))
    assert len(found) == 16
    assert nearest(noise, found).min() > 10


def test_the_threshold_of_the_prediction_holds_unless_another_is_given():
    prediction = predict(blobs([[24.0, 24, 24]], height=0.34, width=2.0))
    with pytest.raises(NothingBuildableError):
        propose(prediction)
    assert len(propose(prediction, CandidateConfig(threshold=0.2))) == 1


@pytest.mark.parametrize("ca_prob", [np.zeros(SHAPE, np.float32), np.zeros((0, 4, 4), np.float32)])
def test_a_map_that_was_not_read_is_noise(ca_prob):
    with pytest.raises(NothingBuildableError, match=r"noise.*bright.*hand.*resolution.*voxel"):
        propose(predict(ca_prob))


def test_a_map_in_which_nothing_was_found_names_likely_causes():
    with pytest.raises(
        NothingBuildableError, match=r"0 voxels exceed .* 0\.35 .*highest: 0\.10.*hand.*resolution.*voxel"
    ):
        propose(predict(np.full(SHAPE, 0.1, np.float32)))


@pytest.mark.parametrize(
    ("sizes", "brightness", "kept"),
    [
        ([100, 50], [0.8, 0.8], [True, True]),
        ([100, 9], [0.8, 0.8], [True, False]),  # too small
        ([10_000, 700], [0.8, 0.8], [True, True]),  # small beside the other, but a molecule
        ([10_000, 600], [0.8, 0.8], [True, False]),
        ([100, 50], [0.8, 0.3], [True, False]),  # too faint
        ([100, 90, 4], [0.4, 0.4, 0.9], [True, True, False]),  # the best mean is that of the large ones
    ],
)
def test_cluster_rules(sizes, brightness, kept):
    label = np.repeat(np.arange(len(sizes)), sizes)
    score = np.repeat(np.array(brightness, np.float32), sizes)
    np.testing.assert_array_equal(keep_main_clusters(label, score), np.repeat(kept, sizes))


def test_noise_is_never_kept():
    assert not keep_main_clusters(np.array([-1, -1]), np.ones(2, np.float32)).any()
    np.testing.assert_array_equal(keep_main_clusters(np.array([-1, 0]), np.ones(2, np.float32)), [False, True])
