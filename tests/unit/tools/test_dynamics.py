"""Refinement by OpenMM: bent models come back, gaps stay open, what is incomplete rides along."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("openmm", reason="the extra 'refine'")

from emodelx.config import Engine, RunConfig
from emodelx.records import AtomicModel, DensityMap, Sequence
from emodelx.scoring.density import model_density
from emodelx.scoring.scatterers import scatterers_of_built
from emodelx.tools.engines import move_atoms

RUN = RunConfig(threads=1)
LETTERS = "AGVLAPAAGAGA"


@pytest.fixture
def truth(peptide):
    """A helix; side chains beyond Cbeta are not there, so valine, leucine and proline are incomplete."""
    return AtomicModel((Sequence("s", LETTERS),), (peptide(LETTERS),))


def density_of(model):
    atoms = model.atom_positions()
    shape = np.ceil(np.ptp(atoms, axis=0) + 16).astype(int)
    empty = DensityMap(np.zeros(shape, np.float32), atoms.min(axis=0) - 8, np.ones(3))
    scatterers = scatterers_of_built(model)
    return DensityMap(
        model_density(replace(scatterers, b_factors=scatterers.b_factors + 40), empty, 3.0),
        *(empty.origin, empty.spacing),
    )


def with_atoms(model, atoms):
    return replace(model, chains=(replace(model.chains[0], atoms=atoms),))


def rms(one, two):
    return np.sqrt(np.nanmean(((one.chains[0].atoms - two.chains[0].atoms) ** 2).sum(axis=-1)))


def test_a_bent_model_comes_back(truth):
    atoms = truth.chains[0].atoms
    bent = with_atoms(
        truth, atoms + np.sin(atoms[..., [1, 2, 0]] / 5) + np.random.default_rng(0).normal(0, 0.1, atoms.shape)
    )
    moved = move_atoms(Engine.OPENMM, bent, density_of(truth), "", None, RUN)
    assert rms(bent, truth) > 0.8
    assert rms(moved, truth) < 0.6 * rms(bent, truth)
    again = move_atoms(Engine.OPENMM, bent, density_of(truth), "", None, RUN)
    np.testing.assert_array_equal(moved.chains[0].atoms, again.chains[0].atoms)
    assert np.isfinite(moved.chains[0].atoms[..., 0]).tolist() == np.isfinite(atoms[..., 0]).tolist()


def test_gaps_stay_open(truth):
    """Residues 6 and 7 are missing; what follows is neither pulled over nor bonded, whatever the numbers say."""
    (chain,) = truth.chains
    rest = np.r_[0:5, 7:12]
    numbers = np.arange(10)
    part = replace(
        chain, numbers=numbers, types=chain.types[rest], atoms=chain.atoms[rest], confidence=chain.confidence[rest]
    )
    model = replace(truth, chains=(part,))
    moved = move_atoms(Engine.OPENMM, model, density_of(model), "", None, RUN)
    before, after = (np.linalg.norm(m.chains[0].atoms[5, 1] - m.chains[0].atoms[4, 1]) for m in (model, moved))
    assert before > 5
    assert abs(after - before) < 1.0


def test_what_cannot_be_simulated_stays_or_rides(truth):
    """A lone residue, and one without its carbonyl, stay; a cut side chain moves with its Calpha."""
    (chain,) = truth.chains
    atoms = chain.atoms.copy()
    atoms[1, 2] = np.nan  # parts residue 1 from the rest
    model = with_atoms(truth, atoms)
    moved = move_atoms(Engine.OPENMM, model, density_of(model), "", None, RUN).chains[0].atoms
    np.testing.assert_array_equal(moved[:2][np.isfinite(atoms[:2])], atoms[:2][np.isfinite(atoms[:2])])
    assert np.abs(moved[3:] - atoms[3:])[np.isfinite(atoms[3:])].max() > 0
    lone = with_atoms(truth, np.where(np.arange(12)[:, None, None] == 3, chain.atoms, np.nan))
    assert move_atoms(Engine.OPENMM, lone, density_of(truth), "", None, RUN) is lone
