"""A second look: which bends are possible, which of them are likely together, and what candidates gain by it."""

from dataclasses import replace
from itertools import permutations, product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from emodelx.bends import possible_bends
from emodelx.config import RunConfig
from emodelx.inputs import Reader
from emodelx.network.bends import CEILING, BendConfig, BendNetwork
from emodelx.network.device import Device
from emodelx.network.normalise import PAPER
from emodelx.network.unet import NetworkConfig, build_network
from emodelx.network.weights import WeightsInfo, save_weights
from emodelx.records import Bends, Candidates, Prediction, SeenBends
from emodelx.second_look import look_again
from emodelx.settling import END, LEAST, MOST, NOWHERE, settle
from emodelx.stages.bends import (
    STAY,
    TRUSTED,
    in_molecule,
    mixed_types,
    moved,
    with_bends,
    without_noise,
    without_unlikely,
)

RUN = RunConfig(threads=1)
CPU = Device(torch.device("cpu"), "CPU", False)
TINY = NetworkConfig(widths=(4, 6), encoder_blocks=(1, 1), decoder_blocks=(1,))
SHAPE = (26, 24, 25)
ORIGIN = np.array([10.0, -20.0, 30.0])

CHAIN = [(0, 1, 2), (1, 2, 3), (2, 3, 4)]
BRANCH = [(0, 1, 2), (1, 2, 3), (1, 2, 4)]
TWO_INTO_ONE = [(0, 2, 3), (1, 2, 3), (2, 3, 4)]


def both_ways(triples):
    return np.concatenate([triples, np.array(triples)[:, ::-1]])


def slow_bends(positions):
    """Twin of `possible_bends`: all triples."""
    apart = np.linalg.norm(positions[:, None] - positions[None], axis=2)
    return [
        (a, b, c)
        for a, b, c in permutations(range(len(positions)), 3)
        if 2.7 < apart[a, b] < 4.9 and 2.7 < apart[b, c] < 4.9 and 4.4 < apart[a, c] < 7.8
    ]


@settings(max_examples=60, deadline=None)
@given(count=st.integers(3, 22), edge=st.sampled_from([2.2, 3.0, 4.0]), seed=st.integers(0, 9999))
def test_bends_are_all_triples_at_the_distances_of_a_chain(count, edge, seed):
    positions = np.random.default_rng(seed).uniform(0, edge * count ** (1 / 3), (count, 3))
    found = possible_bends(positions)
    assert sorted(map(tuple, found.tolist())) == sorted(slow_bends(positions))
    assert found.dtype == np.int64
    one_way, other_way = np.split(found, 2)
    np.testing.assert_array_equal(one_way, other_way[:, ::-1])


def helix(length):
    angle = np.radians(100) * np.arange(length)
    return np.column_stack([1.5 * np.arange(length), 2.3 * np.cos(angle), 2.3 * np.sin(angle)])


def test_a_helix_bends_at_every_residue_and_nowhere_else():
    found = possible_bends(helix(9))
    forward = [(k, k + 1, k + 2) for k in range(7)]
    assert sorted(found.tolist()) == sorted(both_ways(forward).tolist())


@pytest.mark.parametrize("count", [0, 1, 2])
def test_fewer_than_three_do_not_bend(count):
    assert possible_bends(helix(count)).shape == (0, 3)


def test_far_candidates_do_not_bend():
    assert possible_bends(10 * helix(9)).shape == (0, 3)


def states(k, triples, log_odds):
    """All that a candidate can be: log-weight, the one before, the one after, number of its bend."""
    steps = {tuple(pair) for a, b, c in triples for pair in ((a, b), (b, c))}
    yield NOWHERE, None, None, None
    yield from ((END, None, after, None) for before, after in steps if before == k)
    yield from ((END, before, None, None) for before, after in steps if after == k)
    yield from ((log_odds[i], a, c, i) for i, (a, b, c) in enumerate(triples) if b == k)


def agree(chosen):
    """Whether everybody's next one has it before, and the other way round."""
    return all(
        (after is None or chosen[after][1] == k) and (before is None or chosen[before][2] == k)
        for k, (_, before, after, _) in enumerate(chosen)
    )


def slow_settle(n, triples, log_odds):
    """Twin of `settle`: sums over everything that the candidates can be together; of bends, and of being in a chain."""
    triples = [tuple(triple) for triple in np.asarray(triples).tolist()]
    sums, inside, total = np.zeros(len(triples)), np.zeros(n), 0.0
    for chosen in product(*[list(states(k, triples, log_odds)) for k in range(n)]):
        if agree(chosen):
            weight = np.exp(sum(state[0] for state in chosen))
            total += weight
            for k, (_, before, after, bend) in enumerate(chosen):
                if bend is not None:
                    sums[bend] += weight
                if (before, after) != (None, None):
                    inside[k] += weight
    return sums / total, inside / total


