"""Placement of templates: planted pieces, the worth of a piece against its twin, wrong templates, bad inputs."""

import numpy as np
import pytest
from folds import folded, moved
from oracle import placement as slow
from scipy.spatial.transform import Rotation

from emodelx import _core
from emodelx.config import LinkConfig, RunConfig, TemplateConfig
from emodelx.records import Candidates, Placement, Prediction, Sequence, Template
from emodelx.stages.links import link_candidates
from emodelx.stages.templates import _spare, place_templates

RUN = RunConfig(threads=1)
SURE = (20.0, 3.0)


class Scene:
    """Copies of a fold as candidates: jittered, some missing, their types half read, and false ones between them."""

    def __init__(self, seed=0, copies=1, missing=0.1):
        rng = np.random.default_rng(seed)
        self.chain = folded(seed, pieces=12)
        self.codes = rng.integers(0, 20, len(self.chain)).astype(np.int8)
        self.places = [moved(rng, self.chain, 60.0 * np.arange(3) * c + 60) for c in range(copies)]
        true = np.concatenate(self.places)
        code = np.tile(self.codes, copies)
        kept = rng.random(len(true)) > missing
        false = rng.uniform(true.min(axis=0), true.max(axis=0), (len(true) // 10, 3))
        self.points = np.concatenate([true[kept] + rng.normal(0, 0.3, (kept.sum(), 3)), false])
        self.odds = rng.uniform(0.3, 1.5, (len(self.points), 20)).astype(np.float32)
        self.odds[np.arange(kept.sum()), code[kept]] = rng.choice([1.0, 6.0], kept.sum())
        self.rng = rng

    def arguments(self, template, numbers=None, least=SURE):
        numbers = np.arange(len(template)) if numbers is None else numbers
        links = link_candidates(self.candidates(), self.prediction(), LinkConfig(), RUN).likelihood
        rows = (links.start, links.column, links.value)
        return self.points, rows, self.odds, [self.codes], [(0, numbers, np.ascontiguousarray(template))], least

    def place(self, template, numbers=None, least=SURE):
        return _core.place_templates(*self.arguments(template, numbers, least), threads=1)

    def candidates(self):
        ones = np.ones(len(self.points), np.float32)
        return Candidates(self.points, ones, ones, np.ascontiguousarray(self.odds / self.odds.sum(axis=1)[:, None]))

    def prediction(self):
        shape = tuple(np.ceil(self.points.max(axis=0) + 5).astype(int))
        full = np.full(shape, 0.5, np.float32)
        return Prediction(full, full, np.zeros(0, np.int64), np.zeros((0, 20), np.float32), np.zeros(3))


@pytest.mark.parametrize("seed", range(4))
def test_a_template_is_found_where_it_was_planted(seed):
    scene = Scene(seed)
    template = moved(scene.rng, scene.chain, np.zeros(3)) + scene.rng.normal(0, 0.3, scene.chain.shape)
    found = scene.place(template)
    members, points = found[0][1:3]
    assert len(members) > 0.8 * len(template)
    assert np.median(np.linalg.norm(points - scene.places[0][members], axis=1)) < 0.6


def test_domains_may_turn_against_each_other():
    scene = Scene(1)
    half = len(scene.chain) // 2
    bent = scene.chain.copy()
    bent[half:] = (bent[half:] - bent[half]) @ Rotation.from_euler("xyz", [25, 10, 5], degrees=True).as_matrix() + bent[
        half
    ]
    off = [np.linalg.norm(points - scene.places[0][members], axis=1) for _, members, points, *_ in scene.place(bent)]
    assert len(off) >= 2
    assert all(np.median(distance) < 1.0 for distance in off)
    assert sum(map(len, off)) > 0.6 * len(bent)


def test_every_copy_is_found():
    scene = Scene(2, copies=3)
    found = scene.place(scene.chain)
    centres = np.array([points.mean(axis=0) for _, _, points, *_ in found if len(points) > len(scene.chain) / 2])
    assert len(centres) == 3
    assert all(np.linalg.norm(centres - place.mean(axis=0), axis=1).min() < 4 for place in scene.places)


def test_the_worth_of_a_piece_is_its_twins():
    scene = Scene(3)
    _, members, points, score, _ = scene.place(scene.chain)[0]
    expected = slow.log_odds(points, scene.points, scene.odds, scene.codes[members])
    assert score == pytest.approx(expected, rel=0.05), "the motion is refined once more after it was rated"


@pytest.mark.parametrize("wrong", ["mirror", "scrambled"])
@pytest.mark.parametrize("seed", range(3))
def test_a_wrong_template_is_not_believed(wrong, seed):
    scene = Scene(seed)
    template = scene.chain * [1, 1, -1]
    if wrong == "scrambled":
        parts = np.array_split(scene.chain, len(scene.chain) // 10)
        template = np.concatenate([parts[i] for i in scene.rng.permutation(len(parts))])
    templates = [Template("t", 0, np.arange(len(template)), np.ascontiguousarray(template))]
    links = link_candidates(scene.candidates(), scene.prediction(), LinkConfig(), RUN)
    sequences = [Sequence("s", "".join("ACDEFGHIKLMNPQRSTVWY"[code] for code in scene.codes))]
    assert (
        place_templates(scene.candidates(), links, sequences, templates, scene.prediction(), TemplateConfig(), RUN)
        == ()
    )


def test_copies_in_excess_are_spare():
    """The one nearest to the middle of the map is meant."""
    scene = Scene(2, copies=3)
    templates = [Template("t", 0, np.arange(len(scene.chain)), scene.chain)]
    links = link_candidates(scene.candidates(), scene.prediction(), LinkConfig(), RUN)
    sequences = [Sequence("s", "".join("ACDEFGHIKLMNPQRSTVWY"[code] for code in scene.codes))]
    found = place_templates(scene.candidates(), links, sequences, templates, scene.prediction(), TemplateConfig(), RUN)
    whole = [p for p in found if len(p.numbers) > len(scene.chain) / 2]
    assert sorted(p.spare for p in whole) == [False, True, True]
    (meant,) = (p for p in whole if not p.spare)
    assert np.linalg.norm(meant.positions.mean(axis=0) - scene.places[1].mean(axis=0)) < 4


def test_small_pieces_do_not_keep_domains_apart(monkeypatch):
    """A second piece of the first domain must not join the other one, and keep the first piece from it."""
    chain = folded(0, pieces=16)[:120]

    def piece(copy, numbers, score):
        return Placement(0, 0, numbers, chain[numbers] + [90.0 * copy, 0.0, 0.0], score, 9.0)

    placed = [piece(copy, numbers, 90.0) for copy in range(3) for numbers in (np.arange(60), np.arange(75, 120))]
    placed.append(piece(0, np.arange(52, 64), 30.0))
    sequences, middle = [Sequence("s", "A" * 120)], chain.mean(axis=0)
    assert _spare(placed, sequences, middle, RUN) == {2, 3, 4, 5, 6}
    monkeypatch.setattr("emodelx.stages.templates.PART", 0.0)
    assert _spare(placed, sequences, middle, RUN) != {2, 3, 4, 5, 6}


def test_threads(same_on_all_threads):
    scene = Scene(2, copies=2)

    def step(*arguments, threads):
        found = _core.place_templates(*arguments, threads=threads)
        return [part for _, members, points, *scores in found for part in (members, points, np.array(scores))]

    assert same_on_all_threads(step, *scene.arguments(scene.chain))


def test_ctrl_c(interrupted):
    scene = Scene(0)
    *arguments, templates, least = scene.arguments(scene.chain)
    with interrupted():
        _core.place_templates(*arguments, templates * 1000, least, threads=1)


SMALL = Scene(0)
NUMBERS = np.arange(len(SMALL.chain))


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({0: SMALL.points * np.nan}, ValueError, "points must be finite"),
        ({0: SMALL.points[1:]}, ValueError, "same"),
        ({2: SMALL.odds[1:]}, ValueError, "same number of candidates"),
        ({4: [(1, NUMBERS, SMALL.chain)]}, ValueError, "templates name residues that do not exist"),
        ({4: [(0, NUMBERS + 1, SMALL.chain)]}, ValueError, "templates name residues that do not exist"),
        ({4: [(0, NUMBERS[::-1].copy(), SMALL.chain)]}, ValueError, "residues of a template must ascend"),
        ({4: [(0, NUMBERS[1:], SMALL.chain)]}, ValueError, "residues of a template must ascend and have a point each"),
        ({4: [(0, NUMBERS, SMALL.chain * np.inf)]}, ValueError, "templates must be finite"),
        ({4: [(0, NUMBERS - 1, SMALL.chain)]}, ValueError, "templates must not be negative"),
    ],
)
def test_bad_input(change, error, message):
    arguments = list(SMALL.arguments(SMALL.chain))
    for index, value in change.items():
        arguments[index] = value
    with pytest.raises(error, match=message):
        _core.place_templates(*arguments)


def test_no_templates():
    points, rows, odds, sequences, _, least = SMALL.arguments(SMALL.chain)
    assert _core.place_templates(points, rows, odds, sequences, [], least) == []


def test_a_template_out_of_order_is_no_chain():
    chain = folded(0, pieces=16)[:120]
    assert Template("t", 0, np.arange(120), chain).is_chain()
    assert Template("t", 0, np.r_[0:50, 70:120], chain[np.r_[0:50, 70:120]]).is_chain(), "a gap is no jump"
    parts = np.random.default_rng(0).permutation(np.array_split(np.arange(120), 10))
    assert not Template("t", 0, np.arange(120), chain[np.concatenate(parts)]).is_chain()
