"""Score propagation against eq. 26 written out."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matrices import sparse
from oracle import propagate as slow

from emodelx import _core
from emodelx.config import RunConfig
from emodelx.records import Candidates, Hops, SparseRows
from emodelx.stages.propagate import propagate_scores


def random_types(rng, n):
    return rng.dirichlet(np.full(20, 0.2), n).astype(np.float32)


def random_hops(rng, n, hops=1):
    """Sparse and not symmetric, so that rows and columns cannot be confused."""
    return (rng.random((hops, n, n)) * (rng.random((hops, n, n)) < 0.4)).astype(np.float32)


@settings(max_examples=50, deadline=None)
@given(n=st.integers(0, 12), seed=st.integers(0, 10_000))
def test_types(n, seed):
    rng = np.random.default_rng(seed)
    type_prob, (H,) = random_types(rng, n), random_hops(rng, n)
    (found,) = _core.propagate_types(type_prob, [sparse(H)], threads=1)
    np.testing.assert_allclose(found, slow.said(type_prob, H), atol=1e-5)


@settings(max_examples=25, deadline=None)
@given(n=st.integers(1, 6), length=st.integers(1, 16), seed=st.integers(0, 10_000))
def test_the_factors_hold_all_scores(n, length, seed):
    """S[j, k] as the record of the factors says it; the ends of the sequence and unknown residues included."""
    rng = np.random.default_rng(seed)
    type_prob, hops, codes = random_types(rng, n), random_hops(rng, n, 6), rng.integers(-1, 20, length)
    candidates = Candidates(np.zeros((n, 3)), np.ones(n, np.float32), np.ones(n, np.float32), type_prob)
    rows = Hops(tuple(SparseRows(*sparse(H)) for H in hops))
    scores = propagate_scores(candidates, rows, RunConfig(threads=1))

    outside = [-1] * 6
    around = np.array([*outside, *codes, *outside])
    own, hop = (np.concatenate([s, np.zeros((*s.shape[:-2], 1, n))], axis=-2) for s in (scores.own, scores.hop))
    S = own[codes]
    for m in range(1, 7):
        S = S + hop[m - 1, around[6 - m : len(around) - 6 - m]] + hop[m - 1, around[6 + m : len(around) - 6 + m]]
    np.testing.assert_allclose(S, slow.aligning_scores(type_prob, hops, codes), atol=1e-5)


def test_without_hops_only_the_own_types_count():
    types = random_types(np.random.default_rng(0), 4)
    candidates = Candidates(np.zeros((4, 3)), np.ones(4, np.float32), np.ones(4, np.float32), types)
    scores = propagate_scores(candidates, Hops(()), RunConfig(threads=1))
    np.testing.assert_array_equal(scores.own, types.T)
    assert scores.hop.shape == (0, 20, 4)


def test_threads(same_on_all_threads):
    rng = np.random.default_rng(0)
    same_on_all_threads(_core.propagate_types, random_types(rng, 400), [sparse(random_hops(rng, 400)[0])])


TYPES = np.full((2, 20), 0.05, np.float32)
HOP = (np.array([0, 1, 2]), np.array([1, 0]), np.ones(2, np.float32))


@pytest.mark.parametrize(
    ("type_prob", "hop", "error", "message"),
    [
        (TYPES[:1], HOP, ValueError, "types and hops must have the same number of candidates"),
        (TYPES[:, :19], HOP, ValueError, r"type_prob must have shape \(n, 20\), not \(2, 19\)"),
        (np.full((2, 20), np.nan, np.float32), HOP, ValueError, "type_prob must be finite"),
        (np.asfortranarray(TYPES), HOP, ValueError, "type_prob must be C-contiguous"),
        (TYPES.astype(float), HOP, TypeError, "type_prob"),
        (TYPES, (HOP[0], np.array([1, 2]), HOP[2]), ValueError, "hop: columns must .* lie in 0..n"),
        (TYPES, (*HOP[:2], np.array([1, np.inf], np.float32)), ValueError, "hop: values must be finite"),
    ],
)
def test_bad_input(type_prob, hop, error, message):
    with pytest.raises(error, match=message):
        _core.propagate_types(type_prob, [hop])
