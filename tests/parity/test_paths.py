"""Chains without sequences against their twin, all covers of a line, and planted chains."""

import numpy as np
import pytest
from folds import folded
from hypothesis import given, settings
from hypothesis import strategies as st
from matrices import sparse
from oracle import paths as slow
from planted import plant

from emodelx import _core
from emodelx.config import PathConfig, RunConfig
from emodelx.constants import AMINO_ACIDS
from emodelx.errors import NothingBuildableError
from emodelx.records import Candidates, Links, Provenance, SparseRows
from emodelx.stages.paths import rate_paths, trace_chains

RUN = RunConfig(threads=1)


def cloud(seed, n):
    """Linked candidates at random places."""
    rng = np.random.default_rng(seed)
    points = rng.uniform(0, 3.2 * n ** (1 / 3), (n, 3))
    H = np.triu(rng.uniform(0.7, 1, (n, n)) * (rng.random((n, n)) < 0.4), 1)
    return points, (H + H.T).astype(np.float32)


def as_bends(odds):
    """Odds by triple as arrays, in any order."""
    before, middle, after = np.array(list(odds), np.int64).reshape(-1, 3).T
    return tuple(map(np.ascontiguousarray, (before, middle, after, np.array(list(odds.values()), np.float32))))


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 100_000),
    n=st.integers(2, 14),
    least=st.sampled_from([0.0, 0.3, 0.5]),
    length=st.integers(1, 4),
    looked=st.sampled_from([0.0, 0.5, 1.0]),
)
def test_paths(seed, n, least, length, looked):
    points, H = cloud(seed, n)
    rng = np.random.default_rng(seed)
    triples = [t for t in np.ndindex(n, n, n) if len(set(t)) == 3 and rng.random() < looked]
    odds = dict(zip(triples, np.exp(rng.normal(0, 2, len(triples))).tolist(), strict=True))
    found = _core.trace_paths(points, sparse(H), least, length, bends=as_bends(odds), threads=1)
    expected = slow.trace(points, H, least, length, odds)
    assert [members.tolist() for members, *_ in found] == [members for members, *_ in expected]
    for (_, probability, forward), (_, sure, way) in zip(found, expected, strict=True):
        np.testing.assert_allclose(probability, sure, rtol=1e-3, atol=1e-6)
        assert forward == pytest.approx(way, rel=1e-4, abs=1e-4)


def test_bends_tell_which_way_a_chain_runs():
    rng = np.random.default_rng(0)
    points, H, residue = followed(folded(2, 10), rng)
    own = np.flatnonzero(residue >= 0)[np.argsort(residue[residue >= 0])]
    for way in (own, own[::-1]):
        odds = {tuple(way[i : i + 3].tolist()): 20.0 for i in range(len(way) - 2)}
        found = _core.trace_paths(points, sparse(H), 0.5, 6, bends=as_bends(odds), threads=1)
        members = found[0][0].tolist()
        first = members.index(way[0])
        assert members[first : first + len(way)] == way.tolist()
        assert len(members) - len(way) <= 2, "a false candidate at either end, in no bend"
        assert found[0][2] == pytest.approx((len(way) - 2) * np.log(20 / 0.05), rel=1e-4)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 100_000), n=st.integers(2, 9))
def test_beliefs_on_a_line_are_exact(seed, n):
    """Without loops, what candidates tell each other comes to the sum over all covers."""
    rng = np.random.default_rng(seed)
    points = np.outer(3.85 * np.arange(n), [1.0, 0, 0])
    H = np.diag(rng.uniform(0.8, 0.95, n - 1), 1)
    H = (H + H.T).astype(np.float32)
    expected = slow.exact(points, H)
    ((members, probability, forward),) = _core.trace_paths(points, sparse(H), 0.0, 1, threads=1)
    assert members.tolist() == list(range(n))
    assert forward == 0
    steps = [expected[i, i + 1] for i in range(n - 1)]
    of_residue = [np.mean(steps[max(i - 1, 0) : i + 1]) for i in range(n)]
    np.testing.assert_allclose(probability, of_residue, rtol=1e-3)


def followed(chain, rng, *, missing=(), false=0.3):
    """Candidates on a chain and beside it, and links that prefer the chain."""
    held = np.setdiff1d(np.arange(len(chain)), missing)
    count = int(false * len(held))
    beside = (
        chain[rng.choice(held, count)] + 3.0 * (v := rng.normal(size=(count, 3))) / np.linalg.norm(v, axis=1)[:, None]
    )
    points = np.concatenate([chain[held] + rng.normal(0, 0.2, (len(held), 3)), beside])
    residue = np.concatenate([held, np.full(count, -10)])
    order = rng.permutation(len(points))
    points, residue = points[order], residue[order]
    distance = np.linalg.norm(points[:, None] - points, axis=2)
    right = abs(residue[:, None] - residue) == 1
    H = np.where(right, rng.normal(0.93, 0.02, right.shape), rng.normal(0.75, 0.06, right.shape))
    H = np.triu(np.where((distance >= 2) & (distance < 6), H, 0), 1)
    return points, (H + H.T).astype(np.float32), residue


