"""B factors that were planted in a simulated map come back; the profiles are those of atoms."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import spearmanr

from emodelx.config import BFactorConfig, RunConfig
from emodelx.constants import AMINO_ACIDS, HEAVY_ATOMS, MOST_ATOMS
from emodelx.demo.assembly import build_complex
from emodelx.errors import InputError
from emodelx.records import AtomicChain, AtomicModel, DensityMap, Sequence
from emodelx.scoring.density import model_density
from emodelx.scoring.scatterers import Scatterers, scatterers_of_built
from emodelx.stages.bfactors import SQUARE_STEP, _joined, _profiles, fit_b_factors

RUN = RunConfig(threads=1)


@pytest.fixture(scope="module")
def truth():
    """A chain whose B factors rise and fall between 25 and 120."""
    made = build_complex(7)["A"]
    atoms = np.full((len(made.sequence), MOST_ATOMS, 3), np.nan)
    for name, residue, place in zip(made.names, made.residues, made.xyz, strict=True):
        atoms[residue, HEAVY_ATOMS[made.sequence[residue]].split().index(name)] = place
    n = len(made.sequence)
    types = np.array([AMINO_ACIDS.index(letter) for letter in made.sequence], np.uint8)
    b_factors = (25 * np.exp(1.57 * np.sin(np.arange(n) / 9) ** 2)).astype(np.float32)
    chain = AtomicChain("A", 0, np.arange(n), types, atoms, np.full(n, 90, np.float32), b_factors)
    return AtomicModel((Sequence("s", made.sequence),), (chain,))


def simulated(model, resolution, noise, step=1.0):
    atoms = model.atom_positions()
    shape = np.ceil((np.ptp(atoms, axis=0) + 20) / step).astype(int)
    empty = DensityMap(np.zeros(shape, np.float32), atoms.min(axis=0) - 10, np.full(3, step))
    values = model_density(scatterers_of_built(model), empty, resolution)
    rough = np.random.default_rng(0).normal(0, noise * values.std(), shape)
    return DensityMap((3 * (values + rough) - 1).astype(np.float32), empty.origin, empty.spacing)


@pytest.mark.parametrize(("resolution", "noise", "step"), [(2.5, 0, 1.0), (3.2, 0.5, 1.0), (3.2, 0.5, 0.4)])
def test_planted_b_factors_come_back(truth, resolution, noise, step):
    (planted,) = truth.chains
    blank = replace(truth, chains=(replace(planted, b_factors=None),))
    fitted = fit_b_factors(blank, simulated(truth, resolution, noise, step), resolution, BFactorConfig(), RUN)
    found = fitted.chains[0].b_factors
    assert spearmanr(found, planted.b_factors)[0] > 0.95
    assert np.median(found / planted.b_factors) == pytest.approx(1, abs=0.08)
    assert np.std(np.log(found / planted.b_factors)) < 0.15
    np.testing.assert_array_equal(fitted.chains[0].atoms, planted.atoms)


def test_a_profile_is_the_density_of_an_atom():
    """Against gemmi's density of one atom, at the same cut."""
    table = _profiles(3.0, 100.0)
    empty = DensityMap(np.zeros((60, 60, 60), np.float32), np.zeros(3), np.full(3, 0.5))
    for kind, (element, b_factor) in enumerate([(6, 20.0), (7, 40.0), (8, 60.0), (16, 100.0)]):
        one = Scatterers(
            np.full((1, 3), 15.0), np.array([element], np.uint8), np.ones(1, np.float32),
            np.array([b_factor], np.float32), np.zeros(1, np.int64),
        )  # fmt: skip
        line = model_density(one, empty, 3.0)[30, 30, 30:40]
        squares = (0.5 * np.arange(10)) ** 2 / SQUARE_STEP
        row = table[kind, round(b_factor / 5)]
        expected = np.interp(squares, np.arange(len(row)), row)
        np.testing.assert_allclose(line, expected, atol=0.01 * line.max())


def test_neighbours_are_those_along_chains(truth):
    (chain,) = truth.chains
    part = replace(
        chain, numbers=np.array([3, 4, 6]), types=chain.types[:3], atoms=chain.atoms[:3],
        confidence=chain.confidence[:3], b_factors=None,
    )  # fmt: skip
    first, second = _joined(AtomicModel(truth.sequences, (part, replace(part, name="B"))))
    assert list(zip(first.tolist(), second.tolist(), strict=True)) == [(0, 1), (3, 4)]


def test_the_prior_rules_where_the_map_is_empty(truth):
    """Without contrast every B factor is the same."""
    flat = simulated(truth, 3.0, 0)
    flat = replace(flat, values=np.zeros_like(flat.values))
    found = fit_b_factors(truth, flat, 3.0, BFactorConfig(), RUN).chains[0].b_factors
    assert np.ptp(found) < 1e-3


def test_a_model_outside_the_map_is_refused(truth):
    away = simulated(truth, 3.0, 0)
    away = replace(away, origin=away.origin + 500)
    with pytest.raises(InputError, match="outside the map"):
        fit_b_factors(truth, away, 3.0, BFactorConfig(), RUN)
