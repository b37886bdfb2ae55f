"""Turns of helices, against every run of five and on planted helices."""

from itertools import permutations

import numpy as np
import pytest

from emodelx.records import Candidates, HelixTurns
from emodelx.stages.hand import STEPS, TORSION, count_turns
from emodelx.vectors import torsion

MIRROR = np.array([-1.0, 1.0, 1.0])


def candidates(points):
    n = len(points)
    return Candidates(np.asarray(points, float), np.ones(n, np.float32), np.ones(n, np.float32), np.ones((n, 20), "f4"))


def helix(length):
    turn = np.radians(100 * np.arange(length))
    return np.column_stack([2.3 * np.cos(turn), 2.3 * np.sin(turn), 1.5 * np.arange(length)])


def every_run(points):
    """Slow twin: all runs of five, in either direction once."""
    counts = [0, 0]
    for run in permutations(range(len(points)), 5):
        chain = points[list(run)]
        gaps = [np.linalg.norm(chain[hop:] - chain[:-hop], axis=1) for hop in range(1, 5)]
        inside = [((gap > low) & (gap < high)).all() for gap, (low, high) in zip(gaps, STEPS, strict=True)]
        if run[0] > run[4] or not all(inside):
            continue
        turns = [torsion(*chain[first : first + 4]) for first in (0, 1)]
        for hand, sign in enumerate((1, -1)):
            counts[hand] += all(TORSION[0] < sign * turn < TORSION[1] for turn in turns)
    return HelixTurns(*counts)


@pytest.mark.parametrize("seed", range(4))
def test_every_run_is_counted_once(seed):
    rng = np.random.default_rng(seed)
    points = np.concatenate([helix(5) * rng.choice([MIRROR, -MIRROR]), rng.uniform(-3, 6, (3, 3))])
    points = rng.permutation(points + rng.normal(0, 0.3, points.shape))
    assert count_turns(candidates(points)) == every_run(points)


def test_a_helix_and_its_mirror_image():
    rng = np.random.default_rng(1)
    points = rng.permutation(helix(30) + rng.normal(0, 0.2, (30, 3)))
    turns, mirrored = count_turns(candidates(points)), count_turns(candidates(points * MIRROR))
    assert turns.right >= 24
    assert turns.left == 0
    assert mirrored == HelixTurns(turns.left, turns.right)
    assert turns.says_right()
    assert not turns.says_mirrored()
    assert mirrored.says_mirrored()


def test_strands_and_noise_say_nothing():
    rng = np.random.default_rng(2)
    strand = np.column_stack([3.3 * np.arange(40), 0.9 * (-1.0) ** np.arange(40), np.zeros(40)])
    clouds = (strand, rng.uniform(0, 40, (500, 3)), np.empty((0, 3)), np.zeros((1, 3)))
    for turns in (count_turns(candidates(points)) for points in clouds):
        assert not turns.says_right()
        assert not turns.says_mirrored()


@pytest.mark.parametrize(("right", "left", "says"), [(14, 0, ""), (40, 11, ""), (40, 10, "right"), (3, 15, "mirrored")])
def test_only_clear_counts_say_something(right, left, says):
    turns = HelixTurns(right, left)
    assert (turns.says_right(), turns.says_mirrored()) == (says == "right", says == "mirrored")


def test_a_crowd_that_no_protein_is_tells_nothing():
    """A lattice of 2 A, as of a network without sense: billions of runs of five."""
    lattice = 2.0 * np.stack(np.meshgrid(*[np.arange(12)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    assert count_turns(candidates(lattice)) == HelixTurns(0, 0)
