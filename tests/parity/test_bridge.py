"""Bridging against its twin, and residues taken out of planted main chain."""

import numpy as np
import pytest
from folds import folded
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import bridge as slow
from planted import helix
from scipy.ndimage import gaussian_filter

from emodelx import _core
from emodelx.config import BridgingConfig, RunConfig
from emodelx.records import CalphaModel, Chain, Prediction, Provenance, Sequence
from emodelx.stages.bridge import bridge_gaps


def strand(points, missing=slice(0), expected=None):
    """A chain as the core takes it, without the residues `missing`."""
    points = points.copy()
    points[missing] = np.nan
    return points, np.full_like(points, np.nan) if expected is None else expected


def in_noise(seed, missing, beside):
    """Two chains with gaps in noise; `beside` tells whether residues are placed before and after a gap's ends."""
    rng = np.random.default_rng(seed)
    ca_prob, bb_prob = rng.random((2, 18, 19, 20), np.float32)
    chains = []
    for gap in (missing, 1):
        turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
        points = (
            helix(gap + 4) * [rng.uniform(1, 2.3), 1, 1] @ turn
            + rng.uniform(2, 14, 3)
            + rng.normal(0, 0.3, (gap + 4, 3))
        )
        expected = np.where(rng.random((gap + 4, 1)) < 0.3, points + rng.normal(0, 1, points.shape), np.nan)
        points[[0, -1]] = points[[0, -1]] if beside else np.nan
        chains.append(strand(points, slice(2, 2 + gap), expected))
    return chains, ca_prob, bb_prob


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), missing=st.integers(1, 3), beside=st.booleans())
def test_bridges(seed, missing, beside):
    problem = in_noise(seed, missing, beside)
    found, expected = _core.bridge_chains(*problem, threads=1), slow.bridge(*problem)
    assert [bridge[:2] for bridge in found] == [bridge[:2] for bridge in expected]
    for (*_, points, support), (*_, way, mean) in zip(found, expected, strict=True):
        np.testing.assert_allclose(points, way, atol=1e-9)
        assert support == pytest.approx(mean, rel=1e-5)


def density(*chains):
    """Calpha and main-chain probability of chains, smooth, and the shift that takes the chains inside."""
    low = np.min([chain.min(axis=0) for chain in chains], axis=0) - 6
    shape = np.ceil(np.max([chain.max(axis=0) for chain in chains], axis=0) - low + 6).astype(int)
    ca_prob, bb_prob = np.zeros((2, *shape), np.float32)
    for chain in chains:
        ca_prob[tuple(np.rint(chain - low).astype(int).T)] = 1
        ways = np.concatenate([chain[:-1] + part * np.diff(chain, axis=0) for part in np.linspace(0, 1, 8)])
        bb_prob[tuple(np.rint(ways - low).astype(int).T)] = 1
    smooth = [gaussian_filter(volume, 1) for volume in (ca_prob, bb_prob)]
    return *(volume / volume.max() for volume in smooth), low


@pytest.mark.parametrize("seed", range(4))
def test_planted_residues_come_back(seed):
    """Every few residues one to five are taken out; most come back where they were."""
    chain = folded(seed)
    ca_prob, bb_prob, low = density(chain)
    error = []
    for missing in range(1, 6):
        for first in range(3, len(chain) - 9, 10):
            gap = slice(first, first + missing)
            ((_, start, points, support),) = _core.bridge_chains([strand(chain - low, gap)], ca_prob, bb_prob)
            assert (start, len(points)) == (first, missing)
            assert support > 0.3
            error += list(np.linalg.norm(points + low - chain[gap], axis=1))
    assert np.mean(np.array(error) < 2) > 0.95
    assert np.mean(error) < 1


