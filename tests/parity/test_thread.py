"""Threading against all threads written down, and planted gaps."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from matrices import sparse
from oracle import thread as slow
from planted import FALSE, plant

from emodelx import _core
from emodelx.config import RunConfig, ThreadingConfig, TraceConfig
from emodelx.io.chain_names import name_chains
from emodelx.records import CalphaModel, Chain, Provenance
from emodelx.stages.propagate import propagate_scores
from emodelx.stages.thread import _context, thread_gaps
from emodelx.stages.traces import sample_traces

BEAM = 10_000


def thread(ground, least_closed, least_open, context=None):
    """What the core places in the chain of `ground`; residue j has type j, so that odds by residue are odds by type."""
    context = np.zeros((len(ground.points), 6, 20), np.float32) if context is None else context
    length = len(ground.held)
    odds = np.ones((len(ground.points), 20), np.float32)
    odds[:, :length] = ground.odds
    others = np.array([ground.held[ground.held >= 0][0], *(k for k in ground.used if k not in ground.held)])
    sequences = [np.arange(length, dtype=np.int8), np.zeros(len(others), np.int8)]
    chains = [(0, ground.held, ground.expected), (1, others, np.full((len(others), 3), np.nan))]
    search = (BEAM, least_closed, least_open)
    own, none = _core.thread_chains(
        ground.points, sparse(ground.H), odds, context, sequences, chains, search, threads=1
    )
    assert none == []
    assert len({residue for residue, _, _ in own}) == len(own)
    return {residue: candidate for residue, candidate, _ in own}


def contexts(ground, seed):
    """What the neighbours of every candidate say, at random."""
    return np.random.default_rng(seed).normal(0, 0.4, (len(ground.points), 6, 20)).astype(np.float32)


def in_context(ground, context):
    """The ground whose odds hold the context too, summed up residue by residue."""
    odds = ground.odds.astype(np.float64)
    length = len(ground.held)
    for k in range(len(ground.points)):
        for j in range(length):
            for n in range(1, 7):
                odds[k, j] *= np.exp(sum(context[k, n - 1, i] for i in (j - n, j + n) if 0 <= i < length))
    return replace(ground, odds=odds)


def zigzag(residues):
    """Calphas 3.8 A apart, and 6.95 A from the second next."""
    return np.column_stack([3.475 * residues, 1.537 * (residues % 2), 0 * residues])


def layers(seed, missing, closed):
    """A zigzag chain with up to three candidates, or none, per missing residue, linked from layer to layer.

    Candidates fit the residue of their layer only, and no bend is better than another: so the best thread to a
    candidate is part of the best thread through it, and pruning loses nothing.
    """
    rng = np.random.default_rng(seed)
    gap = range(2, 2 + missing)
    length = 2 + missing + (2 if closed else 0)
    layer = np.array([j for j in range(length) for _ in range(max(rng.integers(-1, 4), 0) if j in gap else 1)])
    points = zigzag(layer) + rng.normal(0, 0.05, (len(layer), 3))
    adjacent = np.triu(abs(layer[:, None] - layer) == 1)
    upper = np.where(adjacent & (rng.random(adjacent.shape) < 0.9), rng.uniform(0.5, 0.9, adjacent.shape), 0)
    own = layer[:, None] == np.arange(length)
    odds = np.where(own, np.exp(rng.uniform(-5, 6, own.shape)), 1e-6).astype(np.float32)
    held = np.array([-1 if j in gap else int(np.flatnonzero(layer == j)[0]) for j in range(length)])
    known = rng.random((length, 1)) < 0.3
    where = zigzag(np.arange(length)) + rng.normal(0, rng.choice([1, 4]), (length, 3))
    free = [k for k in range(len(layer)) if layer[k] in gap]
    used = {int(k) for k in held if k >= 0} | {k for k in free if rng.random() < 0.1}
    H = (upper + upper.T).astype(np.float32)
    return slow.Ground(points, H, odds, used, held, np.where(known, where, np.nan))


def mirrored(ground):
    """The same chain read from its other end."""
    return replace(
        ground, odds=ground.odds[:, ::-1], held=ground.held[::-1].copy(), expected=ground.expected[::-1].copy()
    )


LEAST = [(-20.0, -20.0), (0.0, 2.0), (2.0, 0.0), (5.0, 5.0)]


@settings(max_examples=80, deadline=None)
@given(seed=st.integers(0, 10_000), missing=st.integers(1, 3), least=st.sampled_from(LEAST), mirror=st.booleans())
def test_closed_gaps(seed, missing, least, mirror):
    ground = layers(seed, missing, closed=True)
    ground = mirrored(ground) if mirror else ground
    context = contexts(ground, seed)
    assert thread(ground, *least, context) == slow.fill(in_context(ground, context), 1, 2 + missing, *least)


@settings(max_examples=80, deadline=None)
@given(seed=st.integers(0, 10_000), missing=st.integers(1, 5), least=st.sampled_from(LEAST), mirror=st.booleans())
def test_open_ends(seed, missing, least, mirror):
    ground = layers(seed, missing, closed=False)
    if mirror:
        assert thread(mirrored(ground), *least) == slow.fill(mirrored(ground), None, missing, *least)
    else:
        assert thread(ground, *least) == slow.fill(ground, 1, None, *least)


@pytest.mark.parametrize(("empty", "passed"), [(3, True), (4, False)])
def test_three_residues_without_a_candidate_are_passed(empty, passed):
    """An end whose first residues have no candidate, and the rest good ones."""
    layer = np.delete(np.arange(12), slice(2, 2 + empty))
    held = np.where(np.arange(12) < 2, np.arange(12), -1)
    H = 0.9 * (abs(layer[:, None] - layer) == 1).astype(np.float32)
    odds = np.where(layer[:, None] == np.arange(12), 20, 0.05).astype(np.float32)
    ground = slow.Ground(zigzag(layer), H, odds, {0, 1}, held, np.full((12, 3), np.nan))
    found = thread(ground, 0.0, 2.0)
    assert found == slow.fill(ground, 1, None, 0.0, 2.0)
    assert (set(found) == set(range(2 + empty, 12))) == passed


def cloud(seed, missing):
    """Candidates and links anywhere, with residues that are missing between two placed ones."""
    rng = np.random.default_rng(seed)
    points = rng.uniform(-4, 4, (10, 3))
    upper = np.triu(rng.uniform(0.4, 1, (10, 10)) * (rng.random((10, 10)) < 0.6), 1)
    odds = np.exp(rng.uniform(-2, 2, (10, missing + 4))).astype(np.float32)
    held = np.array([0, 1, *[-1] * missing, 2, 3])
    H = (upper + upper.T).astype(np.float32)
    return slow.Ground(points, H, odds, {0, 1, 2, 3}, held, np.full((missing + 4, 3), np.nan))


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 10_000), least=st.sampled_from(LEAST))
def test_one_missing_residue_on_any_graph(seed, least):
    ground = cloud(seed, 1)
    context = contexts(ground, seed)
    assert thread(ground, *least, context) == slow.fill(in_context(ground, context), 1, 3, *least)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_a_thread_is_possible_on_any_graph(seed):
    """The best thread may be pruned, but what is placed is one of all threads."""
    ground = cloud(seed, 2)
    found = thread(ground, -50.0, -50.0)
    assume(found)
    starts, ends = slow.threads(ground, [(1, 1)], 4, 1), slow.threads(ground, [(4, 2)], 1, -1)
    met = [slow.meeting(ground, f, b) for f in starts for b in ends if slow.disjoint(f, b)]
    assert max(total for placed, total, _ in met if dict(placed) == found) > -np.inf


def test_what_neighbours_say_is_standardised():
    """Over residues drawn from the sequence, the neighbours' part of S has mean 0 and the deviation that was asked."""
    planted = plant(1)
    said = _context(scores_of(planted), [planted.sequence()], 0.5).astype(np.float64)
    assert said.shape == (len(planted.residue), 6, 20)
    share = np.bincount(planted.codes, minlength=20) / len(planted.codes)
    np.testing.assert_allclose(said @ share, 0, atol=1e-6)
    variance = 2 * (said**2 @ share).sum(axis=1)
    linked = variance > 0
    assert linked.sum() > 60
    np.testing.assert_allclose(variance[linked], 0.25, rtol=1e-4)


