"""Sequence registration: posteriors and the growth of runs against their twins, and planted chains."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matrices import sparse
from oracle import align as slow
from oracle.register import runs as slow_runs
from oracle.walks import walks as slow_walks
from planted import FALSE, helix, plant
from scipy.sparse import csr_array

from emodelx import _core
from emodelx.config import RegistrationConfig, RunConfig
from emodelx.stages.register import register_sequences

RUN = RunConfig(threads=1)
ALONE = (1, 2.0, 0.0)
"""A round in which every candidate is a run of its own, so that the best match of each can be read."""


@st.composite
def problems(draw, candidates=(2, 14), length=(1, 60), sureness=(1.0, 30.0)):
    """A cloud of linked candidates, their odds and up to three sequences."""
    rng = np.random.default_rng(draw(st.integers(0, 100_000)))
    n = draw(st.integers(*candidates))
    points = rng.uniform(0, 3.5 * n ** (1 / 3), (n, 3))
    H = np.triu(rng.uniform(0.6, 1, (n, n)) * (rng.random((n, n)) < 0.5), 1)
    odds = rng.uniform(0.05, draw(st.sampled_from(sureness)), (n, 20)) ** rng.choice([0.5, 1, 2])
    lengths = draw(st.lists(st.integers(*length), min_size=1, max_size=3))
    sequences = [rng.integers(-1, 20, count).astype(np.int8) for count in lengths]
    return points, (H + H.T).astype(np.float32), odds.astype(np.float32), sequences


def register(problem, copies, rounds, bends=None):
    """Runs as the core gives them, each a list of (place, candidate, posterior)."""
    points, H, odds, sequences = problem
    _, starts = slow.layout(sequences)
    found = _core.register_runs(points, sparse(H), odds, sequences, copies, rounds, bends=bends, threads=1)
    return [
        [
            (starts[sequence] + first + i, k, p)
            for i, (k, p) in enumerate(zip(members, posterior, strict=True))
            if k >= 0
        ]
        for sequence, first, members, posterior in found
    ]


def assert_best_matches(found, expected):
    """Every candidate that was read has the posterior of the twin, at a place that no other exceeds."""
    for ((place, k, probability),) in found:
        assert probability == pytest.approx(expected[k].max(), rel=1e-3, abs=1e-6)
        assert expected[k, place] == pytest.approx(expected[k].max(), rel=1e-3, abs=1e-6)


@settings(max_examples=60, deadline=None)
@given(problem=problems())
def test_posteriors(problem):
    points, H, odds, sequences = problem
    found = register(problem, [len(points)] * len(sequences), [ALONE])
    emission = slow.emissions(odds, slow.layout(sequences)[0])
    expected = slow.posterior(slow_walks(points, H), emission)
    assert sorted(run[0][1] for run in found) == list(range(len(points)))
    assert_best_matches(found, expected)


@pytest.mark.parametrize("sureness", [1.4, 20.0])
def test_posteriors_along_a_long_sequence(sureness):
    """More places than are looked at together; where little is sure, much around a place counts."""
    rng = np.random.default_rng(0)
    points, H = helix(40), np.eye(40, k=1) + np.eye(40, k=-1)
    odds = rng.uniform(0.8, sureness, (40, 20)).astype(np.float32)
    sequences = [rng.integers(0, 20, length).astype(np.int8) for length in (500, 90)]
    expected = slow.posterior(slow_walks(points, H), slow.emissions(odds, slow.layout(sequences)[0]))
    assert_best_matches(register((points, H, odds, sequences), [40, 40], [ALONE]), expected)


@pytest.mark.parametrize("seed", range(2))
def test_posteriors_along_a_sequence_that_is_screened_first(seed):
    """So many places that most are left out: nearly the same matches come out."""
    planted, rng = plant(seed, length=60), np.random.default_rng(100 + seed)
    sequences = [np.concatenate([rng.integers(0, 20, 1700), planted.codes, rng.integers(0, 20, 900)]).astype(np.int8)]
    rows, odds = planted.links.likelihood, planted.candidates.type_odds()
    H = csr_array((rows.value, rows.column, rows.start), (len(odds), len(odds))).toarray()
    walks = slow_walks(planted.candidates.positions, H)
    expected = slow.posterior(walks, slow.emissions(odds, slow.layout(sequences)[0]))
    found = register((planted.candidates.positions, H, odds, sequences), [len(odds)], [ALONE])
    sure = [(place, k, p) for ((place, k, p),) in found if expected[k].max() > 0.5]
    assert len(sure) > 40
    assert all(expected[k, place] == expected[k].max() for place, k, _ in sure)
    surer = np.array([probability - expected[k, place] for place, k, probability in sure])
    assert -0.02 < surer.mean() < 0.06
    assert abs(surer).max() < 0.35


@settings(max_examples=15, deadline=None)
@given(problem=problems(candidates=(2, 4), length=(1, 5), sureness=(1.0, 3.0)))
def test_posteriors_are_sums_over_all_walks(problem):
    points, H, odds, sequences = problem
    sequences = sequences[:1]
    emission = slow.emissions(odds, slow.layout(sequences)[0])
    expected = slow.posterior_by_walks(slow_walks(points, H), emission)
    assert_best_matches(register((points, H, odds, sequences), [len(points)], [ALONE]), expected)


@settings(max_examples=40, deadline=None)
@given(problem=problems(length=(4, 30)), copies=st.integers(1, 3))
def test_what_a_round_found_is_known_in_the_next(problem, copies):
    points, H, odds, sequences = problem
    first = (2, 0.02, 0.01)
    runs = register(problem, [copies] * len(sequences), [first])
    known = [(place, k) for run in runs for place, k, _ in run]
    places = [place for place, _ in known]
    full = [place for place in set(places) if places.count(place) >= copies]
    emission = slow.emissions(odds, slow.layout(sequences)[0], known, full)
    found = register(problem, [copies] * len(sequences), [first, ALONE])
    assert_best_matches(found, slow.posterior(slow_walks(points, H), emission))


@settings(max_examples=80, deadline=None)
@given(
    problem=problems(candidates=(2, 30), length=(2, 40)),
    copies=st.integers(1, 3),
    growth=st.tuples(st.integers(1, 4), st.sampled_from([0.0, 0.02, 0.2]), st.sampled_from([0.0, 0.02, 0.1])),
)
def test_growth(problem, copies, growth):
    points, H, _, sequences = problem
    codes, _ = slow.layout(sequences)
    alone = register(problem, [len(points)] * len(sequences), [ALONE])
    best = {k: (place, probability) for ((place, k, probability),) in alone}
    expected = slow_runs([best[k] for k in range(len(points))], slow_walks(points, H), [copies] * len(codes), growth)
    found = register(problem, [copies] * len(sequences), [growth])
    assert [[(place, k) for place, k, _ in run] for run in found] == expected
    assert all(probability == best[k][1] for run in found for _, k, probability in run)


def linked_triples(H):
    """Pairs of links that share a candidate, in both orders."""
    n = len(H)
    return [(a, b, c) for a, b, c in permutations(range(n), 3) if H[a, b] > 0 and H[b, c] > 0]


def as_bends(triples, odds):
    before, middle, after = np.array(triples, np.int64).reshape(-1, 3).T.copy()
    return before, middle, after, np.asarray(odds, np.float32)


@settings(max_examples=40, deadline=None)
@given(problem=problems(), share=st.sampled_from([0.3, 1.0]), seed=st.integers(0, 999))
def test_posteriors_along_bends(problem, share, seed):
    """Bends that were looked at have their odds, all others low ones."""
    points, H, odds, sequences = problem
    rng = np.random.default_rng(seed)
    triples = [triple for triple in linked_triples(H) if rng.random() < share]
    bend_odds = np.exp(rng.normal(0, 2, len(triples))).astype(np.float32)
    order = rng.permutation(len(triples))
    found = register(
        problem,
        [len(points)] * len(sequences),
        [ALONE],
        as_bends([triples[i] for i in order], bend_odds[order]),
    )
    walks = slow_walks(points, H, dict(zip(triples, map(float, bend_odds), strict=True)))
    assert_best_matches(found, slow.posterior(walks, slow.emissions(odds, slow.layout(sequences)[0])))


@settings(max_examples=30, deadline=None)
@given(problem=problems())
def test_bends_of_even_odds_and_no_bends_change_nothing(problem):
    points, H, _, sequences = problem
    copies, growth = [len(points)] * len(sequences), [(2, 0.02, 0.01)] * 2
    triples = linked_triples(H)
    expected = register(problem, copies, growth)
    assert register(problem, copies, growth, as_bends(triples, np.ones(len(triples)))) == expected
    assert register(problem, copies, growth, as_bends([], [])) == expected


def palindrome(half=5):
    """A helix whose types, read weakly, are the same both ways."""
    n = 2 * half
    codes = np.concatenate([np.arange(half), np.arange(half)[::-1]])
    odds = np.full((n, 20), 0.1, np.float32)
    odds[np.arange(n), codes] = 2.5
    H = 0.8 * (np.eye(n, k=1) + np.eye(n, k=-1))
    return helix(n), H, odds, [codes.astype(np.int8)]


def test_bends_tell_which_way_a_chain_runs():
    problem = palindrome()
    n = len(problem[0])
    forward = [(k, k + 1, k + 2) for k in range(n - 2)]
    triples = forward + [triple[::-1] for triple in forward]
    strong, weak = np.full(n - 2, 8.0), np.full(n - 2, 0.1)
    found = []
    for odds in (np.concatenate([strong, weak]), np.concatenate([weak, strong])):
        (run,) = register(problem, [1], [(3, 0.3, 0.3)], as_bends(triples, odds))
        assert [place for place, *_ in run] == list(range(n))
        assert min(probability for *_, probability in run) > 0.9
        found.append([k for _, k, _ in run])
    assert found == [list(range(n)), list(range(n))[::-1]]
    without = register(problem, [1], [ALONE])
    assert max(probability for ((_, _, probability),) in without) < 0.6


def assign(planted, sequence, **config):
    """The planted chain registered: residue of every candidate, `FALSE` where none."""
    fragments = register_sequences(planted.candidates, planted.links, [sequence], (), RegistrationConfig(**config), RUN)
    residue = np.full(len(planted.candidates), FALSE)
    for fragment in fragments:
        placed = fragment.candidates >= 0
        assert (residue[fragment.candidates[placed]] == FALSE).all(), "a candidate is in two fragments"
        residue[fragment.candidates[placed]] = fragment.start + np.flatnonzero(placed)
    return residue


@pytest.mark.parametrize("seed", range(5))
def test_a_planted_chain_gets_its_register(seed):
    planted = plant(seed)
    found = assign(planted, planted.sequence())
    assert (found == planted.residue)[planted.residue != FALSE].mean() > 0.9
    assert (found == planted.residue)[found != FALSE].mean() > 0.95


@pytest.mark.parametrize("seed", range(3))
def test_two_copies_are_both_found(seed):
    planted = plant(seed, copies=2)
    found = assign(planted, planted.sequence(copies=2))
    for copy in range(2):
        own = planted.copy == copy
        assert (found == planted.residue)[own].mean() > 0.9


def test_no_residue_is_placed_more_often_than_it_has_copies():
    """Two copies in the map, one in the sequences: each residue once."""
    planted = plant(0, copies=2)
    found = assign(planted, planted.sequence(copies=1))
    placed = found[found != FALSE]
    assert len(placed) == len(set(placed)) > 40


def test_unknown_residues_do_not_end_a_run():
    planted = plant(1)
    found = assign(planted, planted.sequence(unknown=range(25, 31)))
    assert (found == planted.residue)[planted.residue != FALSE].mean() > 0.9
    at_unknown = (planted.residue >= 25) & (planted.residue < 31)
    assert (found == planted.residue)[at_unknown].sum() >= 4


def test_a_missing_candidate_is_jumped_over():
    planted = plant(2, missing=30)
    config = RegistrationConfig()
    (found,) = register_sequences(planted.candidates, planted.links, [planted.sequence()], (), config, RUN)
    assert found.start < 30 < found.start + len(found.candidates)
    assert found.candidates[30 - found.start] == -1
    assert found.probability[30 - found.start] == 0


def test_types_read_at_random_register_nothing():
    planted = plant(3, accuracy=0.0)
    assert (assign(planted, planted.sequence()) == FALSE).all()


def test_the_configuration_is_obeyed():
    planted = plant(0)
    assert (assign(planted, planted.sequence(), min_run=61) == FALSE).all()
    assert (assign(planted, planted.sequence(), min_mean=1.01) == FALSE).all()
    assert (assign(planted, planted.sequence(), rounds=0) == FALSE).all()


def rod(n):
    """A long helix whose candidates are linked to the next three on both sides."""
    rng = np.random.default_rng(0)
    far = [np.arange(n - s) for s in (1, 2, 3)]
    first, second = np.concatenate(far), np.concatenate([i + s for s, i in enumerate(far, 1)])
    H = csr_array((rng.uniform(0.7, 1, len(first)).astype(np.float32), (first, second)), shape=(n, n))
    H = (H + H.T).sorted_indices()
    odds = rng.uniform(0.05, 4, (n, 20)).astype(np.float32)
    return helix(n), (H.indptr.astype(np.int64), H.indices.astype(np.int64), H.data), odds


def residues(length):
    return np.random.default_rng(1).integers(-1, 20, length).astype(np.int8)


ROUNDS = [(2, 0.01, 0.01)] * 2


def test_threads(same_on_all_threads):
    def step(*arguments, threads):
        runs = _core.register_runs(*arguments, threads=threads)
        assert len(runs) > 100
        return [[np.array([sequence, first]), *arrays] for sequence, first, *arrays in runs]

    same_on_all_threads(step, *rod(3000), [residues(90), residues(30)], [20, 20], ROUNDS)


def test_threads_with_bends(same_on_all_threads):
    def step(*arguments, threads):
        runs = _core.register_runs(*arguments, bends=bends, threads=threads)
        assert len(runs) > 100
        return [[np.array([sequence, first]), *arrays] for sequence, first, *arrays in runs]

    near = [(a, b) for a in range(-3, 4) for b in range(-3, 4) if a and b and a != b]
    triples = [(k + a, k, k + b) for k in range(3, 2997) for a, b in near]
    bends = as_bends(triples, np.random.default_rng(3).uniform(0.1, 3, len(triples)))
    given = *rod(3000), [residues(90), residues(30)], [20, 20], ROUNDS
    found = same_on_all_threads(step, *given)
    without = _core.register_runs(*given)
    assert [members.tolist() for *_, members, _ in found] != [members.tolist() for *_, members, _ in without]


def test_threads_along_a_sequence_that_is_screened_first(same_on_all_threads):
    def step(*arguments, threads):
        runs = _core.register_runs(*arguments, threads=threads)
        assert sum((members >= 0).sum() for _, _, members, _ in runs) > 500
        return [[np.array([sequence, first]), *arrays] for sequence, first, *arrays in runs]

    planted = plant(1, copies=18)
    links = planted.links.likelihood
    sequences = [planted.codes.astype(np.int8), np.random.default_rng(2).integers(0, 20, 2100).astype(np.int8)]
    given = (planted.candidates.positions, (links.start, links.column, links.value), planted.candidates.type_odds())
    same_on_all_threads(step, *given, sequences, [18, 1], ROUNDS)


def test_ctrl_c(interrupted):
    with interrupted():
        _core.register_runs(*rod(10_000), [residues(20_000)], [1], ROUNDS, threads=1)


def test_progress_is_told():
    told = []
    _core.register_runs(
        *rod(5000), [residues(200)], [9], ROUNDS, threads=1, progress=lambda *counts: told.append(counts)
    )
    assert told
    assert all(0 <= done <= total for done, total in told)


POINTS = np.array([[0.0, 0, 0], [3.8, 0, 0]])
LINKS = (np.array([0, 1, 2]), np.array([1, 0]), np.ones(2, np.float32))
ODDS = np.ones((2, 20), np.float32)
AA = np.zeros(5, np.int8)


def test_nothing_to_register():
    none = (np.zeros(1, np.int64), np.zeros(0, np.int64), np.zeros(0, np.float32))
    assert _core.register_runs(POINTS[:0], none, ODDS[:0], [AA], [1], ROUNDS) == []
    assert _core.register_runs(POINTS, LINKS, ODDS, [], [], ROUNDS) == []


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((POINTS[:, :2], LINKS, ODDS, [AA], [1]), ValueError, r"points must have shape \(n, 3\), not \(2, 2\)"),
        ((POINTS * np.nan, LINKS, ODDS, [AA], [1]), ValueError, "points must be finite"),
        ((POINTS[:1], LINKS, ODDS, [AA], [1]), ValueError, "positions and links must have the same length"),
        ((POINTS, (LINKS[0], np.array([1, 2]), LINKS[2]), ODDS, [AA], [1]), ValueError, "links: columns must"),
        (
            (POINTS, (np.array([0, 1, 1]), np.array([1]), np.ones(1, np.float32)), ODDS, [AA], [1]),
            ValueError,
            "links must be symmetric",
        ),
        (
            (POINTS, LINKS, ODDS[:1], [AA], [1]),
            ValueError,
            "odds, hints and links must have the same number of candidates",
        ),
        ((POINTS, LINKS, ODDS[:, :19], [AA], [1]), ValueError, r"odds must have shape \(n, 20\)"),
        ((POINTS, LINKS, ODDS * np.inf, [AA], [1]), ValueError, "odds must be finite"),
        ((POINTS, LINKS, ODDS, [AA[:0]], [1]), ValueError, "every sequence needs residues and at least one copy"),
        ((POINTS, LINKS, ODDS, [AA], [0]), ValueError, "every sequence needs residues and at least one copy"),
        ((POINTS, LINKS, ODDS, [AA, AA], [1]), ValueError, "every sequence needs residues and at least one copy"),
        ((POINTS, LINKS, ODDS, [AA.astype(int)], [1]), TypeError, "sequences"),
        ((POINTS, LINKS, ODDS, [np.zeros(10, np.int8)[::2]], [1]), ValueError, "sequences must be contiguous"),
    ],
)
def test_bad_input(arguments, error, message):
    with pytest.raises(error, match=message):
        _core.register_runs(*arguments, ROUNDS)


ONE, NONE = np.ones(1, np.int64), np.zeros(1, np.int64)
HALF = np.full(1, 0.5, np.float32)


@pytest.mark.parametrize(
    ("bends", "error", "message"),
    [
        ((NONE, ONE, 2 * ONE, HALF), ValueError, "bends must name candidates that exist"),
        ((9 * ONE, ONE, NONE, HALF), ValueError, "bends must name candidates that exist"),
        ((-ONE, ONE, NONE, HALF), ValueError, "bends"),
        ((NONE, ONE[:0], NONE, HALF), ValueError, "bends must be arrays of one length"),
        ((NONE, ONE, NONE, HALF[:0]), ValueError, "bends must be arrays of one length"),
        ((NONE, ONE, NONE, HALF * np.nan), ValueError, "bends must be finite"),
        ((NONE, ONE, NONE, HALF * np.inf), ValueError, "bends must be finite"),
        ((NONE, ONE, NONE, HALF.astype(float)), TypeError, "bends"),
        ((NONE, ONE, NONE), ValueError, "tuple of length 4"),
    ],
)
def test_bad_bends(bends, error, message):
    with pytest.raises(error, match=message):
        _core.register_runs(POINTS, LINKS, ODDS, [AA], [1], ROUNDS, bends=bends)