def random_log_odds(count, seed, spread=3.0):
    return np.random.default_rng(seed).uniform(-spread, spread, count).astype(np.float32)


@pytest.mark.parametrize("triples", [CHAIN, BRANCH, TWO_INTO_ONE, CHAIN[:1]], ids=str)
@pytest.mark.parametrize("seed", range(3))
def test_without_cycles_likelihoods_are_sums_over_all_chains(triples, seed):
    log_odds = random_log_odds(len(triples), seed)
    for found, expected in zip(settle(5, np.array(triples), log_odds), slow_settle(5, triples, log_odds), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("triples", [CHAIN, BRANCH, TWO_INTO_ONE, CHAIN[:1]], ids=str)
def test_both_directions_of_a_step_exclude_each_other(triples):
    triples = both_ways(triples)
    for seed in range(4):
        log_odds = random_log_odds(len(triples), seed)
        for found, expected in zip(settle(5, triples, log_odds), slow_settle(5, triples, log_odds), strict=True):
            np.testing.assert_allclose(found, expected, atol=1e-3)


@pytest.mark.parametrize("odds", [-2.0, 0.5, 3.0])
def test_the_likelier_direction_of_a_bend_is_likelier(odds):
    forward, backward = settle(3, both_ways(CHAIN[:1]), np.array([odds, -odds], np.float32)).bends
    assert (forward > backward) == (odds > 0)
    turned = settle(3, both_ways(CHAIN[:1]), np.array([-odds, odds], np.float32)).bends
    assert turned == pytest.approx([backward, forward])


def test_weak_evidence_adds_up_along_a_chain():
    """Alone a bend of +0.5 is little; thirty of them leave no doubt about the direction."""
    forward = np.array([(k, k + 1, k + 2) for k in range(30)])
    log_odds = np.repeat([0.5, -0.5], 30).astype(np.float32)
    onward, back = np.split(settle(32, both_ways(forward), log_odds).bends, 2)
    alone, _ = settle(3, both_ways(CHAIN[:1]), np.array([0.5, -0.5], np.float32)).bends
    assert alone < 0.7
    assert onward.min() > 0.7
    assert np.median(onward) > 0.95
    assert back.max() < 0.02


def test_neighbours_overrule_one_bend():
    """One bend in a long chain that seems to run backwards runs as all others do."""
    forward = np.array([(k, k + 1, k + 2) for k in range(20)])
    log_odds = np.repeat([1.5, -1.5], 20).astype(np.float32)
    log_odds[[9, 29]] = -1.0, 1.0
    onward, back = np.split(settle(22, both_ways(forward), log_odds).bends, 2)
    assert onward[9] > 0.6
    assert back[9] < 0.1


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 9999), spread=st.sampled_from([1.0, 6.0, 40.0]))
def test_a_candidate_has_one_bend_at_most(seed, spread):
    positions = np.random.default_rng(seed).uniform(0, 9, (18, 3))
    triples = possible_bends(positions)
    likely = settle(18, triples, random_log_odds(len(triples), seed, spread)).bends
    assert ((likely >= 0) & (likely <= 1)).all()
    assert np.bincount(triples[:, 1], likely, 18).max(initial=0) <= 1 + 1e-9


def test_log_odds_are_bounded():
    triples = np.array(CHAIN)
    for given_, bound in ((-99, LEAST), (99, MOST)):
        found, expected = (settle(5, triples, np.full(3, odds, np.float32)).bends for odds in (given_, bound))
        np.testing.assert_array_equal(found, expected)


def test_nothing_to_settle():
    found = settle(4, np.zeros((0, 3), np.int64), np.zeros(0, np.float32))
    assert found.bends.shape == (0,)
    np.testing.assert_array_equal(found.inside, 0)


def random_types(count, seed=0):
    return np.random.default_rng(seed).dirichlet(np.ones(20), count).astype(np.float32)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 9999))
