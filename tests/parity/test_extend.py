"""Extension against its twin, and ends taken off planted main chain."""

import numpy as np
import pytest
from folds import folded
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import extend as slow
from planted import helix
from test_bridge import density, in_noise, model_of, straight, strand

from emodelx import _core
from emodelx.config import RunConfig
from emodelx.records import Prediction, Provenance
from emodelx.stages.extend import extend_ends


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), before=st.integers(0, 6), after=st.integers(0, 6), alone=st.booleans())
def test_extensions(seed, before, after, alone):
    """A helix in noise, one or two of its residues placed, and beside it a chain with a gap."""
    others, ca_prob, bb_prob = in_noise(seed, 2, beside=True)
    rng = np.random.default_rng(seed)
    placed = 1 if alone else 2
    chain = helix(before + placed + after) + rng.uniform(2, 14, 3)
    expected = np.where(rng.random((len(chain), 1)) < 0.3, chain + rng.normal(0, 1, chain.shape), np.nan)
    ends = np.r_[:before, before + placed : len(chain)]
    problem = [strand(chain, ends, expected), others[0]], ca_prob, bb_prob
    found, expected = _core.extend_chains(*problem, threads=1), slow.extend(*problem)
    assert [extension[:2] for extension in found] == [extension[:2] for extension in expected]
    for (*_, points, support), (*_, way, mean) in zip(found, expected, strict=True):
        np.testing.assert_allclose(points, way, atol=1e-9)
        assert support == pytest.approx(mean, rel=1e-5)


def test_the_twin_finds_both_ends():
    """The comparison above says something only if there are extensions at both ends."""
    chain = folded(0)[:30]
    ca_prob, bb_prob, low = density(chain)
    problem = [strand(chain - low, np.r_[:3, 27:30])], ca_prob, bb_prob
    assert [extension[:2] for extension in slow.extend(*problem)] == [(0, 0), (0, 27)]
    assert [extension[:2] for extension in _core.extend_chains(*problem)] == [(0, 0), (0, 27)]


@pytest.mark.parametrize("seed", range(4))
def test_planted_ends_come_back(seed):
    """One to four residues are taken off both ends; most come back where they were."""
    chain = folded(seed)[:40]
    ca_prob, bb_prob, low = density(chain)
    error = []
    for missing in range(1, 5):
        ends = np.r_[:missing, 40 - missing : 40]
        for _, first, points, support in _core.extend_chains([strand(chain - low, ends)], ca_prob, bb_prob):
            assert support > 0.3
            error += list(np.linalg.norm(points + low - chain[first : first + len(points)], axis=1))
    assert len(error) >= 18
    assert np.mean(np.array(error) < 2) > 0.9


def test_no_further_than_four_residues():
    chain = straight(15, 2)
    ca_prob, bb_prob, low = density(chain)
    ((_, first, points, _),) = _core.extend_chains([strand(chain - low, slice(9, 15))], ca_prob, bb_prob)
    assert (first, len(points)) == (9, 4)


def test_no_further_than_the_main_chain_and_the_sequence():
    chain = folded(0)[:24]
    ca_prob, bb_prob, low = density(chain[:20])
    assert _core.extend_chains([strand(chain[:20] - low)], ca_prob, bb_prob) == []
    assert _core.extend_chains([strand(chain - low, slice(20, 24))], ca_prob, bb_prob) == []
    ((_, first, points, _),) = _core.extend_chains([strand(chain - low, slice(19, 24))], ca_prob, bb_prob)
    assert first == 19
    assert len(points) <= 2


def test_a_chain_without_residues_has_no_ends():
    nothing = np.full((5, 3), np.nan)
    volume = np.ones((9, 9, 9), np.float32)
    assert _core.extend_chains([(nothing, nothing)], volume, volume) == []


def test_extended_residues_are_marked():
    chain, tail = folded(1)[:20], slice(17, 20)
    ca_prob, bb_prob, low = density(chain)
    prediction = Prediction(ca_prob, bb_prob, np.zeros(0, np.int64), np.zeros((0, 20), np.float32), low)
    before = model_of(chain, [tail])
    (after,) = extend_ends(before, prediction, RunConfig(threads=1)).chains
    assert np.linalg.norm(after.positions[tail] - chain[tail], axis=1).max() < 2
    assert (after.provenance[tail] == Provenance.EXTENDED).all()
    assert (after.candidates[tail] == -1).all()
    kept = before.chains[0].placed()
    np.testing.assert_array_equal(after.positions[kept], before.chains[0].positions[kept])


def test_threads(same_on_all_threads):
    def step(*given, threads):
        found = _core.extend_chains(*given, threads=threads)
        assert len(found) == 12
        return [[np.array([*extension[:2], extension[3]]), extension[2]] for extension in found]

    chains = [folded(seed)[:20] + np.array([60.0 * seed, 0, 0]) for seed in range(6)]
    ca_prob, bb_prob, low = density(*chains)
    same_on_all_threads(step, [strand(chain - low, np.r_[:2, 18:20]) for chain in chains], ca_prob, bb_prob)


def test_ctrl_c(interrupted):
    chain = folded(0)
    ca_prob, bb_prob, low = density(chain)
    with interrupted():
        _core.extend_chains([strand(chain - low, slice(0, 4))] * 20_000, ca_prob, bb_prob, threads=1)


def test_bad_input():
    volume, three = np.zeros((4, 5, 6), np.float32), np.zeros((3, 3))
    with pytest.raises(ValueError, match="bb_prob must be finite"):
        _core.extend_chains([(three, three)], volume, volume * np.nan)
    with pytest.raises(ValueError, match="positions and expected must have the same length"):
        _core.extend_chains([(three, three[:2])], volume, volume)
