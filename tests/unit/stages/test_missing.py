"""Candidates that the first network missed: where they are sought, which are taken, and what a chain gets back."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emodelx.bends import possible_bends
from emodelx.config import RunConfig
from emodelx.records import Bends, Candidates, Prediction, SeenBends
from emodelx.second_look import with_missing
from emodelx.settling import settle
from emodelx.stages.missing import (
    ANGLES,
    APART,
    BRIGHTEST,
    FREE,
    LEAST_LOG_ODDS,
    LEAST_MAIN_CHAIN,
    NARROWEST,
    at_places,
    likely_ones,
    missing_candidates,
    only_new_move,
    places_between,
)

RUN = RunConfig(threads=1)
SHAPE = (34, 32, 33)
ORIGIN = np.array([-5.0, 20.0, 3.0])
NO_TYPES = np.zeros(0, np.int64), np.zeros((0, 20), np.float32)


def prediction(bb_prob):
    return Prediction(np.full(SHAPE, 0.3, np.float32), bb_prob.astype(np.float32), *NO_TYPES, ORIGIN)


def candidates_at(points):
    ones = np.ones(len(points), np.float32)
    return Candidates(np.asarray(points, float), ones, ones, np.full((len(points), 20), 0.05, np.float32))


def seen_bends(points, triples, log_odds, shifts=None):
    m = len(triples)
    shifts = np.zeros((m, 3), np.float32) if shifts is None else shifts
    bends = Bends(np.asarray(triples, np.int64).reshape(m, 3), np.asarray(log_odds, np.float32))
    return SeenBends(candidates_at(points), bends, np.full((m, 20), 0.05, np.float32), shifts)


def helix(length):
    angle = np.radians(100) * np.arange(length)
    return np.column_stack([1.5 * np.arange(length), 2.3 * np.cos(angle), 2.3 * np.sin(angle)]) + ORIGIN + [3, 15, 15]


def random_seen(seed, count=14):
    rng = np.random.default_rng(seed)
    points = rng.uniform(6, 20, (count, 3)) + ORIGIN
    triples = possible_bends(points)
    return seen_bends(points, triples, rng.uniform(-6, 2, len(triples))), prediction(rng.random(SHAPE) ** 3)


def main_chain_of(chain):
    """A prediction with main chain within about 2 A of a chain."""
    voxels = np.stack(np.indices(SHAPE), axis=-1) + ORIGIN
    nearest = np.linalg.norm(voxels[..., None, :] - chain, axis=-1).min(axis=-1)
    return prediction(np.exp(-((nearest / 1.5) ** 2)))


def value_at(volume, place):
    voxel = np.clip(np.rint(place - ORIGIN).astype(int), 0, np.array(SHAPE) - 1)
    return volume[tuple(voxel)]


def slow_pairs(seen):
    """The pairs that `places_between` is to look between: all two candidates at the distance that lack a neighbour."""
    points, n = seen.candidates.positions, len(seen.candidates)
    middle = np.zeros(n)
    for (_, b, _), p in zip(seen.bends.triples, settle(n, seen.bends.triples, seen.bends.log_odds).bends, strict=True):
        middle[b] += p
    for a in range(n):
        for b in range(a + 1, n):
            if max(middle[a], middle[b]) < FREE and 4.4 < np.linalg.norm(points[a] - points[b]) < 7.8:
                yield a, b


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 9999))
def test_places_are_the_brightest_on_circles_between_candidates_that_lack_a_neighbour(seed):
    seen, said = random_seen(seed)
    n, points = len(seen.candidates), seen.candidates.positions
    found = places_between(seen, said, RUN)
    one_way, other_way = np.split(found.triples, 2)
    np.testing.assert_array_equal(one_way, other_way[:, ::-1])
    np.testing.assert_array_equal(one_way[:, 1], n + np.arange(len(one_way)))
    np.testing.assert_array_equal(found.candidates.positions[:n], points)
    pairs = set(slow_pairs(seen))
    for a, k, b in one_way:
        place = found.candidates.positions[k]
        assert (min(a, b), max(a, b)) in pairs
        to_a, to_b = np.linalg.norm(place - points[[a, b]], axis=1)
        apart = np.linalg.norm(points[a] - points[b])
        assert to_a == pytest.approx(to_b)
        assert to_a == pytest.approx(max(3.8, np.hypot(apart / 2, NARROWEST)))
        assert value_at(said.bb_prob, place) > LEAST_MAIN_CHAIN
        assert np.linalg.norm(points - place, axis=1).min() > APART
    counts = np.unique(one_way[:, [0, 2]], axis=0, return_counts=True)[1]
    assert counts.max(initial=0) <= BRIGHTEST


def test_all_of_a_circle_is_looked_at_where_the_chain_is_bright():
    """One of the places lies beside the candidate that is missing, wherever the circle begins."""
    rng = np.random.default_rng(0)
    for _ in range(20):
        turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
        chain = (helix(3) - ORIGIN - [4, 15, 15]) @ turn.T + ORIGIN + 16
        found = places_between(seen_bends(chain[[0, 2]], [], []), main_chain_of(chain[[1]]), RUN)
        away = np.linalg.norm(found.candidates.positions[2:] - chain[1], axis=1)
        half_a_step = 3.3 * np.pi / ANGLES
        assert 1 <= len(away) <= BRIGHTEST
        assert away.min() < half_a_step + 0.6  # as far as a helix differs from the distance of 3.8 A


def test_nothing_is_sought_where_every_candidate_has_its_neighbours():
    ring = 9.0 * np.column_stack([np.cos(a := 2 * np.pi * np.arange(15) / 15), np.sin(a), 0 * a]) + ORIGIN + 16
    around = np.column_stack([np.roll(np.arange(15), s) for s in (1, 0, -1)])
    everywhere = prediction(np.ones(SHAPE))
    closed = places_between(seen_bends(ring, around, np.full(15, 5.0)), everywhere, RUN)
    assert len(closed.triples) == 0
    assert len(closed.candidates) == 15
    assert len(places_between(seen_bends(ring, around, np.full(15, -9.0)), everywhere, RUN).triples) > 0


@pytest.mark.parametrize("count", [0, 1])
def test_no_pairs_no_places(count):
    found = places_between(seen_bends(helix(count), [], []), prediction(np.ones(SHAPE)), RUN)
    assert found.triples.shape == (0, 3)


def slow_missing(points, places, log_odds, shifts):
    """Twin of `missing_candidates`: positions of the new ones."""
    taken = []
    order = sorted(range(len(places)), key=lambda k: -max(log_odds[0][k], log_odds[1][k]))
    for k in order:
        way = 0 if log_odds[0][k] >= log_odds[1][k] else 1
        place = places[k] + shifts[way][k]
        far = all(np.linalg.norm(place - other) > APART for other in [*points, *taken])
        if log_odds[way][k] > LEAST_LOG_ODDS and far:
            taken.append(place)
    return np.array(taken).reshape(-1, 3)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 9999), count=st.integers(0, 12))
def test_the_likeliest_places_are_taken_and_keep_apart(seed, count):
    rng = np.random.default_rng(seed)
    points, places = rng.uniform(8, 14, (4, 3)) + ORIGIN, rng.uniform(8, 14, (count, 3)) + ORIGIN
    log_odds = rng.normal(0, 3, (2, count)).astype(np.float32)
    shifts = rng.normal(0, 0.5, (2, count, 3)).astype(np.float32)
    between = 4 + np.arange(count)
    one_way = np.column_stack([0 * between, between, 0 * between + 1])
    triples = np.concatenate([one_way, one_way[:, ::-1]])
    seen = seen_bends(np.concatenate([points, places]), triples, log_odds.ravel(), shifts.reshape(-1, 3))
    found = missing_candidates(seen, 4, prediction(np.ones(SHAPE)), RUN)
    np.testing.assert_array_equal(found.positions[:4], points)
    np.testing.assert_allclose(found.positions[4:], slow_missing(points, places, log_odds, shifts), atol=1e-5)


def test_new_candidates_have_what_the_first_network_said():
    rng = np.random.default_rng(3)
    ca_prob, bb_prob = rng.random((2, *SHAPE), np.float32)
    voxel = np.ravel_multi_index((7, 8, 9), SHAPE)
    types = rng.dirichlet(np.ones(20), 1).astype(np.float32)
    ca_prob[6:9, 7:10, 8:11] = 0
    ca_prob[7, 8, 9] = 0.6
    said = Prediction(ca_prob, bb_prob, np.array([voxel]), types, ORIGIN)
    there, elsewhere, outside = np.array([[7.3, 7.8, 9.4], [20, 21, 22], [-9.0, 8, 9]]) + ORIGIN
    found = at_places(np.array([there, elsewhere, there, outside]), said, RUN)
    np.testing.assert_allclose(found.ca_score, [ca_prob[7, 8, 9], ca_prob[20, 21, 22], 0.6, ca_prob[0, 8, 9]])
    np.testing.assert_allclose(found.bb_score[:2], [bb_prob[7, 8, 9], bb_prob[20, 21, 22]])
    np.testing.assert_allclose(found.type_prob[[0, 2]], types[[0, 0]], rtol=1e-5)
    np.testing.assert_allclose(found.type_prob[1], 0.05, rtol=1e-5)


def test_only_new_candidates_move_and_go_again():
    chain = helix(6)
    triples = possible_bends(chain)
    shifts = np.ones((len(triples), 3), np.float32)
    seen = seen_bends(chain, triples, np.full(len(triples), -9.0), shifts)
    left = only_new_move(seen, 4)
    np.testing.assert_array_equal((left.shifts != 0).all(axis=1), triples[:, 1] >= 4)
    assert len(likely_ones(seen, 4).candidates) == 4
    forward = (np.diff(triples, axis=1) == 1).all(axis=1)
    sure = likely_ones(seen_bends(chain, triples, np.where(forward, 6.0, -9.0)), 4)
    assert len(sure.candidates) == 5, "the last one is an end, in the middle of nothing"


def all_knowing(chain):
    """A look that knows the chain: bends of three residues in a row are right, and show where the middle one is."""

    def look(candidates, triples):
        apart = np.linalg.norm(candidates.positions[:, None] - chain[None], axis=2)
        owner = np.where(apart.min(axis=1) < 1.5, apart.argmin(axis=1), -99)[triples]
        right = (owner >= 0).all(axis=1) & (np.diff(owner, axis=1) == 1).all(axis=1)
        way = chain[np.maximum(owner[:, 1], 0)] - candidates.positions[triples[:, 1]]
        shifts = np.where((owner[:, 1] >= 0)[:, None], way, 0)
        log_odds = np.where(right, 6.0, -9.0).astype(np.float32)
        types = np.full((len(triples), 20), 0.05, np.float32)
        return SeenBends(candidates, Bends(triples, log_odds), types, shifts.astype(np.float32))

    return look


def test_candidates_that_were_left_out_of_a_chain_come_back():
    chain = helix(16)
    look = all_knowing(chain)
    left = np.delete(chain, [4, 9], axis=0)
    seen = look(candidates_at(left), possible_bends(left))
    found = with_missing(seen, main_chain_of(chain), look, RUN)
    np.testing.assert_array_equal(found.candidates.positions[:14], left)
    back = found.candidates.positions[14:]
    order = np.argsort(back[:, 0])
    np.testing.assert_allclose(back[order], chain[[4, 9]], atol=0.1)
    whole = look(found.candidates, possible_bends(found.candidates.positions))
    assert sorted(map(tuple, found.bends.triples)) == sorted(map(tuple, whole.bends.triples)), "all bends are looked at"
    assert (found.bends.log_odds > 0).sum() == 14


def test_nothing_is_added_to_a_whole_chain_nor_where_there_is_no_main_chain():
    chain = helix(16)
    look = all_knowing(chain)
    seen = look(candidates_at(chain), possible_bends(chain))
    assert with_missing(seen, main_chain_of(chain), look, RUN) is seen
    left = np.delete(chain, [4], axis=0)
    seen = look(candidates_at(left), possible_bends(left))
    assert with_missing(seen, prediction(np.zeros(SHAPE)), look, RUN) is seen
