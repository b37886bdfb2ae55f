"""Confidence of residues."""

import numpy as np
import pytest

from emodelx.constants import AMINO_ACIDS
from emodelx.records import CalphaModel, Candidates, Chain, Provenance, Sequence
from emodelx.stages.confidence import INTERCEPT, WEIGHTS, rate_confidence

LENGTH = 40
RESIDUES = "".join(AMINO_ACIDS[(7 * i) % 20] for i in range(LENGTH))


def candidates_that_read(residues, certainty):
    """One candidate per residue on a straight chain; the rest of the probability is spread evenly."""
    types = np.full((len(residues), 20), (1 - certainty) / 19, np.float32)
    types[np.arange(len(residues)), [AMINO_ACIDS.index(r) for r in residues]] = certainty
    positions = np.arange(len(residues))[:, None] * np.array([3.8, 0.0, 0.0])
    score = np.ones(len(residues), np.float32)
    return Candidates(positions, score, score, types)


def chain_on(candidates, provenance=Provenance.TRACED):
    n = len(candidates)
    return Chain(
        0,
        "A",
        candidates.positions.copy(),
        np.arange(n),
        np.full(n, provenance, np.uint8),
        np.zeros(n, np.float32),
    )


def rated(chain, candidates, residues=RESIDUES):
    sequence = Sequence("s", residues)
    return rate_confidence(CalphaModel((sequence,), (chain,)), candidates, (sequence,)).chains[0].confidence


def slow_confidence(chain, candidates, residues, i):
    """The regression of one residue, written out."""
    odds = candidates.type_odds()
    inside = range(len(residues))

    def types(width):
        around = [j for j in range(i - width, i + width + 1) if j in inside and chain.candidates[j] >= 0]
        read = [np.log(odds[chain.candidates[j], AMINO_ACIDS.index(residues[j])]) for j in around]
        return sum(read) / max(len(read), 1)

    traced = sum(chain.provenance[j] == Provenance.TRACED for j in range(i - 10, i + 11) if j in inside) / 21
    stretch = 0.0
    for j in (i - 1, i, i + 1):
        if j not in inside:
            continue
        gap = np.linalg.norm(chain.positions[j] - chain.positions[j - 1]) if j > 0 else np.nan
        stretch += (abs(gap - 3.8) if np.isfinite(gap) else 1.5) / 3
    origin = chain.provenance[i]
    filling = (Provenance.THREADED, Provenance.BRIDGED, Provenance.EXTENDED, Provenance.TEMPLATE)
    evidence = [types(3), types(8), traced, stretch, *(origin == filled for filled in filling)]
    return 100 / (1 + np.exp(-(INTERCEPT + np.dot(WEIGHTS, evidence))))


def test_equals_the_slow_twin():
    generator = np.random.default_rng(3)
    candidates = candidates_that_read(RESIDUES, 0.4)
    chain = chain_on(candidates)
    chain.positions[:] += generator.normal(0, 0.4, chain.positions.shape)
    chain.provenance[10:14] = Provenance.THREADED
    chain.provenance[20:23] = Provenance.BRIDGED
    chain.candidates[20:23] = -1
    chain.provenance[38:] = Provenance.EXTENDED
    chain.candidates[38:] = -1
    chain.provenance[30:33] = Provenance.MISSING
    chain.candidates[30:33] = -1
    chain.positions[30:33] = np.nan
    found = rated(chain, candidates)
    for i in np.flatnonzero(chain.placed()):
        assert found[i] == pytest.approx(slow_confidence(chain, candidates, RESIDUES, i), abs=0.01)
    assert (found[30:33] == 0).all()


def test_types_that_fit_make_confident_and_others_do_not():
    candidates = candidates_that_read(RESIDUES, 0.6)
    chain = chain_on(candidates)
    assert rated(chain, candidates).min() > 90
    assert rated(chain, candidates, RESIDUES[1:] + RESIDUES[0]).max() < 30


@pytest.mark.parametrize("doubtful", [Provenance.THREADED, Provenance.BRIDGED, Provenance.EXTENDED])
def test_what_was_filled_in_is_less_sure(doubtful):
    candidates = candidates_that_read(RESIDUES, 0.3)
    assert (rated(chain_on(candidates, doubtful), candidates) < rated(chain_on(candidates), candidates)).all()


def test_chains_shorter_than_the_neighbourhood():
    candidates = candidates_that_read(RESIDUES[:4], 0.5)
    assert rated(chain_on(candidates), candidates, RESIDUES[:4]).shape == (4,)


def test_unknown_types_say_nothing():
    candidates = candidates_that_read(RESIDUES, 0.5)
    found = rated(chain_on(candidates), candidates, "X" * LENGTH)
    assert np.isfinite(found).all()
    assert found.max() < rated(chain_on(candidates), candidates).min()
