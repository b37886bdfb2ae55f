"""All atoms of models with gaps, unknown residues and broken chains."""

from dataclasses import replace

import numpy as np
import pytest

from emodelx.config import RunConfig
from emodelx.constants import AMINO_ACIDS, HEAVY_ATOMS
from emodelx.demo.fold import fold
from emodelx.records import CalphaModel, Chain, DensityMap, Prediction, Sequence
from emodelx.stages.atoms import build_atoms

RUN = RunConfig(threads=1)
PLAN = "LLLHHHHHHHHHHHHLLLLEEEEEELLLEEEEEELLL"
RESIDUES = "MAGUXOCDEFHIKLNPQRSTVWYACDEFGHIKLMNPQ"
N, CA, C, CARBONYL_O, CB = range(5)


@pytest.fixture
def truth():
    return fold(PLAN, np.random.default_rng(0)).xyz + np.array([20, -30, 40])


@pytest.fixture
def model(truth):
    """Two chains of one sequence; the first lacks two stretches, a third is not built at all."""

    def chain(name, shift, missing):
        positions = truth[:, CA] + shift
        positions[missing] = np.nan
        n = len(positions)
        confidence = np.where(np.isnan(positions[:, 0]), 0, 50 + np.arange(n)).astype(np.float32)
        return Chain(0, name, positions, np.full(n, -1), np.ones(n, np.uint8), confidence)

    everything = slice(None)
    chains = (chain("A", 0, [9, 10, 25]), chain("B", 60, []), chain("C", 0, everything))
    return CalphaModel((Sequence("s", RESIDUES, (), 3),), chains)


@pytest.fixture
def prediction(truth):
    low = np.floor(truth.min(axis=(0, 1))) - 3
    shape = np.ceil(truth.max(axis=(0, 1)) - low + 3).astype(int)
    flat = np.full(shape, 0.1, np.float32)
    return Prediction(flat, flat, np.zeros(0, np.int64), np.zeros((0, 20), np.float32), low)


def bond(atoms, i):
    """Length of the peptide bond after residue i."""
    return np.linalg.norm(atoms[i + 1, N] - atoms[i, C])


def test_every_residue_has_its_atoms(model, prediction):
    built = build_atoms(model, prediction, None, RUN)
    assert [chain.name for chain in built.chains] == ["A", "B"]
    for chain, old in zip(built.chains, model.chains, strict=False):
        placed = np.flatnonzero(old.placed())
        np.testing.assert_array_equal(chain.numbers, placed)
        np.testing.assert_array_equal(chain.confidence, old.confidence[placed])
        for number, kind, atoms in zip(chain.numbers, chain.types, chain.atoms, strict=True):
            stands = {"U": "C", "O": "K", "X": "G"}.get(RESIDUES[number], RESIDUES[number])
            assert AMINO_ACIDS[kind] == stands
            assert np.isfinite(atoms[:, 0]).sum() == len(HEAVY_ATOMS[stands].split())
        np.testing.assert_allclose(chain.atoms[:, CA], old.positions[placed], atol=0.1)


def test_neighbours_are_bonded_and_gaps_are_not(model, prediction):
    first, _ = build_atoms(model, prediction, None, RUN).chains
    for i, step in enumerate(np.diff(first.numbers)):
        if step == 1:
            assert bond(first.atoms, i) == pytest.approx(1.33, abs=0.05)
        else:
            assert bond(first.atoms, i) > 2


def test_a_torn_chain_is_not_bonded(model, prediction):
    positions = model.chains[1].positions.copy()
    positions[20:] += 0.6 * (positions[20] - positions[19])
    torn = replace(model, chains=(replace(model.chains[1], positions=positions),))
    (chain,) = build_atoms(torn, prediction, None, RUN).chains
    assert bond(chain.atoms, 18) == pytest.approx(1.33, abs=0.05)
    assert bond(chain.atoms, 19) > 1.6


def test_residues_are_left_handed(model, prediction):
    for chain in build_atoms(model, prediction, None, RUN).chains:
        n, ca, c, cb = (chain.atoms[:, slot] for slot in (N, CA, C, CB))
        volume = (np.cross(n - ca, c - ca) * (cb - ca)).sum(axis=1)
        assert (volume[np.isfinite(volume)] > 2).all()


def test_the_map_is_followed(model, prediction, truth):
    """A blob where each carbonyl oxygen is puts them there, wherever the map begins and however fine it is."""
    oxygens = truth[1:-1, CARBONYL_O]
    low = truth.min(axis=(0, 1)) - 5
    shape = np.ceil((truth.max(axis=(0, 1)) + 5 - low) / 0.8).astype(int)
    grid = low + 0.8 * np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1)
    values = sum(np.exp(-2 * ((grid - o) ** 2).sum(axis=-1)) for o in [*oxygens, *truth[:, CA]])
    density = DensityMap(values.astype(np.float32), low, np.full(3, 0.8))
    whole = replace(model, chains=(replace(model.chains[1], positions=truth[:, CA]),))
    off = []
    for given in (None, density):
        (chain,) = build_atoms(whole, prediction, given, RUN).chains
        off.append(np.linalg.norm(chain.atoms[1:-1, CARBONYL_O] - oxygens, axis=1).mean())
    assert off[1] < min(0.35, off[0])


def test_a_map_elsewhere_says_nothing(model, prediction):
    away = DensityMap(np.ones((4, 4, 4), np.float32), np.full(3, 1e4), np.ones(3))
    chains = build_atoms(model, prediction, away, RUN).chains
    assert all(np.isfinite(chain.atoms[:, :4]).all() for chain in chains)


def test_nothing_built_has_no_atoms(model, prediction):
    empty = replace(model, chains=model.chains[2:])
    assert build_atoms(empty, prediction, None, RUN).chains == ()


def test_calphas_follow_the_atoms(model, prediction):
    built = build_atoms(model, prediction, None, RUN)
    followed = model.calphas_of(built)
    for old, new, chain in zip(model.chains, followed.chains, built.chains, strict=False):
        np.testing.assert_array_equal(new.positions[chain.numbers], chain.atoms[:, CA])
        np.testing.assert_array_equal(new.placed(), old.placed())
    assert followed.chains[2] is model.chains[2]


def test_models_without_side_chains_hold_the_calphas(model):
    bare = model.without_side_chains()
    assert bare.atom_count() == model.placed_count()
    np.testing.assert_array_equal(bare.chains[1].atoms[:, CA], model.chains[1].positions)