def straight(length, axis):
    """A chain along an axis through the origin, which is its middle residue."""
    return np.outer(3.8 * (np.arange(length) - length // 2), np.eye(3)[axis])


def test_of_two_bridges_that_collide_the_shorter_stays():
    one, two = straight(9, 0), straight(9, 1)
    ca_prob, bb_prob, low = density(one, two)
    long, short = strand(one - low, slice(3, 6)), strand(two - low, slice(4, 5))
    assert [b[:2] for b in _core.bridge_chains([long], ca_prob, bb_prob)] == [(0, 3)]
    assert [b[:2] for b in _core.bridge_chains([long, short], ca_prob, bb_prob)] == [(1, 4)]


@pytest.mark.parametrize(("missing", "bridged"), [(8, 1), (9, 0)])
def test_the_longest_gap(missing, bridged):
    chain = straight(15, 2)
    ca_prob, bb_prob, low = density(chain)
    assert len(_core.bridge_chains([strand(chain - low, slice(2, 2 + missing))], ca_prob, bb_prob)) == bridged


def test_what_is_out_of_reach_is_not_bridged():
    chain = straight(9, 0)
    ca_prob, bb_prob, low = density(chain)
    torn = np.concatenate([chain[:3], chain[5:]])
    assert _core.bridge_chains([strand(torn - low, slice(3, 4))], ca_prob, bb_prob) == []


def test_open_ends_are_not_bridged():
    chain = straight(9, 0)
    ca_prob, bb_prob, low = density(chain)
    for missing in (slice(0, 3), slice(6, 9), slice(0, 9)):
        assert _core.bridge_chains([strand(chain - low, missing)], ca_prob, bb_prob) == []


def test_another_copy_shows_the_way():
    """Without a map, the bridge goes where a symmetric chain has the residues."""
    chain = folded(0)[:20] + 20
    empty = np.zeros((40, 40, 40), np.float32)
    ((*_, alone, _),) = _core.bridge_chains([strand(chain, slice(8, 12))], empty, empty)
    ((*_, guided, _),) = _core.bridge_chains([strand(chain, slice(8, 12), chain)], empty, empty)
    assert np.linalg.norm(guided - chain[8:12], axis=1).max() < 1.5
    assert np.linalg.norm(alone - chain[8:12], axis=1).max() > 1.5


def model_of(chain, gaps):
    """A model of one chain without the residues of `gaps`."""
    positions = chain.copy()
    for gap in gaps:
        positions[gap] = np.nan
    placed = np.isfinite(positions[:, 0])
    candidates = np.where(placed, np.arange(len(chain)), -1)
    provenance = np.where(placed, Provenance.TRACED, Provenance.MISSING).astype(np.uint8)
    own = Chain(0, "A", positions, candidates, provenance, np.where(placed, 90, 0).astype(np.float32))
    return CalphaModel((Sequence("s", "A" * len(chain)),), (own,))


def test_bridged_residues_are_marked():
    chain, gap, bare = folded(1), slice(10, 13), slice(40, 42)
    ca_prob, bb_prob, low = density(np.concatenate([chain[:38], chain[44:]]))
    bb_prob[tuple(np.rint(chain[38:44] - low).astype(int).T)] = 0
    prediction = Prediction(ca_prob, bb_prob, np.zeros(0, np.int64), np.zeros((0, 20), np.float32), low)
    before = model_of(chain, [gap, bare])
    (after,) = bridge_gaps(before, prediction, BridgingConfig(), RunConfig(threads=1)).chains
    assert np.linalg.norm(after.positions[gap] - chain[gap], axis=1).max() < 2
    assert (after.provenance[gap] == Provenance.BRIDGED).all()
    assert (after.candidates[gap] == -1).all()
    (old,) = before.chains
    kept = old.placed()
    np.testing.assert_array_equal(after.positions[kept], old.positions[kept])
    (none,) = bridge_gaps(before, prediction, BridgingConfig(least_support=1.5), RunConfig(threads=1)).chains
    assert (none.placed() == kept).all()


def test_threads(same_on_all_threads):
    def step(*given, threads):
        found = _core.bridge_chains(*given, threads=threads)
        assert len(found) > 8
        return [[np.array([*bridge[:2], bridge[3]]), bridge[2]] for bridge in found]

    chain = folded(0)
    ca_prob, bb_prob, low = density(chain)
    missing = np.flatnonzero(np.arange(len(chain)) % 9 > 6)
    same_on_all_threads(step, [strand(chain - low, missing)], ca_prob, bb_prob)


def test_ctrl_c(interrupted):
    chain = folded(0)
    ca_prob, bb_prob, low = density(chain)
    chains = [strand(chain - low, np.flatnonzero(np.arange(len(chain)) % 9 > 3))] * 500
    with interrupted():
        _core.bridge_chains(chains, ca_prob, bb_prob, threads=1)


VOLUME = np.zeros((4, 5, 6), np.float32)
THREE = np.zeros((3, 3))


@pytest.mark.parametrize(
    ("chains", "ca_prob", "bb_prob", "error", "message"),
    [
        ([(THREE, THREE)], VOLUME * np.nan, VOLUME, ValueError, "ca_prob must be finite"),
        ([(THREE, THREE)], VOLUME, VOLUME * np.nan, ValueError, "bb_prob must be finite"),
        ([(THREE, THREE)], VOLUME.T, VOLUME.T, ValueError, "ca_prob must be C-contiguous"),
        ([(THREE, THREE)], VOLUME, VOLUME[:3], ValueError, "ca_prob and bb_prob must have the same shape"),
        ([(THREE, THREE)], VOLUME.astype(float), VOLUME, TypeError, "ca_prob"),
        ([(THREE, THREE[:2])], VOLUME, VOLUME, ValueError, "positions and expected must have the same length"),
        ([(THREE[:, :2], THREE)], VOLUME, VOLUME, ValueError, r"positions must have shape \(n, 3\), not \(3, 2\)"),
        ([(THREE, THREE[:, :2])], VOLUME, VOLUME, ValueError, r"expected must have shape \(n, 3\), not \(3, 2\)"),
        ([(np.asfortranarray(THREE), THREE)], VOLUME, VOLUME, ValueError, "positions must be C-contiguous"),
        ([(THREE.astype(np.float32), THREE)], VOLUME, VOLUME, TypeError, "chains"),
        ([(THREE + 1e300, THREE)], VOLUME, VOLUME, ValueError, "within 1e9 cells of the origin"),
    ],
)
def test_bad_input(chains, ca_prob, bb_prob, error, message):
    with pytest.raises(error, match=message):
        _core.bridge_chains(chains, ca_prob, bb_prob)