def test_types_are_mixed_as_bends_are_likely(seed):
    rng = np.random.default_rng(seed)
    triples = possible_bends(rng.uniform(0, 9, (15, 3)))
    likely = rng.random(len(triples))
    sums = np.bincount(triples[:, 1], likely, 15)
    likely *= 0.9 / np.maximum(sums, 1)[triples[:, 1]]
    first, types = random_types(15, seed), random_types(len(triples), seed + 1)
    found = mixed_types(first, triples, types, likely)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found.sum(1), 1, atol=1e-5)
    for k in range(15):
        here = triples[:, 1] == k
        expected = likely[here] @ types[here] + (1 - likely[here].sum()) * first[k]
        np.testing.assert_allclose(found[k], expected, atol=1e-6)


def test_what_is_in_no_bend_keeps_its_types():
    first, types = random_types(4), random_types(2, seed=1)
    found = mixed_types(first, np.array([(0, 1, 2), (0, 2, 3)]), types, np.array([0.0, 1.0]))
    np.testing.assert_array_equal(found[[0, 1, 3]], first[[0, 1, 3]])
    np.testing.assert_allclose(found[2], types[1], rtol=1e-6)


def slow_move(position, k, bends, shifts, likely):
    """Twin of `moved` for one candidate."""
    weight, total = STAY, np.zeros(3)
    for (_, middle, _), shift, p in zip(bends.triples.tolist(), shifts, likely, strict=True):
        if middle == k:
            weight, total = weight + p, total + p * shift
    return position + total / weight


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 9999))
def test_candidates_move_as_their_likely_bends_say(seed):
    rng = np.random.default_rng(seed)
    points = rng.uniform(0, 9, (15, 3))
    triples = possible_bends(points)
    bends = Bends(triples, random_log_odds(len(triples), seed))
    shifts = rng.normal(0, 1, (len(triples), 3)).astype(np.float32)
    ones = np.ones(15, np.float32)
    candidates = Candidates(points, ones, ones, random_types(15))
    found = moved(SeenBends(candidates, bends, random_types(len(triples)), shifts)).positions
    likely = settle(15, bends.triples, bends.log_odds).bends
    for k in range(15):
        np.testing.assert_allclose(found[k], slow_move(points[k], k, bends, shifts, likely), atol=1e-6)


def test_a_displaced_chain_moves_back_and_strangers_stay():
    """Both directions of every bend know the way; that of a wrong bend, which nothing supports, hardly counts."""
    rng = np.random.default_rng(2)
    chain, stranger = helix(30), helix(30)[[14]] + np.array([0.5, 3.0, 3.0])
    off = np.concatenate([chain + rng.normal(0, 0.2, chain.shape), stranger])
    triples = possible_bends(off)
    steps = np.diff(triples, axis=1)
    true = (triples < 30).all(axis=1) & (steps == 1).all(axis=1)
    shifts = np.where((triples[:, 1] < 30)[:, None], chain[triples[:, 1] % 30] - off[triples[:, 1]], 9.0)
    ones = np.ones(31, np.float32)
    bends = Bends(triples, np.where(true, 4.0, -8.0).astype(np.float32))
    candidates = Candidates(off, ones, ones, random_types(31))
    found = moved(SeenBends(candidates, bends, random_types(len(triples)), shifts.astype(np.float32))).positions
    left = np.linalg.norm(found[1:29] - chain[1:29], axis=1) / np.linalg.norm(off[1:29] - chain[1:29], axis=1)
    assert left.max() < 0.1
    assert np.linalg.norm(found[30] - stranger[0]) < 0.5


def test_noise_is_told_from_a_molecule():
    """A ball of candidates that are in chains, one in five is not, in a box where one in five is."""
    rng = np.random.default_rng(4)
    points = rng.uniform(-60, 60, (6000, 3)) + np.array([300.0, -50.0, 7.0])
    deep = 25 - np.linalg.norm(points - points.mean(axis=0), axis=1)
    inside = np.where(rng.random(6000) < np.where(deep > 0, 0.8, 0.2), 0.9, 0.05)
    kept = in_molecule(points, inside)
    assert kept[deep > 3].all(), "also those that are in no chain themselves"
    assert kept[deep < -12].mean() < 0.1
    assert in_molecule(points, np.full(6000, 0.4)).all(), "nothing is left out where all is alike"
    assert in_molecule(points, np.zeros(6000)).all()


