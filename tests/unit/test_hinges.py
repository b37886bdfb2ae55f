"""Hinges: bent templates are straightened, wrong parts and empty places leave them as they are."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from scipy.spatial.transform import Rotation

from emodelx.config import RigidConfig, RunConfig
from emodelx.demo.fold import fold
from emodelx.hinges import (
    MOST_TURN,
    distinct,
    even,
    loose_parts,
    mirror_images,
    straighten,
    turns_around,
)
from emodelx.poses import Body, Copy, Pose
from emodelx.records import Candidates, DensityMap, Placement, Prediction, Sequence, Template
from emodelx.scenes import Scene
from emodelx.stages.rigid import search_templates

RUN = RunConfig(threads=1)
PLAN = "LLLHHHHHHHHHHHHLLLLEEEEEELLLLHHHHHHHHHHHHHHLLLLLHHHHHHHHHHLLLEEEEEELLLHHHHHHHHHHHLLLEEEEEELLLHHHHHHHHHHHHHLL"
TURNED = 62
"""The residue at which the template hinges, in a loop."""
EDGE = 90


def calphas(seed):
    points = fold(PLAN, np.random.default_rng(seed)).xyz[:, 1]
    return points - points.mean(axis=0) + EDGE / 2


CHAIN = calphas(3)
LENGTH = len(CHAIN)
SEQUENCE = Sequence("s", ("ACDEFGHIKLMNPQRSTVWY" * 8)[:LENGTH])


def scene(points=CHAIN):
    """The details of a map of 5 A, with noise of half their standard deviation."""
    volume = np.zeros((EDGE,) * 3)
    for part in (0.0, 0.5):
        between = points[:-1] * (1 - part) + points[1:] * part
        np.add.at(volume, tuple(np.round(between).astype(int).T), 1.0)
    noise = np.random.default_rng(0).normal(size=volume.shape)
    smooth, noise = (gaussian_filter(v, 1.6) - gaussian_filter(v, 3.0) for v in (volume, noise))
    return Scene.of((smooth / smooth.std() + noise / noise.std() * 0.5).astype(np.float32), 5.0)


def bent(angle=36.0):
    """The chain, its second part turned about the hinge."""
    turn = Rotation.from_rotvec(np.radians(angle) * np.array([0.6, -0.64, 0.48])).as_matrix()
    points = CHAIN.copy()
    points[TURNED:] = (CHAIN[TURNED:] - CHAIN[TURNED]) @ turn.T + CHAIN[TURNED]
    return points


def straightened(points, view, others=()):
    """What becomes of a copy that lies in the map as its first part does."""
    template = Template("t", 0, np.arange(LENGTH), points)
    whole = Pose(Body(0, np.arange(LENGTH)), points, 1e-9)
    copies = [Copy(0, (whole,)), *others]
    told = view, lambda pose: pose  # nothing is known of types
    return straighten(copies, [template] * len(copies), [SEQUENCE], told, RigidConfig(), RUN)[0]


def test_a_bent_template_is_straightened():
    points = bent()
    assert np.linalg.norm(points - CHAIN, axis=1)[TURNED:].mean() > 6
    copy = straightened(points, scene())
    off = np.linalg.norm(copy.whole() - CHAIN, axis=1)
    assert np.quantile(off, 0.9) < 2
    assert len(copy.poses) > 1
    assert np.array_equal(np.sort(np.concatenate([p.body.members for p in copy.poses])), np.arange(LENGTH))
    assert all(p.chance <= RigidConfig().hinge_chance for p in copy.poses)


def test_a_template_in_its_place_stays():
    copy = straightened(CHAIN, scene())
    assert len(copy.poses) == 1


def test_nothing_is_turned_into_noise():
    points = bent()
    copy = straightened(points, scene(CHAIN[:TURNED]))
    np.testing.assert_array_equal(copy.whole(), points)


def test_a_part_of_another_fold_is_not_turned():
    points = bent()
    strange = calphas(8)
    points[TURNED:] = strange[TURNED:] - strange[TURNED] + points[TURNED]
    copy = straightened(points, scene())
    np.testing.assert_array_equal(copy.whole(), points)


def test_parts_stay_out_of_others():
    """Where the part belongs lies another copy already."""
    points = bent()
    other = Copy(1, (Pose(Body(1, np.arange(TURNED, LENGTH)), CHAIN, 1e-9),))
    copy = straightened(points, scene(), [other])
    np.testing.assert_array_equal(copy.whole(), points)


def test_what_was_read_goes_on_across_a_hinge():
    """The network read the first part; the template bends after it."""
    values, origin = scene().field, np.array([3.0, -5.0, 1.0])
    empty = np.zeros(values.shape, np.float32)
    nothing = np.zeros(0, np.int64), np.zeros((0, 20), np.float32)
    prediction = Prediction(empty, empty, *nothing, origin, resolution=5.0)
    view = prediction, DensityMap(values, origin, np.ones(3)), Candidates.none()
    first = np.arange(TURNED)
    read = Placement(0, 0, first, CHAIN[first] + origin, 200.0, 20.0)
    template = Template("t", 0, np.arange(LENGTH), bent())
    before, found = search_templates((read,), (), [SEQUENCE], [template], view, RigidConfig(starts=10), RUN)
    assert before is read
    assert found.numbers.min() >= TURNED
    off = np.linalg.norm(found.positions - origin - CHAIN[found.numbers], axis=1)
    assert (off < 3).sum() > 0.8 * (LENGTH - TURNED)


def test_dips_and_islands_are_forgotten():
    well = np.ones(100, bool)
    well[[5, 6, 7]] = False
    well[40:60] = False
    well[79:] = False
    assert even(well).nonzero()[0].tolist() == list(range(40))
    well[79] = True
    assert even(well).nonzero()[0].tolist() == [*range(40), *range(60, 80)]


def test_loose_parts_hang_on_either_end():
    well = np.zeros(200, bool)
    well[:50] = well[130:180] = True
    parts = [(p.members[0], p.members[-1], p.hinge) for p in loose_parts(well)]
    assert parts == [
        (50, 84, 49), (50, 109, 49), (50, 129, 49), (95, 129, 130), (70, 129, 130), (50, 129, 130), (180, 199, 179),
    ]  # fmt: skip
    assert all(well[p.anchor].all() and 0 < len(p.anchor) <= 30 for p in loose_parts(well))
    assert not list(loose_parts(np.zeros(100, bool)))


@pytest.mark.parametrize("step", [0.15, 0.4])
def test_every_turn_has_one_nearby(step):
    turns = turns_around(step)
    rng = np.random.default_rng(1)
    for _ in range(20):
        wanted = rng.normal(size=3)
        wanted *= rng.uniform(0, MOST_TURN - step) / np.linalg.norm(wanted)
        off = Rotation.from_matrix(Rotation.from_rotvec(wanted).as_matrix().T @ turns).magnitude()
        assert off.min() < 0.9 * step
    assert Rotation.from_matrix(turns).magnitude().max() <= MOST_TURN + 1e-9


def test_mirror_images_keep_hinge_and_middle():
    part, hinge = CHAIN[:40], CHAIN[40]
    images = list(mirror_images(part, hinge))
    for image in images:
        np.testing.assert_allclose(image.mean(axis=0) - part.mean(axis=0), 0, atol=1e-9)
        np.testing.assert_allclose(np.linalg.norm(image - hinge, axis=1), np.linalg.norm(part - hinge, axis=1))
        motion = np.linalg.lstsq(part - hinge, image - hinge, rcond=None)[0]
        np.testing.assert_allclose(motion @ motion.T, np.eye(3), atol=1e-9)
        assert np.linalg.det(motion) == pytest.approx(-1)
    assert np.linalg.norm(images[0] - images[1], axis=1).mean() > 1


def test_distinct_poses_lie_apart():
    shifts = np.array([[0.0, 0, 0], [1, 0, 0], [10, 0, 0], [10, 5, 0]])
    scores = np.array([1.0, 3.0, 2.0, 2.5])
    kept = distinct(CHAIN, np.repeat(np.eye(3)[None], 4, axis=0), shifts, scores, replace(RigidConfig(), apart=6.0))
    assert kept == [1, 3]
