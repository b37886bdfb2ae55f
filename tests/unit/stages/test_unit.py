"""The unit of a planted complex: mean links against a slow twin, and fragments in all copies."""

from dataclasses import replace

import numpy as np
import pytest

from emodelx.bends import possible_bends
from emodelx.config import RunConfig
from emodelx.point_groups import rotations_of
from emodelx.records import Bends, Candidates, Fragment, Links, Orbits, Placement, Rest, Sequence, SparseRows, Symmetry
from emodelx.stages.unit import (
    copies_of_complex,
    copies_of_unit,
    copy_fragments,
    fold_links,
    image_placements,
    join_fragments,
    leave_rest,
)

RUN = RunConfig(threads=1)
LENGTH = 12
CENTRE = np.array([5.0, -3.0, 2.0])


def complex_of(group, seed=0, lost=0.1):
    """A chain with its images; the unit holds a random image of each residue. Links along the chain, and false ones."""
    rng = np.random.default_rng(seed)
    symmetry = Symmetry(group, rotations_of(group), CENTRE)
    chain = CENTRE + np.array([30.0, 11, 4]) + np.cumsum(rng.normal(1, 1.5, (LENGTH, 3)), axis=0)
    frame = rng.integers(0, len(symmetry), LENGTH)
    unit = symmetry.images(chain)[frame, np.arange(LENGTH)]
    whole = symmetry.images(unit)
    image = np.arange(whole.size // 3).reshape(whole.shape[:2])
    kept = rng.random(image.shape) >= lost
    number = np.where(kept, (np.cumsum(kept) - 1).reshape(kept.shape), -1)
    source = np.arange(kept.sum())[::-1]  # candidates were found in another order
    orbits = Orbits(candidates_at(whole[kept], rng), candidates_at(unit, rng), number, source)
    return symmetry, orbits, links_of(whole[kept], rng), chain


def candidates_at(points, rng):
    ones = np.ones(len(points), np.float32)
    return Candidates(points, ones, ones, rng.dirichlet(np.ones(20), len(points)).astype(np.float32))


def links_of(points, rng):
    apart = np.linalg.norm(points[:, None] - points, axis=2)
    value = rng.uniform(0.1, 1, apart.shape)
    value = np.where((apart > 0) & (apart < 6), (value + value.T) / 2, 0).astype(np.float32)
    start = np.concatenate([[0], np.cumsum((value > 0).sum(axis=1))])
    return Links(SparseRows(start, np.nonzero(value)[1], value[value > 0]))


def dense(rows):
    size = len(rows.start) - 1
    matrix = np.zeros((size, size))
    matrix[np.repeat(np.arange(size), np.diff(rows.start)), rows.column] = rows.value
    return matrix


@pytest.mark.parametrize("group", ["C2", "C5", "D3", "T"])
@pytest.mark.parametrize("seed", range(3))
def test_links_are_the_mean_over_the_copies(group, seed):
    symmetry, orbits, links, _ = complex_of(group, seed)
    unit = fold_links(orbits, links, None, symmetry, RUN)
    given, found = dense(links.likelihood), dense(unit.whole_links.likelihood)
    np.testing.assert_array_equal(found, found.T)
    where = {int(k): (g, a) for g, row in enumerate(orbits.image) for a, k in enumerate(row) if k >= 0}
    rotations = symmetry.rotations
    for i, j in zip(*np.nonzero(given), strict=True):
        images = []
        for rotation in rotations:  # the pair, taken along by every rotation
            turned = [index_of(rotations, rotation @ rotations[where[k][0]]) for k in (i, j)]
            pair = [orbits.image[g, where[k][1]] for g, k in zip(turned, (i, j), strict=True)]
            images += [given[tuple(pair)]] if min(pair) >= 0 else []
        np.testing.assert_allclose(found[i, j], np.mean([v for v in images if v > 0]), rtol=1e-5)


def index_of(rotations, rotation):
    return int(np.argmin(np.abs(rotations - rotation).sum(axis=(1, 2))))


@pytest.mark.parametrize("group", ["C2", "C5", "D3", "T"])
def test_linked_candidates_are_in_one_unit(group):
    """The unit is the chain again, or an image of it."""
    symmetry, orbits, links, chain = complex_of(group, lost=0.0)
    unit = fold_links(orbits, links, None, symmetry, RUN)
    steps = np.linalg.norm(np.diff(chain, axis=0), axis=1)
    found = np.linalg.norm(np.diff(unit.candidates.positions, axis=0), axis=1)
    np.testing.assert_allclose(found[steps < 5.9], steps[steps < 5.9], atol=1e-9)
    np.testing.assert_allclose(
        orbits.candidates.positions[unit.image], symmetry.images(unit.candidates.positions), atol=1e-9
    )
    inside = dense(unit.links.likelihood)
    whole = dense(unit.whole_links.likelihood)[np.ix_(unit.image[0], unit.image[0])]
    np.testing.assert_array_equal(inside, whole)


@pytest.mark.parametrize("group", ["C4", "D3", "T"])
@pytest.mark.parametrize("seed", range(3))
def test_bends_are_the_mean_over_the_copies(group, seed):
    """Slow twin: look every copy of every bend up."""
    symmetry, orbits, links, _ = complex_of(group, seed, lost=0.2)
    missed = np.where(np.random.default_rng(seed).random(len(orbits.source)) < 0.1, -1, orbits.source)
    orbits = replace(orbits, source=missed)
    found = np.flatnonzero(missed >= 0)
    triples = missed[found[possible_bends(orbits.candidates.positions[found])]]
    odds = np.random.default_rng(seed + 9).normal(0, 3, len(triples)).astype(np.float32)
    told = dict(zip(map(tuple, triples.tolist()), odds.tolist(), strict=True))
    unit = fold_links(orbits, links, Bends(triples, odds), symmetry, RUN)
    expected = {}
    for bend in possible_bends(unit.candidates.positions).tolist():
        copies = [tuple(missed[k] if k >= 0 else -1 for k in row[bend]) for row in unit.image]
        looked = [told[copy] for copy in copies if copy in told]
        if looked:
            expected[tuple(bend)] = np.mean(looked)
    assert unit.links.bends is not None
    assert expected
    assert len(unit.links.bends) == len(expected)
    for bend, value in zip(unit.links.bends.triples.tolist(), unit.links.bends.log_odds, strict=True):
        assert value == pytest.approx(expected[tuple(bend)], abs=1e-5)


@pytest.mark.parametrize("given", [None, Bends(np.zeros((0, 3), np.int64), np.zeros(0, np.float32))])
def test_without_bends_there_are_none_in_the_unit(given):
    symmetry, orbits, links, _ = complex_of("C2")
    assert fold_links(orbits, links, given, symmetry, RUN).links.bends is given


def test_fragments_come_into_all_copies():
    symmetry, orbits, links, _ = complex_of("C5", 1, lost=0.2)
    unit = fold_links(orbits, links, None, symmetry, RUN)
    fragment = Fragment(0, 3, np.array([2, 3, -1, 5, 6, 7, 8, 9]), np.full(8, 0.9, np.float32))
    copied = copy_fragments([fragment], unit, RUN)
    assert len(copied) == 5
    for copy, image in zip(copied, unit.image, strict=True):
        assert min(copy.candidates[0], copy.candidates[-1]) >= 0
        for i, k in enumerate(copy.candidates):
            own = fragment.candidates[copy.start - fragment.start + i]
            assert k == (image[own] if own >= 0 else -1)
            assert (copy.probability[i] > 0) == (k >= 0)


def test_a_copy_without_candidates_gets_no_fragment():
    symmetry, orbits, links, _ = complex_of("C2", lost=0.0)
    unit = fold_links(orbits, links, None, symmetry, RUN)
    unit.image[1, 3:] = -1
    fragment = Fragment(0, 0, np.arange(10), np.ones(10, np.float32))
    assert len(copy_fragments([fragment], unit, RUN)) == 1


def test_copies_are_shared_out():
    given = (Sequence("s", "AC", ("A", "B"), 6), Sequence("t", "GG", copies=2), Sequence("u", "KK", told=False))
    unit = copies_of_unit(given, 3)
    assert [(s.residues, s.copies) for s in unit] == [("AC", 2), ("XX", 1), ("KK", 1)]
    assert [s.copies for s in copies_of_complex(unit, given, 3)] == [6, 2, 3]


def test_the_rest_is_what_fragments_leave():
    rng = np.random.default_rng(0)
    points = rng.uniform(0, 12, (9, 3))
    candidates, links = candidates_at(points, rng), links_of(points, rng)
    fragments = [Fragment(0, 1, np.array([4, -1, 7]), np.ones(3, np.float32))]
    rest = leave_rest(candidates, links, fragments, (Sequence("s", "ACDEF"), Sequence("t", "GG")), RUN)
    assert rest.index.tolist() == [0, 1, 2, 3, 5, 6, 8]
    assert [s.residues for s in rest.sequences] == ["AXDXF", "GG"]
    kept = np.ix_(rest.index, rest.index)
    np.testing.assert_array_equal(dense(rest.links.likelihood), dense(links.likelihood)[kept])
    np.testing.assert_array_equal(rest.candidates.type_prob, candidates.type_prob[rest.index])


def test_of_fragments_of_the_rest_what_was_sought_is_kept():
    rng = np.random.default_rng(0)
    nothing = SparseRows(np.zeros(8, np.int64), np.zeros(0, np.int64), np.zeros(0, np.float32))
    sequences = (Sequence("s", "XXACDEFX"),)
    rest = Rest(
        np.array([3, 5, 8, 9, 11, 12, 20]), candidates_at(rng.normal(size=(7, 3)), rng), Links(nothing), sequences
    )
    more = [
        Fragment(0, 1, np.array([0, 1, 2, -1, 3, 4, 6]), np.ones(7, np.float32)),
        Fragment(0, 5, np.array([2, 5, 6]), np.ones(3, np.float32)),
    ]
    (found,) = join_fragments((), more, rest, RUN)
    assert (found.start, found.candidates.tolist()) == (2, [5, 8, -1, 9, 11])
    assert len(join_fragments([found], more, rest, RUN)) == 2


def test_placed_templates_have_images():
    symmetry = Symmetry("C4", rotations_of("C4"), CENTRE)
    placement = Placement(0, 0, np.arange(3), np.random.default_rng(0).normal(size=(3, 3)), 60.0, 6.0)
    images = image_placements([placement], symmetry, RUN)
    np.testing.assert_allclose([i.positions for i in images], symmetry.images(placement.positions))