def test_candidates_in_noise_are_left_out_with_their_bends():
    rng = np.random.default_rng(1)
    chain = helix(60)
    noise = chain.mean(axis=0) + np.array([0, 70.0, 0]) + rng.uniform(-12, 12, (40, 3))
    points = np.concatenate([noise, chain])
    triples = possible_bends(points)
    true = (triples >= 40).all(axis=1) & (np.diff(triples, axis=1) == 1).all(axis=1)
    ones = np.ones(100, np.float32)
    candidates = Candidates(points, ones, ones, random_types(100))
    bends = Bends(triples, np.where(true, 5.0, -5.0).astype(np.float32))
    shifts = np.zeros((len(triples), 3), np.float32)
    look = with_bends(without_noise(SeenBends(candidates, bends, random_types(len(triples), seed=1), shifts)))
    np.testing.assert_array_equal(look.candidates.positions, chain)
    assert look.candidates.ca_score.dtype == np.float32
    assert look.candidates.ca_score[2:-2].min() > 0.9, "they are in the chain"
    assert look.bends is not None
    assert look.bends.triples.min() >= 0
    kept = (triples >= 40).all(axis=1)
    assert sorted(map(tuple, look.bends.triples.tolist())) == sorted(map(tuple, (triples[kept] - 40).tolist()))
    forward = (np.diff(look.bends.triples, axis=1) == 1).all(axis=1)
    np.testing.assert_array_equal(look.bends.log_odds > 0, forward)


def test_agreed_log_odds_are_half_what_the_neighbours_leave():
    """Of two bends that exclude each other, the one that the chain goes on from gains, and the other one loses."""
    points, ones = np.concatenate([helix(12), helix(12)[[7]] + [1.5, 2.0, 1.0]]), np.ones(13, np.float32)
    forward = [(k, k + 1, k + 2) for k in range(10)]
    triples = np.array([*forward, (4, 5, 12)])
    shown = np.array([2.0] * 10 + [2.5], np.float32)
    seen = SeenBends(
        Candidates(points, ones, ones, random_types(13)),
        Bends(triples, shown),
        random_types(11),
        np.zeros((11, 3), np.float32),
    )
    look = with_bends(seen)
    assert look.bends is seen.bends
    assert look.agreed is not None
    np.testing.assert_array_equal(look.agreed.triples, triples)
    likely = settle(13, triples, shown).bends
    expected = (shown + np.clip(np.log(likely / (1 - likely)), -6, 6)) / 2
    np.testing.assert_allclose(look.agreed.log_odds, expected, atol=1e-4)
    assert look.agreed.log_odds[4] > 1.5
    assert look.agreed.log_odds[10] < 0.5


def a_chain_and_strangers():
    """Twelve residues, and three candidates beside them that chains hardly run through."""
    chain = helix(12)
    points = np.concatenate([chain[:5], chain[[3, 6, 9]] + [0.5, 1.5, 2.5], chain[5:]])
    own = np.array([0, 1, 2, 3, 4, 8, 9, 10, 11, 12, 13, 14])
    triples = possible_bends(points)
    place = np.full(15, -99)
    place[own] = np.arange(12)
    true = (np.diff(place[triples], axis=1) == 1).all(axis=1)
    ones, shifts = np.ones(15, np.float32), np.zeros((len(triples), 3), np.float32)
    shown = Bends(triples, np.where(true, 8.0, -8.0).astype(np.float32))
    seen = SeenBends(Candidates(points, ones, ones, random_types(15)), shown, random_types(len(triples)), shifts)
    return with_bends(seen), own


@pytest.mark.parametrize("resolution", [None, TRUSTED + 0.01])
def test_unlikely_candidates_of_weak_maps_stay(resolution):
    look, _ = a_chain_and_strangers()
    assert without_unlikely(look, resolution) is look


def test_unlikely_candidates_of_good_maps_are_left_out_with_their_bends():
    look, own = a_chain_and_strangers()
    assert look.bends is not None
    assert look.agreed is not None
    left = without_unlikely(look, TRUSTED)
    assert left.bends is not None
    assert left.agreed is not None
    np.testing.assert_array_equal(left.candidates.positions, look.candidates.positions[own])
    np.testing.assert_array_equal(left.candidates.type_prob, look.candidates.type_prob[own])
    all_odds = zip(look.bends.triples.tolist(), look.bends.log_odds, look.agreed.log_odds, strict=True)
    expected = {tuple(triple): (a, b) for triple, a, b in all_odds if set(triple) <= set(own.tolist())}
    found = zip(own[left.bends.triples].tolist(), left.bends.log_odds, left.agreed.log_odds, strict=True)
    assert {tuple(triple): (a, b) for triple, a, b in found} == expected
    np.testing.assert_array_equal(left.agreed.triples, left.bends.triples)


