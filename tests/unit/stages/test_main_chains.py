"""Chains without sequences: which of them get a main chain, and what the model of all of them holds."""

from dataclasses import replace

import numpy as np
import pytest

from emodelx.config import RunConfig
from emodelx.constants import AMINO_ACIDS, SURE_WAY
from emodelx.demo.fold import fold
from emodelx.records import CalphaModel, Chain, Prediction, Sequence
from emodelx.stages.atoms import build_atoms
from emodelx.stages.main_chains import as_alanines, with_calphas

RESIDUES = "LKWGXPFGAA"
N, CA, C, CARBONYL_O, CB, BEYOND = range(6)


@pytest.fixture
def traced():
    """Three chains; which way the middle one runs is not known. The first lacks a residue."""
    calphas = fold("LLHHHHHHLL", np.random.default_rng(1)).xyz[:, CA]

    def chain(number, name, forward):
        positions = calphas + 40.0 * number
        n = len(positions)
        return Chain(
            number, name, positions, np.arange(n), np.ones(n, np.uint8), np.full(n, 90, np.float32), forward=forward
        )

    chains = [chain(0, "A", SURE_WAY), chain(1, "B", SURE_WAY - 0.1), chain(2, "C", 2 * SURE_WAY)]
    chains[0] = chains[0].only(np.arange(len(RESIDUES)) != 5)
    return CalphaModel(tuple(Sequence(f"traced_{c.name}", RESIDUES, (c.name,)) for c in chains), tuple(chains))


@pytest.fixture
def prediction():
    flat = np.full((3, 3, 3), 0.1, np.float32)
    return Prediction(flat, flat, np.zeros(0, np.int64), np.zeros((0, 20), np.float32), np.zeros(3))


def build(traced, prediction):
    return with_calphas(traced, build_atoms(as_alanines(traced), prediction, None, RunConfig(threads=1)))


def test_only_chains_whose_direction_is_known_become_stubs(traced):
    stubs = as_alanines(traced)
    assert [chain.name for chain in stubs.chains] == ["A", "C"]
    assert [sequence.residues for sequence in stubs.sequences] == ["AAAGXAAGAA"] * 3


def test_the_model_has_every_chain_with_the_types_that_were_read(traced, prediction):
    model = build(traced, prediction)
    assert model.sequences == traced.sequences
    assert [chain.name for chain in model.chains] == ["A", "B", "C"]
    for chain, old in zip(model.chains, traced.chains, strict=True):
        np.testing.assert_array_equal(chain.numbers, np.flatnonzero(old.placed()))


def test_main_chains_end_at_the_cbeta(traced, prediction):
    first, unknown, last = build(traced, prediction).chains
    for chain in (first, last):
        filled = np.isfinite(chain.atoms[..., 0])
        assert filled[:, [N, CA, C, CARBONYL_O]].all()
        bare = np.array([RESIDUES[number] in "GX" for number in chain.numbers])
        np.testing.assert_array_equal(filled[:, CB], ~bare)
        assert not filled[:, BEYOND:].any()
    np.testing.assert_array_equal(np.isfinite(unknown.atoms[..., 0]).sum(axis=1), 1)
    np.testing.assert_array_equal(unknown.atoms[:, CA], traced.chains[1].positions)
    assert [AMINO_ACIDS[t] for t in unknown.types if t != AMINO_ACIDS.index("A")] == list("LKWGPFG")


def test_without_directions_all_chains_hold_calphas(traced, prediction):
    blind = replace(traced, chains=tuple(replace(chain, forward=0.0) for chain in traced.chains))
    assert as_alanines(blind).chains == ()
    model = build(blind, prediction)
    assert model.atom_count() == model.residue_count() == traced.placed_count()
