"""Rigid search: copies, overlaps, what chance explains, wrong templates, when it is not needed."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from scipy.spatial.transform import Rotation

from emodelx.config import RigidConfig, RunConfig
from emodelx.demo.fold import fold
from emodelx.poses import Body, Copy, Pose, chance_solutions, side_chains
from emodelx.records import Candidates, DensityMap, Fragment, Placement, Prediction, Sequence, Template
from emodelx.scenes import Loop
from emodelx.stages.rigid import (
    Stretch,
    anchored,
    bent_templates,
    bodies_searched,
    choose_copies,
    copies_read,
    lacking_copies,
    right_residues,
    rivals_of,
    search_templates,
    with_loops,
)

RUN = RunConfig(threads=1)
FAST = RigidConfig(starts=100, turn=1.2)
PLAN = "LLLHHHHHHHHHHHHLLLLEEEEEELLLLHHHHHHHHHHHHHHLLLLLHHHHHHHHHHLLLEEEEEELLL"


def calphas(seed=3):
    points = fold(PLAN, np.random.default_rng(seed)).xyz[:, 1]
    return points - points.mean(axis=0)


CHAIN = calphas()
LENGTH = len(CHAIN)
SEQUENCE = Sequence("s", "ACDEFGHIKLMNPQRSTVWY" * 4, copies=2)
SEQUENCE = replace(SEQUENCE, residues=SEQUENCE.residues[:LENGTH])
TEMPLATE = Template("t", 0, np.arange(LENGTH), CHAIN)
TURN = Rotation.from_rotvec([0.8, -1.1, 0.4]).as_matrix()
PLACES = [CHAIN @ TURN.T + [30, 30, 30], CHAIN @ TURN + [30, 30, 78]]
SHAPES = {1: (60, 60, 60), 2: (60, 60, 108)}


def planted(places):
    """A map of copies with noise, and a network that reads nothing."""
    rng, shape = np.random.default_rng(0), SHAPES[len(places)]
    volume = np.zeros(shape)
    for points in places:
        for part in np.linspace(0, 1, 3)[:2]:
            between = points[:-1] * (1 - part) + points[1:] * part
            np.add.at(volume, tuple(np.round(between).astype(int).T), 1.0)
    smooth = gaussian_filter(volume, 2.0)
    noise = gaussian_filter(rng.normal(size=shape), 2.0)
    values = smooth / smooth.std() + noise / noise.std() * 0.5
    empty = np.zeros(shape, np.float32)
    nothing = np.zeros(0, np.int64), np.zeros((0, 20), np.float32)
    origin = np.array([5.0, -3.0, 2.0])
    prediction = Prediction(empty, empty, *nothing, origin, resolution=5.0)
    return prediction, DensityMap(values.astype(np.float32), origin, np.ones(3)), Candidates.none()


def search(template, view, copies=2, fragments=()):
    sequences = [replace(SEQUENCE, copies=copies)]
    return search_templates((), fragments, sequences, [template], view, FAST, RUN)


def test_both_copies_are_found():
    view = planted(PLACES)
    found = search(TEMPLATE, view)
    assert len(found) == 2
    assert all(p.is_sure() for p in found)
    for placement in found:
        off = [np.linalg.norm(placement.positions - view[0].origin - p[placement.numbers], axis=1) for p in PLACES]
        assert min(map(np.median, off)) < 1.0


def test_a_loop_that_the_template_lacks_is_traced():
    """Residues 44 to 48 lie between two helices."""
    view = planted(PLACES[:1])
    there = np.setdiff1d(np.arange(LENGTH), np.arange(44, 49))
    (found,) = search(replace(TEMPLATE, numbers=there, positions=CHAIN[there]), view, copies=1)
    loop = np.isin(found.numbers, np.arange(44, 49))
    off = np.linalg.norm(found.positions - view[0].origin - PLACES[0][found.numbers], axis=1)
    assert loop.sum() == 5
    assert off[loop].max() < 4
    assert found.right[loop].max() < found.right[~loop].max(), "nobody searched for it"


def test_what_the_prediction_doubts_makes_way_for_the_map():
    """A loop that bulges out of the molecule: what the prediction is sure of stays, the rest is traced."""
    view = planted(PLACES[:1])
    wrong = CHAIN.copy()
    loop = np.arange(44, 50)
    away = wrong[loop].mean(axis=0) / np.linalg.norm(wrong[loop].mean(axis=0))
    wrong[loop] += 9 * np.sin(np.linspace(0, np.pi, len(loop) + 2))[1:-1, None] * away
    off = {}
    for doubtful in (loop, loop[:0]):
        (found,) = search(replace(TEMPLATE, positions=wrong, doubtful=doubtful), view, copies=1)
        own = np.isin(found.numbers, loop)
        assert own.sum() == len(loop)
        off[len(doubtful)] = np.linalg.norm(found.positions - view[0].origin - PLACES[0][found.numbers], axis=1)[own]
    assert np.mean(off[len(loop)]) < 3
    assert np.mean(off[0]) > 4


def test_loops_are_put_into_chains():
    chain = Stretch(np.array([1, 2, 3, 9]), np.arange(12.0).reshape(4, 3), np.ones(4))
    other = Stretch(np.array([5]), np.zeros((1, 3)), np.ones(1))
    found, same = with_loops([chain, other], [Loop(0, np.array([3, 4]), np.ones((2, 3)), np.array([1.0, 0.5]))])
    assert found.numbers.tolist() == [1, 2, 3, 4, 9]
    np.testing.assert_array_equal(found.points, [*chain.points[:2], *np.ones((2, 3)), chain.points[3]])
    assert found.share[[0, 1, 4]].tolist() == [1, 1, 1]
    assert found.share[2] == 2 * found.share[3] < 1
    assert same is other


def test_no_more_copies_than_asked_for():
    assert len(search(TEMPLATE, planted(PLACES), copies=1)) == 1


@pytest.mark.parametrize("wrong", ["mirror", "scrambled", "another"])
def test_a_wrong_template_is_refused(wrong):
    rng = np.random.default_rng(1)
    points = {
        "mirror": CHAIN * [1, 1, -1],
        "scrambled": np.concatenate([CHAIN[i : i + 8] for i in rng.permutation(np.arange(0, LENGTH, 8))]),
        "another": calphas(8),
    }[wrong]
    assert search(replace(TEMPLATE, positions=np.ascontiguousarray(points)), planted(PLACES[:1]), copies=1) == ()


@pytest.mark.parametrize("shift", [0, 7])
def test_types_speak_for_a_pose_or_against_it(shift):
    """They are those of the residues there, or of others of the chain."""
    prediction, density, _ = planted(PLACES[:1])
    codes = np.roll(SEQUENCE.codes(), shift)
    types = (0.05 + 0.5 * np.eye(20)[codes]).astype(np.float32)
    ones = np.ones(LENGTH, np.float32)
    candidates = Candidates(PLACES[0] + prediction.origin, ones, ones, types / types.sum(axis=1, keepdims=True))
    (silent,) = search(TEMPLATE, planted(PLACES[:1]), copies=1)
    heard = search(TEMPLATE, (prediction, density, candidates), copies=1)
    if shift:
        assert not heard or heard[0].score < silent.score - 5
    else:
        assert heard[0].score > silent.score + 5


def test_what_was_read_needs_no_search():
    read = Fragment(0, 0, np.arange(LENGTH), np.ones(LENGTH, np.float32))
    assert search(TEMPLATE, planted(PLACES), copies=1, fragments=(read,)) == ()


def test_what_was_read_of_a_copy_is_completed_and_not_placed_twice():
    view = planted(PLACES)
    half = np.arange(LENGTH // 2)
    read = replace(placed(PLACES[0], half), positions=PLACES[0][half] + view[0].origin)
    before, *found = search_templates((read,), (), [SEQUENCE], [TEMPLATE], view, FAST, RUN)
    assert before is read
    residues = np.concatenate([read.numbers, *(p.numbers for p in found)])
    assert np.bincount(residues).max() == 2
    assert len(residues) > 1.8 * LENGTH


def test_progress_goes_from_start_to_end():
    seen = []
    told = replace(RUN, progress=lambda done, total: seen.append(done / max(total, 1)))
    search_templates((), (), [SEQUENCE], [TEMPLATE], planted(PLACES[:1]), replace(FAST, starts=20), told)
    assert seen
    assert max(seen) <= 1


def pose(points, members=None, chance=1e-6):
    return Pose(Body(0, np.arange(LENGTH) if members is None else members), points, chance)


def choose(poses, copies=2, placed=()):
    return choose_copies(poses, [TEMPLATE], [replace(SEQUENCE, copies=copies)], placed, RigidConfig())


def placed(points, numbers=None):
    """Residues that were placed by their traces."""
    numbers = np.arange(LENGTH) if numbers is None else numbers
    return Placement(0, 0, numbers, points[numbers], 200.0, 20.0)


def test_of_two_in_one_place_the_surer_stays():
    (copy,) = choose([pose(PLACES[0], chance=1e-4), pose(PLACES[0] + 1.0, chance=1e-5)])
    assert copy.poses[0].chance == 1e-5


def rivals(poses, right, others=(), members=None):
    copy = Copy(0, (poses[0] if members is None else replace(poses[0], body=Body(0, members)),))
    taken = [Copy(0, (pose(points),)) for points in others]
    return [p.chance for p in rivals_of(copy, right * LENGTH, taken, poses, RigidConfig())]


def test_a_copy_that_stays_loose_is_tried_from_its_other_poses():
    """Those that are no worse than what counts, two at most, and not where other copies are."""
    shifted = [PLACES[0] + [3.0 * i, 0, 0] for i in range(4)]
    poses = [pose(points, chance=chance) for points, chance in zip(shifted, (1e-8, 1e-3, 1e-5, 1e-4), strict=True)]
    assert rivals(poses, right=0.7) == [1e-5, 1e-4]
    assert rivals(poses, right=0.99) == [], "nothing is loose"
    assert rivals(poses, right=0.7, members=np.arange(LENGTH // 2)) == [], "only a part was found"
    assert rivals([*poses[:1], pose(shifted[1], chance=0.1)], right=0.7) == [], "chance explains it"
    assert rivals(poses, right=0.7, others=[shifted[2]]) == []
    assert rivals([*poses, pose(PLACES[1], chance=1e-6)], right=0.7, others=[PLACES[1]]) == [1e-5, 1e-4]


def test_what_was_placed_stays_so():
    assert choose([pose(PLACES[0])], placed=[placed(PLACES[0])]) == []
    assert choose([pose(PLACES[0][::-1])], placed=[placed(PLACES[0])]) == []


def test_a_pose_goes_on_from_what_was_placed():
    read = placed(PLACES[0] + 1.0, np.arange(20, 60))
    (copy,) = choose([pose(PLACES[0])], placed=[read])
    np.testing.assert_array_equal(copy.members(), np.setdiff1d(np.arange(LENGTH), read.numbers))


def test_what_was_placed_counts_as_a_copy():
    whole = placed(PLACES[0])
    assert choose([pose(PLACES[1])], copies=1, placed=[whole]) == []
    assert len(choose([pose(PLACES[1])], copies=2, placed=[whole])) == 1


def test_what_was_read_of_one_copy_comes_together():
    """Two pieces of one copy, a short one, and one of another copy."""
    pieces = [np.arange(20), np.arange(20, LENGTH), np.arange(5)]
    read = [placed(PLACES[0], piece) for piece in pieces] + [placed(PLACES[1], pieces[1])]
    first, second = copies_read(read, [TEMPLATE], replace(FAST, least_residues=15))
    assert [len(copy.members()) for copy in (first, second)] == [LENGTH, LENGTH - 20]
    np.testing.assert_allclose(first.whole(), PLACES[0], atol=1e-6)
    np.testing.assert_allclose(second.whole(), PLACES[1], atol=1e-6)


def test_what_was_read_goes_along_without_chance():
    (copy,) = copies_read([placed(PLACES[0])], [TEMPLATE], FAST)
    assert copy.chance() == 1.0
    searched = replace(copy, poses=(*copy.poses, pose(PLACES[0], np.arange(10), chance=1e-7)))
    assert searched.chance() == 1e-7


def test_copies_are_lacking_until_most_residues_have_a_place():
    half = placed(PLACES[0], np.arange(LENGTH // 2 - 2))
    assert lacking_copies([SEQUENCE, replace(SEQUENCE, copies=1)], [placed(PLACES[0]), half]) == [True, True]
    assert lacking_copies([SEQUENCE], [placed(PLACES[0]), placed(PLACES[1])]) == [False]


def test_a_template_is_bent_as_the_map_bends_it():
    """By the copy with most right residues, and only these."""
    found = [
        replace(placed(PLACES[i] + 0.5), right=np.where(np.arange(LENGTH) < end, 0.9, 0.1).astype(np.float32))
        for i, end in enumerate((60, LENGTH))
    ]
    assert bent_templates([TEMPLATE], [replace(found[0], right=None)]) == {}
    assert bent_templates([TEMPLATE], [replace(found[0], right=found[0].right / 2)]) == {}
    for placements in (found, found[::-1]):
        bent = bent_templates([TEMPLATE], placements)[0]
        assert (len(bent.numbers), bent.sequence, bent.name) == (LENGTH, 0, "t")
        np.testing.assert_allclose(bent.positions, PLACES[1] + 0.5)
    assert len(bent_templates([TEMPLATE], found[:1])[0].numbers) == 60


def test_domains_of_a_copy_come_together():
    """The second is not sure alone, but lies where the template has it to the first."""
    halves = np.arange(LENGTH // 2), np.arange(LENGTH // 2, LENGTH)
    sure, near = pose(PLACES[0], halves[0]), pose(PLACES[0] + 2.0, halves[1], chance=1.0)
    far = pose(PLACES[1], halves[1], chance=1.0)
    (copy,) = choose([far, near, sure])
    assert [p.points is q.points for p, q in zip(copy.poses, (sure, near), strict=True)] == [True, True]


def test_stretches_that_overlap_come_together():
    parts = np.arange(40), np.arange(25, LENGTH)
    (copy,) = choose([pose(PLACES[0], part, chance=1e-4 / (1 + i)) for i, part in enumerate(parts)])
    assert [len(p.body.members) for p in copy.poses] == [LENGTH - 25, 25]


HALVES = np.arange(LENGTH // 2), np.arange(LENGTH // 2, LENGTH)


def test_parts_that_agree_vouch_for_each_other():
    """Chance brings two parts near each other rarely, but often enough where there are many solutions of each."""
    agreeing = [pose(PLACES[0] + i, half, chance=0.3) for i, half in enumerate(HALVES)]
    (copy,) = choose(agreeing)
    assert len(copy.members()) == LENGTH
    assert copy.chance() == pytest.approx(0.3 * 0.3 * RigidConfig.nearby)
    assert choose([replace(pose, chance=3.0) for pose in agreeing]) == []
    assert choose([agreeing[0], pose(PLACES[1], HALVES[1], chance=0.3)]) == []


def test_the_same_residues_say_the_same():
    """Where a template was found once more they are no second witness; of what overlaps only the rest is."""
    first, again, whole = (pose(PLACES[0], part, chance=0.02) for part in (HALVES[0], HALVES[0], None))
    ((_, alone), _) = anchored([first, again], Counter({0: 2}), RigidConfig())
    assert alone == pytest.approx(2 * 0.02)
    expected = 0.02 * (0.02 * RigidConfig.nearby) ** 0.5
    assert [chance for _, chance in anchored([first, whole], Counter({0: 2}), RigidConfig())] == pytest.approx(
        [expected, expected]
    )


def test_many_bodies_give_chance_more_to_offer():
    """What counts where the whole template was searched for alone does not among four of its parts."""
    sure = pose(PLACES[0], HALVES[0], chance=0.004)
    others = [pose(PLACES[1], np.arange(i, i + 20), chance=4.0) for i in (0, 10, 20)]
    assert bodies_searched([sure, *others, *others])[0] == 4
    assert len(choose([sure])) == 1
    assert choose([sure, *others]) == []


def slowly_anchored(poses, bodies, config):
    """The same, by every pair of poses."""

    def together(p, q):
        own = 1 - len(set(q.body.members) & set(p.body.members)) / len(q.body.members)
        off = np.sqrt(np.mean([np.sum((p.points[i] - q.points[i]) ** 2) for i in q.body.members]))
        return p.chance * (q.chance * config.nearby) ** own if off < config.most_off * own else np.inf

    for p in poses:
        several = bodies[p.body.template]
        best = min(min(together(p, q), together(q, p)) for q in poses)
        yield min(p.chance * several, best * several * (several - 1) / 2)


@pytest.mark.parametrize("seed", range(5))
def test_every_pair_is_looked_at(seed):
    """Of poses that count, alone or together; what does not count need not be told to the last digit."""
    rng = np.random.default_rng(seed)
    poses = [
        pose(PLACES[i % 2] + rng.normal(0, 5, 3), np.arange(first, first + 30), chance=10 ** rng.uniform(-4, 1))
        for i, first in enumerate(rng.integers(0, LENGTH - 30, 12))
    ]
    bodies = bodies_searched(poses)
    expected = np.array(list(slowly_anchored(poses, bodies, RigidConfig())))
    found = np.array([chance for _, chance in anchored(poses, bodies, RigidConfig())])
    counts = expected <= RigidConfig.most_chance
    assert (counts == (found <= RigidConfig.most_chance)).all()
    np.testing.assert_allclose(found[counts], expected[counts])


def test_residues_with_more_support_are_likelier_right():
    right = right_residues(np.array([0.0, 0.5, 1.0, 1.0]), np.array([1.0, 1.0, 1.0, 0.4]), 5.0)
    assert (np.diff(right[:3]) > 0).all()
    assert right[3] < right[2]


def test_chance_is_what_the_mirror_image_reaches():
    rng = np.random.default_rng(0)
    scores = np.sort(rng.exponential(1.0, (2, 40)), axis=1)[:, ::-1]
    expected = chance_solutions(scores[0], scores[1])
    assert 0.05 < expected[0] < 20
    assert (np.diff(expected) >= 0).all()
    assert chance_solutions(np.array([30.0]), scores[1])[0] < 1e-8
    assert np.isinf(chance_solutions(np.array([1.0]), scores[1][:2])).all()


def test_side_chains_have_their_atoms():
    atoms = side_chains("GAWX", np.arange(4))[:, 0]
    assert atoms.tolist() == [0, 1, 10, 3]
