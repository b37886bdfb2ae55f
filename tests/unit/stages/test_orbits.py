"""Orbits of planted complexes: means, missing images, and what differs from copy to copy."""

import numpy as np
import pytest
from scipy.spatial import KDTree

from emodelx.config import RunConfig
from emodelx.records import Candidates, Prediction, Symmetry
from emodelx.stages.orbits import find_orbits

RUN = RunConfig(threads=1)
C4 = np.array([np.linalg.matrix_power(np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]]), n) for n in range(4)])
CENTRE = np.array([30.0, 30, 10])
SYMMETRY = Symmetry("C4", C4, CENTRE)
LENGTH = 16
LINE = CENTRE + np.array([8.0, 2, -8]) + np.arange(LENGTH)[:, None] * np.array([1.0, 0.5, 1.2])
LINE = CENTRE + (LINE - CENTRE) * np.array([3.0, 3.0, 1.0])


def planted(seed=0, error=0.2, lost=()):
    """Four copies of a line of candidates without those lost, given as (copy, residue); and what each one is."""
    rng = np.random.default_rng(seed)
    whole = SYMMETRY.images(LINE) + rng.normal(0, error, (4, LENGTH, 3))
    kept = np.ones((4, LENGTH), np.bool_)
    for place in lost:
        kept[place] = False
    types = rng.dirichlet(np.ones(20), (4, LENGTH)).astype(np.float32)
    copy, residue = np.nonzero(kept)
    order = rng.permutation(len(copy))
    copy, residue = copy[order], residue[order]
    ones = rng.uniform(0.5, 1, len(copy)).astype(np.float32)
    return Candidates(whole[copy, residue], ones, ones, types[copy, residue]), copy, residue


def prediction(value):
    """Main chain everywhere, or nowhere."""
    volume = np.full((140, 140, 40), value, np.float32)
    return Prediction(volume, volume, np.zeros(0, np.int64), np.zeros((0, 20), np.float32), np.array([-40.0, -40, -10]))


def test_every_orbit_has_its_image_in_every_copy():
    candidates, copy, residue = planted()
    orbits = find_orbits(candidates, prediction(0.8), SYMMETRY, RUN)
    assert orbits.image.shape == (4, LENGTH)
    assert len(orbits.candidates) == 4 * LENGTH
    for k in range(LENGTH):
        members = KDTree(candidates.positions).query(orbits.candidates.positions[orbits.image[:, k]])[1]
        assert sorted(copy[members]) == [0, 1, 2, 3]
        assert len(set(residue[members])) == 1
        mean = np.log(np.maximum(candidates.type_prob[members], 1e-4)).mean(axis=0)
        expected = np.exp(mean) / np.exp(mean).sum()
        np.testing.assert_allclose(orbits.unit.type_prob[k], expected, rtol=1e-3)
        np.testing.assert_allclose(orbits.candidates.type_prob[orbits.image[:, k]], [expected] * 4, rtol=1e-3)
        assert orbits.unit.ca_score[k] == pytest.approx(candidates.ca_score[members].mean())


def test_the_unit_is_where_its_images_are_in_the_mean():
    orbits = find_orbits(planted(error=0.3)[0], prediction(0.8), SYMMETRY, RUN)
    images = SYMMETRY.images(LINE).reshape(-1, 3)
    assert KDTree(images).query(orbits.unit.positions)[0].max() < 0.6


@pytest.mark.parametrize(("value", "there"), [(0.8, True), (0.0, False)])
def test_missing_images_are_added_where_main_chain_is(value, there):
    """Candidates have a main-chain score of their own, so that the map can say otherwise."""
    orbits = find_orbits(planted(lost=[(1, 5), (2, 9)])[0], prediction(value), SYMMETRY, RUN)
    assert (orbits.image < 0).sum() == (0 if there else 2)
    distance = KDTree(orbits.candidates.positions).query(SYMMETRY.images(LINE)[1, 5])[0]
    assert (distance < 0.6) == there


def test_what_most_copies_lack_is_in_no_orbit():
    """One copy alone has residue 5: it stays, but as what it is."""
    candidates, copy, residue = planted(lost=[(0, 5), (1, 5), (3, 5)])
    orbits = find_orbits(candidates, prediction(0.8), SYMMETRY, RUN)
    assert orbits.image.shape == (4, LENGTH - 1)
    (own,) = np.flatnonzero((copy == 2) & (residue == 5))
    (rest,) = np.setdiff1d(np.arange(len(orbits.candidates)), orbits.image)
    np.testing.assert_array_equal(orbits.candidates.positions[rest], candidates.positions[own])
    np.testing.assert_array_equal(orbits.candidates.type_prob[rest], candidates.type_prob[own])


def test_a_loop_that_differs_from_copy_to_copy_is_in_no_orbit():
    candidates, _, residue = planted()
    rng = np.random.default_rng(1)
    positions = candidates.positions.copy()
    loop = (residue > 6) & (residue < 10)
    off = rng.normal(size=(loop.sum(), 3))
    positions[loop] += 1.7 * off / np.linalg.norm(off, axis=1, keepdims=True)
    moved = Candidates(positions, candidates.ca_score, candidates.bb_score, candidates.type_prob)
    orbits = find_orbits(moved, prediction(0.8), SYMMETRY, RUN)
    assert LENGTH - 5 < orbits.image.shape[1] < LENGTH
    assert len(orbits.candidates) >= len(candidates)