@pytest.mark.parametrize("seed", range(3))
def test_planted_chains_come_back(seed):
    """Long stretches, with nearly all steps right, among false candidates and tightly packed."""
    rng = np.random.default_rng(seed)
    points, H, residue = followed(folded(seed, 14), rng)
    found = _core.trace_paths(points, sparse(H), 0.5, 6, threads=1)
    steps = np.concatenate([np.diff(residue[members[members >= 0]]) for members, *_ in found])
    assert (abs(steps) == 1).mean() > 0.9
    assert sum((members >= 0).sum() for members, *_ in found) > 0.9 * (residue >= 0).sum()
    assert len(found[0][0]) > 40


def test_a_missing_candidate_is_passed_over():
    chain = folded(0, 4)
    points, H, residue = followed(chain, np.random.default_rng(0), missing=[20], false=0.0)
    members = max((m for m, *_ in _core.trace_paths(points, sparse(H), 0.5, 6)), key=len)
    assert len(members) == len(chain)
    assert (residue[members[members >= 0]] == 20).sum() == 0
    assert (np.flatnonzero(members < 0) == [20]).all() or (np.flatnonzero(members < 0) == [len(chain) - 21]).all()


def test_candidates_are_disjoint():
    points, H = cloud(3, 60)
    members = np.concatenate([m[m >= 0] for m, *_ in _core.trace_paths(points, sparse(H), 0.0, 1)])
    assert len(members) == len(set(members))


def test_the_stage_types_and_names_chains():
    planted = plant(0, length=30, copies=2, false=0.0)
    model = trace_chains(planted.candidates, planted.links, PathConfig(), RUN)
    assert [chain.name for chain in model.chains] == ["A", "B"]
    for chain, sequence in zip(model.chains, model.sequences, strict=True):
        held = chain.candidates >= 0
        assert len(set(planted.copy[chain.candidates[held]])) == 1
        best = planted.candidates.type_prob[chain.candidates[held]].argmax(axis=1)
        assert "".join(AMINO_ACIDS[t] for t in best) == "".join(np.array(list(sequence.residues))[held])
        assert (chain.provenance[held] == Provenance.TRACED).all()
        assert ((chain.confidence > 0) == held).all()
        assert sequence.chains == (chain.name,)


def test_bridged_residues_are_no_surer_than_their_neighbours():
    points, H, _ = followed(folded(0, 4), np.random.default_rng(0), missing=[20], false=0.0)
    ones, types = np.ones(len(points), np.float32), np.full((len(points), 20), 0.05, np.float32)
    candidates, links = Candidates(points, ones, ones, types), Links(SparseRows(*sparse(H)))
    chain, *_ = (model := trace_chains(candidates, links, PathConfig(), RUN)).chains
    (gap,) = np.flatnonzero(chain.candidates < 0)
    assert model.sequences[0].residues[gap] == "X"
    chain.provenance[gap] = Provenance.BRIDGED
    (rated,) = rate_paths(model).chains
    assert rated.confidence[gap] == min(chain.confidence[gap - 1], chain.confidence[gap + 1]) > 0


def test_nothing_to_trace():
    ones = np.ones(3, np.float32)
    candidates = Candidates(50.0 * np.eye(3), ones, ones, np.full((3, 20), 0.05, np.float32))
    links = Links(SparseRows(np.zeros(4, np.int64), np.zeros(0, np.int64), np.zeros(0, np.float32)))
    with pytest.raises(NothingBuildableError, match="no chain of 6 residues in 3 candidates"):
        trace_chains(candidates, links, PathConfig(), RUN)


def test_threads(same_on_all_threads):
    rng = np.random.default_rng(1)
    points, H, _ = followed(folded(1), rng)
    triples = rng.integers(0, len(points), (500, 3)).tolist() + [[i, i + 1, i + 2] for i in range(len(points) - 2)]
    bends = as_bends(dict(zip(map(tuple, triples), rng.uniform(0.1, 3, len(triples)).tolist(), strict=True)))

    def step(*given, threads):
        return [[*path[:2], np.array(path[2])] for path in _core.trace_paths(*given, bends=bends, threads=threads)]

    same_on_all_threads(step, points, sparse(H), 0.3, 4)


def test_ctrl_c(interrupted):
    n = 200_000
    points = np.stack([3.0 * np.arange(n), np.zeros(n), np.zeros(n)], axis=1)
    start = np.concatenate([[0, 1], 1 + 2 * np.arange(1, n - 1), [2 * n - 2]])
    column = np.stack([np.arange(n) - 1, np.arange(n) + 1], axis=1).ravel()[1:-1]
    links = (start, column, np.full(len(column), 0.9, np.float32))
    with interrupted():
        for _ in range(20):
            _core.trace_paths(points, links, 0.5, 6, threads=1)


POINTS = np.zeros((2, 3))
TWO = sparse(np.array([[0, 0.9], [0.9, 0]], np.float32))


@pytest.mark.parametrize(
    ("points", "links", "error", "message"),
    [
        (POINTS[:, :2], TWO, ValueError, r"points must have shape \(n, 3\), not \(2, 2\)"),
        (POINTS * np.nan, TWO, ValueError, "points must be finite"),
        (POINTS.astype(np.float32), TWO, TypeError, "points"),
        (POINTS[:1], TWO, ValueError, "positions and links must have the same length"),
        (POINTS, sparse(np.array([[0, 0.9], [0, 0]], np.float32)), ValueError, "links must be symmetric"),
        (POINTS, sparse(np.array([[0, np.inf], [np.inf, 0]], np.float32)), ValueError, "values must be finite"),
    ],
)
def test_bad_input(points, links, error, message):
    with pytest.raises(error, match=message):
        _core.trace_paths(points, links, 0.5, 6)