def gapped(planted, gap, sequence, *, whole=False):
    """A model of the planted copies, the first without candidates in `gap`; `whole` keeps the others."""
    chains = []
    for copy, name in enumerate(name_chains([sequence])[0]):
        held = np.full(len(planted.codes), -1)
        own = np.flatnonzero(planted.copy == copy)
        held[planted.residue[own]] = own
        if copy == 0 or not whole:
            held[gap] = -1
        placed = held >= 0
        positions = np.where(placed[:, None], planted.candidates.positions[held], np.nan)
        provenance = np.where(placed, Provenance.TRACED, Provenance.MISSING).astype(np.uint8)
        chains.append(Chain(0, name, positions, held, provenance, np.where(placed, 90, 0).astype(np.float32)))
    return CalphaModel((sequence,), tuple(chains))


def right(planted, chain, gap, copy=0):
    """Share of the residues of `gap` that stand on their own candidate."""
    held = chain.candidates[gap]
    own = (planted.residue[held] == np.arange(len(planted.codes))[gap]) & (planted.copy[held] == copy)
    return (own & (held != FALSE)).mean()


RUN = RunConfig(threads=1)


def scores_of(planted):
    """The aligning scores of planted candidates."""
    return propagate_scores(planted.candidates, sample_traces(planted.links, TraceConfig(), RUN), RUN)


