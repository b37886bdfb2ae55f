"""A built model scores as the same model does when it is read from a file."""

import numpy as np
import pytest

from emodelx.io.atoms import read_model
from emodelx.records import AtomicModel, DensityMap, Sequence
from emodelx.scoring.agreement import Evidence, measure_agreement
from emodelx.scoring.built import score_built
from emodelx.scoring.density import model_density
from emodelx.scoring.geometry import measure_geometry
from emodelx.scoring.scatterers import scatterers_of, scatterers_of_built


@pytest.fixture
def model(peptide):
    chain = peptide("AGVLSFAKA")
    return AtomicModel((Sequence("s", "AGVLSFAKA"),), (chain,))


@pytest.fixture
def density(model):
    """The model's own density with noise; all around it as much again, which must not count."""
    atoms = model.atom_positions()
    shape = np.ceil(np.ptp(atoms, axis=0) + 60).astype(int)
    empty = DensityMap(np.zeros(shape, np.float32), atoms.min(axis=0) - 30, np.ones(3))
    values = model_density(scatterers_of_built(model), empty, 3.0)
    noise = np.random.default_rng(0).normal(0, 0.05, shape)
    return DensityMap((values + noise).astype(np.float32), empty.origin, empty.spacing)


def test_it_is_the_score_of_the_file(model, density, tmp_path, peptide_on_disk):
    file = read_model(peptide_on_disk(tmp_path / "m.cif", model.chains[0]))
    scatterers = scatterers_of(file)
    built = score_built(model, Evidence(density, 3.0), threads=1)
    expected = measure_agreement(scatterers, 9, Evidence(density, 3.0), has_b_factors=False, threads=1)
    assert built.agreement.fit.cc_mask == pytest.approx(expected.fit.cc_mask, abs=2e-3)
    assert built.agreement.fit.b_factor == expected.fit.b_factor
    np.testing.assert_allclose(built.agreement.correlations, expected.correlations, atol=5e-3)
    np.testing.assert_allclose(built.agreement.q_scores, expected.q_scores, atol=5e-3)
    geometry = measure_geometry(file.model, scatterers)
    assert built.geometry.clashscore == geometry.clashscore
    np.testing.assert_allclose(built.geometry.residues.phi, geometry.residues.phi, atol=0.2)


def test_without_a_map_there_is_no_agreement(model):
    assert score_built(model, None).agreement is None
