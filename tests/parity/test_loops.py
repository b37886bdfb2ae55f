"""Tracing of loops against its twin, and loops taken out of planted chains."""

import numpy as np
import pytest
from folds import folded
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import loops as slow
from planted import helix
from scipy.ndimage import gaussian_filter

from emodelx import _core


def cut(points, *gaps):
    """Numbers and points of a chain without some stretches."""
    numbers = np.setdiff1d(np.arange(len(points)), np.concatenate([np.arange(g.start, g.stop) for g in gaps]))
    return numbers, np.ascontiguousarray(points[numbers])


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 10_000), missing=st.integers(1, 2))
def test_loops(seed, missing):
    """Two chains in noise; the second one's loop keeps clear of the first one's."""
    rng = np.random.default_rng(seed)
    field = gaussian_filter(rng.normal(size=(18, 19, 20)), 1.0).astype(np.float32)
    field /= field.std()
    chains = []
    for gap in (missing, 1):
        turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
        points = helix(gap + 5) * [rng.uniform(1, 2), 1, 1] @ turn + rng.uniform(3, 13, 3)
        chains.append(cut(points, slice(2, 2 + gap)))
    found, expected = _core.trace_loops(field, chains, threads=1), slow.trace(field, chains)
    assert [loop[:2] for loop in found] == [loop[:2] for loop in expected]
    for (*_, points, agreement), (*_, way, share) in zip(found, expected, strict=True):
        np.testing.assert_allclose(points, way, atol=1e-9)
        np.testing.assert_allclose(agreement, share, atol=1e-6)


def density(*chains, width=2.0):
    """What a blurred map shows of chains, with a standard deviation of 1, and the shift that takes them inside."""
    low = np.min([chain.min(axis=0) for chain in chains], axis=0) - 12
    shape = np.ceil(np.max([chain.max(axis=0) for chain in chains], axis=0) - low + 12).astype(int)
    volume = np.zeros(shape)
    for chain in chains:
        ways = np.concatenate([chain[:-1] + part * np.diff(chain, axis=0) for part in np.linspace(0, 1, 8)])
        np.add.at(volume, tuple(np.rint(ways - low).astype(int).T), 1)
    smooth = gaussian_filter(volume, width) - gaussian_filter(volume, 2 * width)
    return (smooth / smooth.std()).astype(np.float32), low


@pytest.mark.parametrize("missing", [4, 8, 14])
def test_planted_loops_come_back(missing):
    """Of chains in a blurred map, stretches are taken out, and most residues come back near where they were."""
    error = []
    for seed in range(3):
        chain = folded(seed)
        field, low = density(chain)
        for first in range(3, len(chain) - missing - 3, 17):
            gap = slice(first, first + missing)
            ((_, start, points, agreement),) = _core.trace_loops(field, [cut(chain - low, gap)])
            assert (start, len(points), len(agreement)) == (first, missing, missing)
            error += list(np.linalg.norm(points + low - chain[gap], axis=1))
    # A straight line between the ends has 20 to 40 % of them within 3 A.
    assert np.mean(np.array(error) < 3) > 0.6


def bow(height):
    """Residues along an arc over a straight line, and straight on at both ends."""
    x = np.linspace(-20, 20, 4001)
    curve = np.column_stack([x, height * np.cos(np.pi * np.clip(x / 20, -0.5, 0.5)), 0 * x])
    along = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(curve, axis=0), axis=1))])
    at = np.arange(along[-1] % 3.8 / 2, along[-1], 3.8)
    return np.column_stack([np.interp(at, along, curve[:, axis]) for axis in range(3)])


def test_a_loop_goes_where_nothing_is():
    """Of two ways that are equally strong the free one is taken, and the one after it finds the other."""
    up, down = bow(9.0), bow(-9.0)
    field, low = density(up, down)
    on_bow = np.flatnonzero(up[:, 1] > 1)
    gap = slice(on_bow[0], on_bow[-1] + 1)
    occupied = np.arange(len(on_bow)), np.ascontiguousarray(up[gap] - low)
    ((*_, points, agreement),) = _core.trace_loops(field, [cut(up - low, gap), occupied])
    assert np.linalg.norm(points + low - down[gap], axis=1).max() < 3
    assert agreement.min() > 0.6
    ((*_, doubtful),) = _core.trace_loops(field, [cut(up - low, gap)])
    assert doubtful.min() < 0.75, "half of the ways lead elsewhere"
    torn_apart = [cut(chain - low, gap) for chain in (up, down + np.array([0, 0, 2.0]))]
    first, second = (points + low for *_, points, _ in _core.trace_loops(field, torn_apart))
    assert np.sign(first[:, 1]).tolist() == (-np.sign(second[:, 1])).tolist()


def test_steps_are_those_of_a_chain():
    rng = np.random.default_rng(3)
    chain = folded(1)
    field, low = density(chain)
    field += gaussian_filter(rng.normal(size=field.shape), 1.5).astype(np.float32)
    gap = slice(10, 22)
    ((*_, points, _),) = _core.trace_loops(field, [cut(chain - low, gap)])
    whole = np.concatenate([chain[8:10] - low, points])
    np.testing.assert_allclose(np.linalg.norm(np.diff(whole[1:], axis=0), axis=1), 3.8)
    bends = np.linalg.norm(whole[2:] - whole[:-2], axis=1)
    assert bends.min() >= 4.8
    assert bends.max() < 7.3


@pytest.mark.parametrize(("missing", "traced"), [(30, 1), (31, 0)])
def test_the_longest_loop(missing, traced):
    chain = helix(missing + 6)
    field, low = density(chain)
    assert len(_core.trace_loops(field, [cut(chain - low, slice(3, 3 + missing))])) == traced


def test_open_ends_and_torn_chains_have_no_loops():
    chain = bow(0.0)[:11]
    field, low = density(chain)
    torn = chain.copy()
    torn[5:, 0] += 12
    assert _core.trace_loops(field, [cut(torn - low, slice(4, 5))]) == []
    assert _core.trace_loops(field, [cut(chain - low, slice(0, 3)), cut(chain - low, slice(8, 11))]) == []
    assert _core.trace_loops(field, []) == []
    alone = np.array([0, 4, 5]), np.ascontiguousarray(chain[[0, 4, 5]] - low)
    assert _core.trace_loops(field, [alone]) == [], "no residue before the one that the loop begins at"


def test_threads_do_not_matter():
    chain = folded(2)
    field, low = density(chain)
    problem = field, [cut(chain - low, slice(8, 20), slice(30, 39))]
    one, two = (_core.trace_loops(*problem, threads=n) for n in (1, 2))
    assert len(one) == 2
    for (*_, points, agreement), (*_, same, also) in zip(one, two, strict=True):
        np.testing.assert_array_equal(points, same)
        np.testing.assert_array_equal(agreement, also)


def test_bad_chains_are_refused():
    field = np.zeros((8, 8, 8), np.float32)
    with pytest.raises(ValueError, match="ascend"):
        _core.trace_loops(field, [(np.array([3, 2]), np.zeros((2, 3)))])
    with pytest.raises(ValueError, match="a point each"):
        _core.trace_loops(field, [(np.array([3, 4]), np.zeros((3, 3)))])