@pytest.mark.parametrize("gap", [slice(20, 32), slice(45, 60), slice(0, 12)], ids=["closed", "end", "begin"])
@pytest.mark.parametrize("seed", range(3))
def test_a_planted_gap_is_filled(seed, gap):
    planted = plant(seed)
    before = gapped(planted, gap, planted.sequence())
    (chain,) = thread_gaps(before, planted.candidates, planted.links, scores_of(planted), ThreadingConfig(), RUN).chains
    assert right(planted, chain, gap) > 0.8
    threaded = chain.provenance == Provenance.THREADED
    assert threaded[gap].sum() == threaded.sum() > 0
    np.testing.assert_array_equal(chain.positions[threaded], planted.candidates.positions[chain.candidates[threaded]])
    untouched = before.chains[0].placed()
    np.testing.assert_array_equal(chain.candidates[untouched], before.chains[0].candidates[untouched])


def test_scores_below_the_threshold_place_nothing():
    planted = plant(0)
    for gap, config in (
        (slice(20, 32), ThreadingConfig(least_closed=1000, least_open=1000)),
        (slice(45, 60), ThreadingConfig(least_open=1000)),
    ):
        model = gapped(planted, gap, planted.sequence())
        (chain,) = thread_gaps(model, planted.candidates, planted.links, scores_of(planted), config, RUN).chains
        assert not chain.placed()[gap].any()


@pytest.mark.parametrize("seed", range(3))
def test_another_copy_shows_the_way(seed):
    """Where types say nothing, the residues of the whole copy do."""
    planted, gap = plant(seed, copies=2, accuracy=0), slice(20, 30)
    shares = {}
    for whole in (True, False):
        model = gapped(planted, gap, planted.sequence(copies=2), whole=whole)
        chain = thread_gaps(
            model, planted.candidates, planted.links, scores_of(planted), ThreadingConfig(), RUN
        ).chains[0]
        shares[whole] = right(planted, chain, gap)
    assert shares[True] > 0.8
    assert shares[True] >= shares[False]


def test_candidates_are_used_once():
    planted = plant(0, copies=2)
    model = gapped(planted, slice(20, 40), planted.sequence(copies=2))
    chains = thread_gaps(model, planted.candidates, planted.links, scores_of(planted), ThreadingConfig(), RUN).chains
    held = np.concatenate([chain.candidates[chain.candidates >= 0] for chain in chains])
    assert len(held) == len(set(held.tolist()))


