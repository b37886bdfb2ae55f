"""Rigid search and elastic fitting: planted bodies, worth against the slow twin, threads, Ctrl-C, bad inputs."""

import numpy as np
import pytest
from folds import folded, moved
from oracle import rigid as slow
from scipy.ndimage import gaussian_filter
from scipy.spatial.transform import Rotation

from emodelx import _core

HOW = (0.45, 100, 10, 6.0)
STIFFNESS = (10.0, 0.5)
EDGE = 56


class Scene:
    """A fold in a map with noise of half its contrast, turned at random."""

    def __init__(self, seed, shift=0.0):
        rng = np.random.default_rng(seed)
        self.chain = folded(seed, pieces=6)
        self.numbers = np.arange(len(self.chain))
        self.sides = np.column_stack([rng.integers(0, 8, len(self.chain)), rng.uniform(1.5, 3.5, len(self.chain))])
        self.place = moved(rng, self.chain, np.full(3, EDGE / 2) + shift)
        self.field = density(self.numbers, self.place, self.sides)
        self.field += gaussian_filter(rng.normal(0, 1, self.field.shape), 1.5).astype(np.float32) * 4
        self.coarse = np.ascontiguousarray(gaussian_filter(self.field, 1.2)[::3, ::3, ::3])

    def body(self, points=None):
        return self.numbers, self.chain if points is None else np.ascontiguousarray(points), self.sides

    def search(self, points=None, how=HOW, threads=1):
        return _core.search_body(self.field, self.coarse, 3.0, self.body(points), how, threads=threads)


def density(numbers, points, sides):
    """The sites as blurred points, less their surroundings."""
    at, weights = slow.sites(numbers, points, sides)
    volume = np.zeros((EDGE,) * 3)
    np.add.at(volume, tuple(np.round(at).astype(int).T), weights)
    details = gaussian_filter(volume, 1.7) - gaussian_filter(volume, 4.0)
    return (details / details.std()).astype(np.float32)


@pytest.mark.parametrize("seed", range(3))
def test_a_body_is_found_where_it_was_planted(seed):
    scene = Scene(seed)
    (rotation, shift, score), *others = scene.search()
    assert np.linalg.norm(scene.chain @ rotation.T + shift - scene.place, axis=1).max() < 1.5
    assert all(score > 1.5 * other for *_, other in others)


def test_the_mirror_image_is_not_found():
    scene = Scene(1)
    assert scene.search()[0][2] > 1.5 * scene.search(scene.chain * [1, 1, -1])[0][2]


def test_the_worth_of_a_pose_is_its_twins():
    scene = Scene(2)
    for rotation, shift, score in scene.search():
        np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-9)
        points = scene.chain @ rotation.T + shift
        assert score == pytest.approx(slow.worth(scene.field, scene.numbers, points, scene.sides), abs=1e-4)


def starts(scene, count, spread):
    """Poses around that of the planted body."""
    rng = np.random.default_rng(4)
    true = Rotation.align_vectors(scene.place - scene.place.mean(0), scene.chain - scene.chain.mean(0))[0]
    turns = (Rotation.from_rotvec(rng.normal(0, spread, (count, 3))) * true).as_matrix()
    places = scene.place.mean(0) + rng.normal(0, 8 * spread, (count, 3))
    return turns, places - turns @ scene.chain.mean(0)


def settled(scene, turns, shifts, threads=1):
    return _core.settle_body(scene.field, scene.body(), (turns.reshape(-1, 9), shifts), threads=threads)


def test_poses_settle_uphill():
    scene = Scene(1)
    turns, shifts = starts(scene, 30, 0.5)
    rotations, moved, scores = settled(scene, turns, shifts)
    for turn, shift, rotation, there, score in zip(turns, shifts, rotations, moved, scores, strict=True):
        before, after = (
            slow.worth(scene.field, scene.numbers, scene.chain @ r.T + s, scene.sides)
            for r, s in ((turn, shift), (rotation.reshape(3, 3), there))
        )
        assert score == pytest.approx(after, abs=1e-4)
        assert after >= before - 1e-6


def test_poses_near_the_planted_one_settle_there():
    scene = Scene(2)
    for rotation, shift, _ in zip(*settled(scene, *starts(scene, 20, 0.06)), strict=True):
        off = np.linalg.norm(scene.chain @ rotation.reshape(3, 3).T + shift - scene.place, axis=1)
        assert np.median(off) < 1.0