def planted(length=10):
    """Candidates on a helix in a map with density."""
    rng = np.random.default_rng(0)
    points = helix(length) + np.array([4.0, 12.0, 12.0])
    ones = np.ones(length, np.float32)
    candidates = Candidates(points + ORIGIN, ones, ones, random_types(length))
    ca_prob, bb_prob, density = rng.random((3, *SHAPE), np.float32)
    nothing = np.zeros(0, np.int64), np.zeros((0, 20), np.float32)
    return candidates, Prediction(ca_prob, bb_prob, *nothing, ORIGIN, density=3 * density)


def small_bends():
    torch.manual_seed(0)
    network = BendNetwork(BendConfig(width=4, hidden=8, placing=6))
    torch.nn.init.normal_(network.head.weight)
    torch.nn.init.normal_(network.shift.weight, std=0.02)
    return network


def reader(folder, bends):
    path = folder / f"{'one' if bends is None else 'two'}.safetensors"
    save_weights(path, build_network(TINY), WeightsInfo(TINY, PAPER), bends=bends)
    return Reader(path, CPU)


@pytest.fixture
def sharp(tmp_path):
    """A reader with both networks."""
    return reader(tmp_path, small_bends())


def assert_unchanged(look, candidates):
    assert look.candidates is candidates
    assert look.bends is None


def test_nothing_changes_without_a_second_look(tmp_path, sharp):
    candidates, prediction = planted()
    for seen, seer in (
        (replace(prediction, density=None), sharp),
        (prediction, None),
        (prediction, reader(tmp_path, None)),
    ):
        assert_unchanged(look_again(candidates, seen, seer, RUN), candidates)


@pytest.mark.parametrize("count", [0, 2])
def test_nothing_changes_for_too_few_candidates(sharp, count):
    candidates, prediction = planted(count)
    assert_unchanged(look_again(candidates, prediction, sharp, RUN), candidates)


def test_a_second_look_gives_bends_and_types(sharp):
    candidates, prediction = planted()
    look = look_again(candidates, prediction, sharp, RUN)
    bends = look.bends
    assert bends is not None
    np.testing.assert_array_equal(bends.triples, possible_bends(look.candidates.positions))
    assert len(bends) == 16
    assert bends.log_odds.dtype == np.float32
    assert bends.log_odds.std() > 0.01
    np.testing.assert_allclose(look.candidates.type_prob.sum(1), 1, atol=1e-4)
    middle = np.isin(np.arange(len(candidates)), bends.triples[:, 1])
    changed = abs(look.candidates.type_prob - candidates.type_prob).max(1)
    assert changed[middle].min() > 1e-3
    away = np.linalg.norm(look.candidates.positions - candidates.positions, axis=1)
    assert 1e-3 < away[middle].min() < away.max() < 1
    np.testing.assert_array_equal(away[~middle], 0)
    np.testing.assert_array_equal(look.candidates.type_prob[~middle], candidates.type_prob[~middle])


def test_far_candidates_have_no_bends_and_keep_their_types(sharp):
    candidates, prediction = planted()
    far = replace(candidates, positions=10 * candidates.positions)
    look = look_again(far, prediction, sharp, RUN)
    assert look.bends is not None
    assert len(look.bends) == 0
    np.testing.assert_array_equal(look.candidates.type_prob, candidates.type_prob)
    np.testing.assert_array_equal(look.candidates.positions, far.positions)


def log_odds(candidates, prediction, seer, run=RUN):
    bends = look_again(candidates, prediction, seer, run).bends
    assert bends is not None
    return bends.log_odds


def test_the_origin_of_the_map_does_not_matter(sharp):
    candidates, prediction = planted()
    moved = replace(candidates, positions=candidates.positions - ORIGIN)
    there = log_odds(moved, replace(prediction, origin=np.zeros(3)), sharp)
    np.testing.assert_allclose(log_odds(candidates, prediction, sharp), there, atol=1e-3)


def test_density_counts_up_to_the_ceiling(sharp):
    candidates, prediction = planted()
    assert prediction.density is not None
    assert prediction.density.max() > CEILING
    cut, flat = np.minimum(prediction.density, np.float32(CEILING)), np.zeros(SHAPE, np.float32)
    found = log_odds(candidates, prediction, sharp)
    np.testing.assert_array_equal(found, log_odds(candidates, replace(prediction, density=cut), sharp))
    assert abs(found - log_odds(candidates, replace(prediction, density=flat), sharp)).max() > 1e-3


def test_progress_is_told(sharp):
    told = []
    run = RunConfig(threads=1, progress=lambda *counts: told.append(counts))
    count = len(log_odds(*planted(), sharp, run))
    assert told[:2] == [(count, count)] * 2, "once to move, and once to see what is missing"
    assert told[-1] == (count, count), "and once to read"
    assert all(done == total for done, total in told)
