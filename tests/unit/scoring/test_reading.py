"""The network's check finds planted faults in a model that it otherwise agrees with."""

from dataclasses import replace

import numpy as np
import pytest

from emodelx.records import Prediction
from emodelx.scoring.reading import read_residues
from emodelx.scoring.register_shift import UNKNOWN_TYPE

LENGTHS = [60, 40]


@pytest.fixture
def calphas():
    """Two straight chains on the grid."""
    first = np.stack([np.arange(60) * 3.8 + 4, np.full(60, 5.0), np.full(60, 5.0)], axis=1)
    return np.concatenate([first, first[:40] + np.array([0, 12.0, 0])])


@pytest.fixture
def types():
    return np.random.default_rng(3).integers(0, 20, 100)


@pytest.fixture
def prediction(calphas, types):
    """A network that is right in three of five residues and wrong in the others."""
    rng = np.random.default_rng(4)
    shape = (240, 25, 12)
    ca_prob = np.zeros(shape, np.float32)
    rows = {}
    for place, kind in zip(np.rint(calphas).astype(int), types, strict=True):
        sure = rng.dirichlet(np.full(20, 0.5))
        sure[kind if rng.random() < 0.6 else rng.integers(20)] += 1
        for shift in np.ndindex(3, 3, 3):
            voxel = tuple(place + np.array(shift) - 1)
            ca_prob[voxel] = 0.9
            rows[int(np.ravel_multi_index(voxel, shape))] = sure / sure.sum()
    voxels = np.array(sorted(rows))
    type_prob = np.array([rows[v] for v in voxels], np.float32)
    return Prediction(ca_prob, ca_prob, voxels, type_prob, np.zeros(3))


def test_a_right_model_is_not_flagged(calphas, types, prediction):
    read = read_residues(calphas, types, LENGTHS, prediction)
    assert not read.misplaced().any()
    assert read.mistyped().mean() < 0.05
    assert not read.shifted().any()
    np.testing.assert_allclose(read.calpha, 0.9)


def test_a_shifted_stretch_is_flagged_with_its_shift(calphas, types, prediction):
    wrong = types.copy()
    wrong[20:45] = types[21:46]
    read = read_residues(calphas, wrong, LENGTHS, prediction)
    assert read.mistyped()[25:40].mean() > 0.7
    assert read.mistyped()[60:].mean() < 0.1
    assert read.shifted()[27:40].all()
    assert not read.shifted()[50:].any()
    assert (read.shift[27:40] == -1).all()


def test_a_stretch_in_empty_space_is_flagged(calphas, types, prediction):
    moved = calphas.copy()
    moved[20:40] += [0, 0, 4.0]
    read = read_residues(moved, types, LENGTHS, prediction)
    assert read.misplaced()[24:36].all()
    assert not read.misplaced()[60:].any()
    assert (read.calpha[20:40] == 0).all()


def test_types_that_cannot_be_read_are_not_called_wrong(calphas, types, prediction):
    """A network that hardly knows: every type score is around 0, and none is a surprise."""
    unsure = 0.03 * prediction.type_prob + 0.97 * np.float32(1 / 20)
    unreadable = replace(prediction, type_prob=unsure)
    shuffled = np.random.default_rng(5).permutation(types)
    read = read_residues(calphas, shuffled, LENGTHS, unreadable)
    assert (read.type_score < 0).mean() > 0.3
    assert not read.mistyped().any()
    assert not read.shifted().any()


def test_chains_do_not_mix(calphas, types, prediction):
    moved = calphas.copy()
    moved[:60] += [0, 0, 4.0]
    assert read_residues(moved, types, LENGTHS, prediction).misplaced().nonzero()[0].tolist() == list(range(60))


def test_unknown_types_and_missing_or_far_calphas_score_nothing(calphas, prediction):
    unknown = np.full(100, UNKNOWN_TYPE)
    calphas[3], calphas[5] = np.nan, 1e4
    read = read_residues(calphas, unknown, LENGTHS, prediction)
    assert (read.type == 0).all()
    assert read.calpha[[3, 5]].tolist() == [0, 0]
    assert np.isfinite(read.calpha_score).all()
