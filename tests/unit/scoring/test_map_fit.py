"""Model density against a direct sum, and correlations against slow twins."""

import gemmi
import numpy as np
import pytest

from emodelx.records import DensityMap
from emodelx.scoring.density import damped, model_density, squared_frequencies, structure_factors
from emodelx.scoring.map_fit import correlation, map_fit, molecular_mask, residue_correlations
from emodelx.scoring.scatterers import NO_RESIDUE, Scatterers

RESOLUTION = 3.0


@pytest.fixture
def scatterers():
    """Thirty atoms of ten residues, the last five outside the protein."""
    rng = np.random.default_rng(0)
    residues = np.append(np.repeat(np.arange(10), 2), np.full(10, NO_RESIDUE))
    return Scatterers(
        rng.uniform(8, 18, (30, 3)),
        rng.choice([6, 7, 8, 16], 30).astype(np.uint8),
        rng.uniform(0.3, 1, 30).astype(np.float32),
        rng.uniform(20, 90, 30).astype(np.float32),
        residues,
    )


@pytest.fixture
def empty_map():
    """A box of 24 x 25 x 26 A that is not at the origin, with voxels of different edges."""
    shape, spacing = (24, 20, 26), np.array([1.0, 1.25, 1.0])
    return DensityMap(np.zeros(shape, np.float32), np.array([1.0, 0.5, -0.3]), spacing)


def with_values(density, values):
    return DensityMap(values.astype(np.float32), density.origin, density.spacing)


def direct_sum(scatterers, density, indices):
    """F(h) = sum of occupancy, form factor, Debye-Waller factor and phase."""
    cell = density.spacing * density.values.shape
    terms = []
    for h in indices:
        squared = float(np.sum((h / cell) ** 2))
        total = 0
        for k, position in enumerate(scatterers.positions):
            form = gemmi.Element(int(scatterers.elements[k])).c4322.calculate_sf(squared / 4)
            damping = np.exp(-scatterers.b_factors[k] * squared / 4)
            phase = np.exp(-2j * np.pi * np.dot(h / cell, position - density.origin))
            total += scatterers.occupancy[k] * form * damping * phase
        terms.append(total)
    return np.array(terms)


def test_density_is_the_direct_sum(scatterers, empty_map):
    indices = np.array([[0, 0, 0], [1, 0, 0], [0, 2, 1], [-3, 1, 4], [5, -2, 3], [2, 6, 2]])
    terms = structure_factors(scatterers, empty_map, RESOLUTION)
    found = terms[tuple(indices.T)] * np.prod(empty_map.spacing)
    expected = direct_sum(scatterers, empty_map, indices)
    np.testing.assert_allclose(found, expected, atol=0.01 * abs(expected[0]))


def test_nothing_is_left_beyond_the_resolution(scatterers, empty_map):
    terms = structure_factors(scatterers, empty_map, RESOLUTION)
    beyond = squared_frequencies(empty_map) > RESOLUTION**-2
    assert beyond.any()
    assert not terms[beyond].any()


def test_a_model_fits_its_own_density(scatterers, empty_map):
    density = with_values(empty_map, 7 * model_density(scatterers, empty_map, RESOLUTION) - 2)
    fit, _ = map_fit(scatterers, density, RESOLUTION, has_b_factors=True)
    assert [fit.cc_mask, fit.cc_box, fit.cc_volume, fit.cc_peaks] == pytest.approx([1] * 4, abs=1e-5)
    assert fit.b_factor is None


@pytest.mark.parametrize("b_factor", [50, 130])
def test_a_planted_b_factor_is_found(scatterers, empty_map, b_factor):
    density = with_values(empty_map, model_density(damped(scatterers, b_factor), empty_map, RESOLUTION))
    fit, _ = map_fit(scatterers, density, RESOLUTION, has_b_factors=False)
    assert fit.b_factor == b_factor
    assert fit.cc_mask == pytest.approx(1, abs=1e-4)


def test_noise_does_not_fit(scatterers, empty_map):
    noise = np.random.default_rng(1).normal(size=empty_map.values.shape)
    assert abs(map_fit(scatterers, with_values(empty_map, noise), RESOLUTION, has_b_factors=True)[0].cc_box) < 0.1


def test_mask_is_around_the_atoms(scatterers, empty_map):
    mask = molecular_mask(scatterers, empty_map)
    places = np.argwhere(mask) * empty_map.spacing + empty_map.origin
    nearest = np.linalg.norm(places[:, None] - scatterers.positions, axis=2).min(axis=1)
    assert nearest.max() < 1.9 + 1.11
    assert mask[tuple(np.rint((scatterers.positions[0] - empty_map.origin) / empty_map.spacing).astype(int))]


@pytest.mark.parametrize("radius", [2.0, 3.3])
def test_residue_correlations_are_those_of_the_slow_twin(scatterers, empty_map, radius):
    rng = np.random.default_rng(2)
    density = with_values(empty_map, rng.normal(size=empty_map.values.shape))
    model = rng.normal(size=empty_map.values.shape).astype(np.float32)
    places = np.argwhere(np.ones(density.values.shape)) * density.spacing + density.origin
    found = residue_correlations(scatterers, density, model, radius, 10)
    for residue in range(10):
        mine = scatterers.positions[scatterers.residues == residue]
        near = np.linalg.norm(places[:, None] - mine, axis=2).min(axis=1) <= radius
        expected = np.corrcoef(density.values.ravel()[near], model.ravel()[near])[0, 1]
        assert found[residue] == pytest.approx(expected, abs=1e-5)


def test_residues_outside_have_no_correlation(scatterers, empty_map):
    far = Scatterers(
        scatterers.positions + 100, scatterers.elements, scatterers.occupancy, scatterers.b_factors, scatterers.residues
    )
    assert np.isnan(residue_correlations(far, empty_map, empty_map.values, 3.0, 10)).all()


def test_no_contrast_no_correlation():
    assert correlation(np.ones(5, np.float32), np.arange(5, dtype=np.float32)) == 0
    assert correlation(np.ones(1, np.float32), np.ones(1, np.float32)) == 0