def test_poses_lie_apart_the_best_first():
    scene = Scene(0)
    found = scene.search()
    assert [score for *_, score in found] == sorted((score for *_, score in found), reverse=True)
    places = [scene.chain @ rotation.T + shift for rotation, shift, _ in found]
    off = [np.sqrt(((a - b) ** 2).sum(axis=1).mean()) for i, a in enumerate(places) for b in places[:i]]
    assert min(off) > 5.5


def test_a_bent_body_is_straightened():
    """Half of it is turned by 20 degrees about the residue in the middle."""
    scene = Scene(1)
    half, bent = len(scene.place) // 2, scene.place.copy()
    turn = Rotation.from_rotvec(np.radians([12, 12, 10])).as_matrix()
    bent[half:] = (bent[half:] - bent[half]) @ turn.T + bent[half]
    ((points, score, support),) = _core.bend_bodies(scene.field, [scene.body(bent)], STIFFNESS, threads=1)
    before, after = (np.linalg.norm(p - scene.place, axis=1) for p in (bent, points))
    assert before.mean() > 2
    assert after.mean() < 0.5 * before.mean()
    assert score == pytest.approx(slow.worth(scene.field, scene.numbers, points, scene.sides), abs=1e-4)
    assert support.shape == (len(points),)


def test_threads(same_on_all_threads):
    scene = Scene(0)

    def search(*arguments, threads):
        found = scene.search(*arguments, how=(0.6, 50, 5, 6.0), threads=threads)
        bodies = [scene.body(scene.chain @ rotation.T + shift) for rotation, shift, _ in found]
        bent = _core.bend_bodies(scene.field, bodies, STIFFNESS, threads=threads)
        return [np.array([score for *_, score in found])] + [
            part for points, _, each in bent for part in (points, each)
        ]

    assert same_on_all_threads(search)


def test_threads_that_settle(same_on_all_threads):
    scene = Scene(3)
    turns, shifts = starts(scene, 40, 0.6)
    assert same_on_all_threads(lambda *, threads: settled(scene, turns, shifts, threads))


def test_ctrl_c(interrupted):
    scene = Scene(0)
    with interrupted():
        scene.search(how=(0.05, 100, 5, 6.0))


def test_ctrl_c_while_settling(interrupted):
    scene = Scene(0)
    turns, shifts = starts(scene, 500, 0.6)
    with interrupted():
        settled(scene, np.repeat(turns, 100, axis=0), np.repeat(shifts, 100, axis=0))


SMALL = Scene(0)
NAN = SMALL.chain * np.nan


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({0: SMALL.field * np.float32(np.nan)}, "field must be finite"),
        ({1: SMALL.coarse[::2]}, "coarse must be C-contiguous"),
        ({2: 0.0}, "steps of a search must be positive"),
        ({4: (0.0, 10, 5, 6.0)}, "steps of a search must be positive"),
        ({3: (SMALL.numbers[::-1].copy(), SMALL.chain, SMALL.sides)}, "residues of a body must ascend"),
        ({3: (SMALL.numbers[1:], SMALL.chain, SMALL.sides)}, "a point and a side chain each"),
        ({3: (SMALL.numbers, NAN, SMALL.sides)}, "points must be finite"),
        ({3: (SMALL.numbers, SMALL.chain, SMALL.sides[:, :1].copy())}, r"sides must have shape \(n, 2\)"),
        ({3: (SMALL.numbers, SMALL.chain, -SMALL.sides)}, "atoms not be negative"),
    ],
)
def test_bad_input(change, message):
    arguments = [SMALL.field, SMALL.coarse, 3.0, SMALL.body(), HOW]
    for index, value in change.items():
        arguments[index] = value
    with pytest.raises(ValueError, match=message):
        _core.search_body(*arguments)


@pytest.mark.parametrize(
    ("turns", "shifts", "message"),
    [
        (np.eye(3).reshape(1, 9), np.zeros((2, 3)), "rotations must be finite, and as many as shifts"),
        (np.full((1, 9), np.nan), np.zeros((1, 3)), "rotations must be finite"),
        (np.eye(3), np.zeros((3, 3)), r"rotations must have shape \(n, 9\)"),
        (np.eye(3).reshape(1, 9), np.full((1, 3), np.inf), "shifts must be finite"),
    ],
)
def test_bad_starts(turns, shifts, message):
    with pytest.raises(ValueError, match=message):
        _core.settle_body(SMALL.field, SMALL.body(), (turns, shifts))
