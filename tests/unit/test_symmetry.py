"""Superposition against scipy's, and what copies of planted chains say about each other."""

import numpy as np
import pytest
from folds import folded, moved
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from emodelx.records import Chain, Provenance
from emodelx.symmetry import FLANK, LARGEST_RMSD, LEAST_SHARED, expected_positions, superpose


def chain(positions, missing=slice(0), sequence=0):
    positions = positions.copy()
    positions[missing] = np.nan
    length = len(positions)
    provenance = np.full(length, Provenance.TRACED, np.uint8)
    return Chain(sequence, "A", positions, np.full(length, -1), provenance, np.ones(length, np.float32))


@given(seed=st.integers(0, 10_000), count=st.integers(4, 30), error=st.sampled_from([0.0, 0.5, 20.0]))
def test_superposition_is_that_of_scipy(seed, count, error):
    rng = np.random.default_rng(seed)
    mobile = rng.normal(0, 10, (count, 3))
    target = moved(rng, mobile, rng.normal(0, 50, 3)) + rng.normal(0, error, mobile.shape)
    rotation, shift = superpose(mobile, target)
    expected, _ = Rotation.align_vectors(target - target.mean(axis=0), mobile - mobile.mean(axis=0))
    np.testing.assert_allclose(rotation, expected.as_matrix(), atol=1e-6)
    np.testing.assert_allclose(shift, target.mean(axis=0) - rotation @ mobile.mean(axis=0), atol=1e-9)


@given(seed=st.integers(0, 1000))
def test_a_mirror_image_is_turned_not_mirrored(seed):
    points = np.random.default_rng(seed).normal(0, 10, (12, 3))
    rotation, _ = superpose(points, points * [1, 1, -1])
    assert np.linalg.det(rotation) == pytest.approx(1)


@pytest.mark.parametrize("gap", [slice(0, 4), slice(30, 45), slice(60, None)], ids=["begin", "middle", "end"])
def test_a_copy_shows_where_missing_residues_are(gap):
    rng = np.random.default_rng(0)
    one = folded(0)
    two = moved(rng, one, np.array([40.0, 5, 0])) + rng.normal(0, 0.2, one.shape)
    own = chain(one, gap)
    expected = expected_positions(own, [own, chain(two)])
    assert np.linalg.norm(expected[gap] - one[gap], axis=1).max() < 2
    assert np.isnan(expected[own.placed()]).all()


def test_copies_are_asked_one_after_the_other():
    """What the first copy lacks too, the second may have."""
    one = folded(0)
    own = chain(one, slice(30, 40))
    copies = [chain(one + 50, slice(30, 35)), chain(one - 50)]
    np.testing.assert_allclose(expected_positions(own, [*copies, own])[30:40], one[30:40], atol=1e-9)
    assert np.isnan(expected_positions(own, [copies[0], own])[30:35]).all()


def silent(one):
    """Models of which `chain(one, slice(30, 40))` can learn nothing."""
    own = chain(one, slice(30, 40))
    flanks = np.r_[30 - FLANK : 30, 40 : 40 + FLANK - (LEAST_SHARED - 1)]
    other = one + np.random.default_rng(0).normal(0, 2 * LARGEST_RMSD, one.shape)
    return {
        "alone": (own, []),
        "another sequence": (own, [chain(one, sequence=1)]),
        "the same gap": (own, [chain(one, slice(30, 40))]),
        "too little around it": (own, [chain(one, flanks)]),
        "another fold": (own, [chain(other)]),
    }


@pytest.mark.parametrize("case", silent(folded(0)))
def test_nothing_is_learnt_from(case):
    own, others = silent(folded(0))[case]
    assert np.isnan(expected_positions(own, [own, *others])).all()