def arguments():
    """A chain with many gaps, beside two that are free."""
    planted = plant(0, copies=3)
    own = np.flatnonzero(planted.copy == 0)
    held = np.full(60, -1)
    held[planted.residue[own]] = own
    held[np.arange(60) % 7 > 2] = -1
    links = planted.links.likelihood
    chain = (0, held, np.full((60, 3), np.nan))
    codes = planted.codes.astype(np.int8)
    odds = planted.candidates.type_odds()
    context = np.zeros((len(odds), 6, 20), np.float32)
    return [planted.candidates.positions, (links.start, links.column, links.value), odds, context, [codes], [chain]]


def test_threads(same_on_all_threads):
    def step(*given, threads):
        (found,) = _core.thread_chains(*given, threads=threads)
        assert len(found) > 10
        return np.array(found)

    same_on_all_threads(step, *arguments(), (60, -5.0, 2.0))


def test_ctrl_c(interrupted):
    points, links, odds, context, sequences, chains = arguments()
    with interrupted():
        _core.thread_chains(points, links, odds, context, sequences, chains * 20_000, (10_000, 0.0, 2.0), threads=1)


POINTS = np.array([[0.0, 0, 0], [3.8, 0, 0]])
LINKS = (np.array([0, 1, 2]), np.array([1, 0]), np.ones(2, np.float32))
ODDS = np.ones((2, 20), np.float32)
CONTEXT = np.zeros((2, 6, 20), np.float32)
AA = np.zeros(3, np.int8)
CHAIN = (0, np.array([0, -1, -1]), np.full((3, 3), np.nan))


def bad(**changed):
    good = {"points": POINTS, "links": LINKS, "odds": ODDS, "context": CONTEXT, "sequences": [AA], "chains": [CHAIN]}
    return [*(good | changed).values(), (60, 0.0, 2.0)]


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"points": POINTS[:, :2]}, ValueError, r"points must have shape \(n, 3\), not \(2, 2\)"),
        ({"points": POINTS * np.nan}, ValueError, "points must be finite"),
        ({"points": POINTS[:1]}, ValueError, "positions and links must have the same length"),
        ({"odds": ODDS[:1]}, ValueError, "odds, context and links must have the same number of candidates"),
        ({"context": CONTEXT[:1]}, ValueError, "odds, context and links must have the same number of candidates"),
        ({"context": CONTEXT[:, :5].copy()}, ValueError, r"context must have shape \(n, 6, 20\)"),
        ({"context": CONTEXT * np.nan}, ValueError, "context must be finite"),
        ({"odds": ODDS[:, :19]}, ValueError, r"odds must have shape \(n, 20\)"),
        ({"odds": np.asfortranarray(ODDS * [[1], [2]], np.float32)}, ValueError, "odds must be C-contiguous"),
        ({"odds": ODDS * np.nan}, ValueError, "odds must be finite"),
        ({"sequences": [AA[:0]]}, ValueError, "every sequence needs residues"),
        ({"sequences": [AA[:2]]}, ValueError, "chains must have an entry for every residue of their sequence"),
        ({"chains": [(0, CHAIN[1], CHAIN[2][:2])]}, ValueError, "chains must have an entry for every residue"),
        ({"chains": [(0, CHAIN[1], CHAIN[2][:, :2])]}, ValueError, r"expected must have shape \(n, 3\), not \(3, 2\)"),
        ({"chains": [(0, CHAIN[1], np.asfortranarray(CHAIN[2]))]}, ValueError, "expected must be C-contiguous"),
        ({"chains": [(1, *CHAIN[1:])]}, ValueError, "chains name sequences that do not exist"),
        ({"chains": [(0, np.array([0, 2, -1]), CHAIN[2])]}, ValueError, "chains name candidates that do not exist"),
        ({"chains": [(0, CHAIN[1].astype(float), CHAIN[2])]}, TypeError, "chains"),
    ],
)
def test_bad_input(changed, error, message):
    with pytest.raises(error, match=message):
        _core.thread_chains(*bad(**changed))
