"""Chains that a model leaves unexplained, in planted strands; and what is kept of a graph against dense matrices."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emodelx.bends import possible_bends
from emodelx.config import PathConfig, RunConfig
from emodelx.records import Bends, CalphaModel, Candidates, Chain, Links, Sequence, SparseRows
from emodelx.stages.paths import FEWEST, trace_rest
from emodelx.unexplained import TAKEN, is_unexplained

RUN = RunConfig(threads=1)
LENGTHS = (40, 30, FEWEST - 1)
"""Of three strands; the last is too short to be told."""


def strand(length, y):
    """A zigzag of Calphas 3.8 A apart."""
    i = np.arange(length)
    return np.column_stack([3.3 * i, y + 0.95 * (-1.0) ** i, np.zeros(length)])


@pytest.fixture
def complex_():
    """The candidates of three strands in any order, their links and bends, and the strand of each with its place."""
    points = np.concatenate([strand(length, 40.0 * k) for k, length in enumerate(LENGTHS)])
    of = np.concatenate([np.full(length, k) for k, length in enumerate(LENGTHS)])
    place = np.concatenate([np.arange(length) for length in LENGTHS])
    order = np.random.default_rng(2).permutation(len(points))
    points, of, place = points[order], of[order], place[order]
    ones = np.ones(len(points), np.float32)
    candidates = Candidates(points, ones, ones, np.full((len(points), 20), 0.05, np.float32))
    apart = np.linalg.norm(points[:, None] - points, axis=2)
    value = np.where((apart > 2) & (apart < 6), np.where(apart < 4, 0.95, 0.1), 0).astype(np.float32)
    start = np.concatenate([[0], np.cumsum((value > 0).sum(axis=1))])
    triples = possible_bends(points)
    forward = (np.diff(place[triples], axis=1) == 1).all(axis=1)
    bends = Bends(triples, np.where(forward, 4.0, -4.0).astype(np.float32))
    links = Links(SparseRows(start, np.nonzero(value)[1], value[value > 0]), bends)
    return candidates, links, of, place


def model_of(candidates, members, name):
    """A model with one chain on some candidates."""
    n = len(members)
    chain = Chain(0, name, candidates.positions[members], members, np.ones(n, np.uint8), np.full(n, 90, np.float32))
    return CalphaModel((Sequence("s", "A" * n, (name,)),), (chain,))


def trace(model, candidates, links):
    return trace_rest(model, candidates, links, PathConfig(), RUN)


def members_of(of, place, strand_):
    """The candidates of a strand along it."""
    own = np.flatnonzero(of == strand_)
    return own[np.argsort(place[own])]


def test_what_the_model_leaves_is_traced_in_its_direction(complex_):
    candidates, links, of, place = complex_
    rest = trace(model_of(candidates, members_of(of, place, 0), "A"), candidates, links)
    (chain,) = rest.chains
    np.testing.assert_array_equal(chain.candidates, members_of(of, place, 1))
    np.testing.assert_array_equal(chain.positions, candidates.positions[chain.candidates])
    assert chain.name == rest.sequences[chain.sequence].chains[0] == "B"


def test_without_a_model_all_long_chains_are_left(complex_):
    candidates, links, *_ = complex_
    rest = trace(CalphaModel(()), candidates, links)
    assert [chain.name for chain in rest.chains] == ["A", "B"]
    assert [len(chain.candidates) for chain in rest.chains] == [40, 30]


def test_chains_without_a_direction_are_not_told(complex_):
    candidates, links, of, place = complex_
    model = model_of(candidates, members_of(of, place, 0), "A")
    assert trace(model, candidates, replace(links, bends=None)).chains == ()


def test_nothing_is_left_of_what_is_explained(complex_):
    candidates, links, *_ = complex_
    whole = model_of(candidates, np.arange(len(candidates)), "A")
    assert trace(whole, candidates, links) == CalphaModel(())
    assert trace(CalphaModel(()), Candidates.none(), links) == CalphaModel(())


def test_candidates_beside_a_residue_are_explained(complex_):
    candidates, _, of, place = complex_
    model = model_of(candidates, members_of(of, place, 0), "A")
    for shift, left in ((TAKEN - 0.1, False), (TAKEN + 0.1, True)):
        beside = replace(candidates, positions=candidates.positions + np.array([0, 0, shift]))
        np.testing.assert_array_equal(is_unexplained(model, beside), (of != 0) | left)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), n=st.integers(1, 12), share=st.floats(0, 1))
def test_rows_that_are_kept_are_those_of_the_dense_matrix(seed, n, share):
    rng = np.random.default_rng(seed)
    matrix = (rng.random((n, n)) * (rng.random((n, n)) < 0.5)).astype(np.float32)
    kept = rng.random(n) < share
    found = as_rows(matrix).among(kept)
    expected = as_rows(matrix[np.ix_(kept, kept)])
    for name in ("start", "column", "value"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))


def as_rows(matrix):
    start = np.concatenate([[0], np.cumsum((matrix > 0).sum(axis=1))])
    return SparseRows(start, np.nonzero(matrix)[1], matrix[matrix > 0])
