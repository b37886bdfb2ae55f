"""Fragments that main chain joins: ways against a slow twin, and planted copies that wind around each other."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from matrices import sparse
from oracle import connect as slow

from emodelx.config import RunConfig
from emodelx.records import Candidates, Connection, Fragment, Links, Sequence, SparseRows
from emodelx.stages.connect import MOST_COST, connect_fragments, find_ways, free_steps

RUN = RunConfig(threads=1)


def candidates_at(points):
    ones = np.ones(len(points), np.float32)
    return Candidates(np.asarray(points, float), ones, ones, np.full((len(points), 20), 0.05, np.float32))


def links_of(H):
    return Links(SparseRows(*sparse(np.asarray(H, np.float32))))


def fragment(start, members, sequence=0):
    members = np.array(members)
    return Fragment(sequence, start, members, np.ones(len(members), np.float32))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000))
def test_ways_are_the_cheapest(seed):
    rng = np.random.default_rng(seed)
    n = 14
    points = rng.uniform(0, 12, (n, 3))
    upper = np.triu(rng.choice([0, 0, 0, 0.4, 0.6, 0.7, 0.75], (n, n)), 1)
    H = (upper + upper.T).astype(np.float32)
    fragments = [fragment(0, [0, 1]), fragment(7, [2, 3]), fragment(14, [4, 5])]
    ranked = np.sort(H[H > 0])[::-1]
    reference = ranked[min(2 * n, len(ranked)) - 1] if len(ranked) else 0
    expected = slow.free_steps(points, H.astype(float), float(reference), {1, 3, 5}, {0, 2, 4}, set(range(6)))
    steps = free_steps(fragments, candidates_at(points), links_of(H))
    found = np.full((n, n), np.inf)
    found[steps.nonzero()] = steps[steps.nonzero()]
    np.testing.assert_allclose(found, expected, rtol=1e-5)

    ways = {(way.first, way.second): way for way in find_ways(fragments, steps)}
    assert all(pair in {(0, 1), (0, 2), (1, 2)} for pair in ways), "sequences go one way"
    for one, other in ((0, 1), (0, 2), (1, 2)):
        cost = slow.costs(expected, fragments[one].candidates[-1])[fragments[other].candidates[0]]
        if (one, other) not in ways:
            assert cost > MOST_COST
            continue
        way = ways[one, other]
        assert abs(way.cost - cost) < 1e-4
        assert way.gap == fragments[other].start - fragments[one].start - 1
        assert 1 <= way.steps < n


def crossing():
    """Two copies whose chains cross: each goes on far from its end, where the other copy does.

    Residues 0-9 and 24-33 were read, along x; those between them climb over the other copy.
    """
    points, H_pairs, fragments = [], [], []
    for copy, side in enumerate((0.0, 9.0)):
        before = [(3.8 * i, side, 0.0) for i in range(10)]
        far = 9.0 - side
        height = 3.3 if copy == 0 else -3.3
        climb = [(34.2 + 0.8 * i, side + (far - side) * i / 15, height * min(i, 15 - i)) for i in range(1, 15)]
        after = [(46.2 + 3.8 * i, far, 0.0) for i in range(10)]
        first = len(points)
        points += before + climb + after
        H_pairs += [(i, i + 1) for i in range(first, first + 33)]
        fragments += [fragment(0, range(first, first + 10)), fragment(24, range(first + 24, first + 34))]
        assert copy * 34 == first
    H = np.zeros((len(points), len(points)), np.float32)
    for i, j in H_pairs:
        H[i, j] = H[j, i] = 0.9
    return points, H, fragments


def sequence(copies):
    return Sequence("s", "A" * 34, copies=copies)


def connections(points, H, fragments, copies):
    connected = connect_fragments(fragments, candidates_at(points), links_of(H), [sequence(copies)], RUN)
    assert connected.fragments == tuple(fragments)
    return connected.connections


def test_ways_tell_copies_that_cross():
    points, H, fragments = crossing()
    ends = np.array([points[f.candidates[-1]] for f in fragments[::2]])
    starts = np.array([points[f.candidates[0]] for f in fragments[1::2]])
    nearest = np.linalg.norm(ends[:, None] - starts, axis=2).argmin(axis=1)
    assert list(nearest) == [1, 0], "distances alone are wrong"
    found = connections(points, H, fragments, 2)
    assert sorted(found, key=lambda c: c.first) == [Connection(9, 24), Connection(43, 58)]


def test_a_missing_candidate_is_passed():
    points, H, fragments = crossing()
    H[15], H[:, 15] = 0, 0
    points[15] = (500.0, 0.0, 0.0)
    assert np.linalg.norm(np.subtract(points[14], points[16])) < 7.6
    found = connections(points, H, fragments, 2)
    assert Connection(9, 24) in found


def test_ways_that_cost_alike_tell_nothing():
    points, H, fragments = crossing()
    H[10, 44] = H[44, 10] = 0.9
    assert connections(points, H, fragments, 2) == ()


def test_a_single_copy_needs_none():
    points, H, fragments = crossing()
    assert connections(points, H, fragments, 1) == ()


def test_ways_of_far_too_few_steps_are_not_believed():
    points, H, fragments = crossing()
    for start in (0, 34):
        H[start + 12], H[:, start + 12] = 0, 0
        H[start + 11, start + 23] = H[start + 23, start + 11] = 0.9
    assert connections(points, H, fragments, 2) == ()
