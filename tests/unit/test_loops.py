"""Loops between the ends of gaps."""

import numpy as np
import pytest

from emodelx.loops import LONGEST, with_loops


@pytest.mark.parametrize(("missing", "distance"), [(1, 6.0), (4, 12.0), (10, 8.0), (20, 30.0)])
def test_loops_step_like_chains(missing, distance):
    numbers = np.array([3, 4 + missing])
    points = np.array([[0.0, 0.0, 5.0], [distance, 0.0, 5.0]])
    all_numbers, all_points = with_loops(numbers, points)
    assert all_numbers.tolist() == list(range(3, 5 + missing))
    np.testing.assert_allclose(all_points[[0, -1]], points)
    steps = np.linalg.norm(np.diff(all_points, axis=0), axis=1)
    assert np.median(steps) == pytest.approx(3.8, abs=1.0)
    assert steps.max() < 7


def test_long_gaps_and_wide_ones_stay_open():
    numbers = np.array([0, LONGEST + 2, LONGEST + 5])
    points = np.array([[0.0, 0, 0], [20.0, 0, 0], [60.0, 0, 0]])
    assert with_loops(numbers, points)[0].tolist() == numbers.tolist()


def test_a_whole_chain_is_left_alone():
    numbers, points = np.arange(5), np.random.default_rng(0).normal(size=(5, 3))
    found = with_loops(numbers, points)
    np.testing.assert_array_equal(found[0], numbers)
    np.testing.assert_array_equal(found[1], points)
