"""Places with nothing but noise, against a slow twin, in noise of several kinds and beside a planted molecule."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from emodelx.network.noise import AROUND, BLOCK, HIGHEST, excess, take_out_noise
from emodelx.network.normalise import SPECTRUM, normalise


def noise(shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def by_loops(values):
    """The same, block by block."""
    cubes = np.clip(values.astype(np.float64), -HIGHEST, HIGHEST) ** 3
    sums = np.zeros([-(-n // BLOCK) for n in values.shape])
    for place in np.ndindex(*sums.shape):
        sums[place] = cubes[tuple(slice(BLOCK * p, BLOCK * (p + 1)) for p in place)].sum()
    found = np.zeros_like(sums)
    for place in np.ndindex(*sums.shape):
        near = sums[tuple(slice(max(p - AROUND, 0), p + AROUND + 1) for p in place)]
        found[place] = near.sum() / np.sqrt((near**2).sum())
    return found


@given(
    shape=st.tuples(st.integers(1, 30), st.integers(20, 70), st.integers(50, 60)),
    seed=st.integers(0, 99),
    shift=st.floats(-1, 1),
)
@settings(max_examples=15, deadline=None)
def test_every_block_weighs_what_is_around_it(shape, seed, shift):
    values = noise(shape, seed) + np.float32(shift)
    found = excess(values)
    np.testing.assert_allclose(found, by_loops(values), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(excess(-values), -found, atol=1e-6)


@pytest.mark.parametrize("blur", [0.0, 0.8, 1.3])
@pytest.mark.parametrize("in_a_ball", [False, True])
def test_nothing_is_left_of_noise(blur, in_a_ball):
    values = gaussian_filter(noise((72, 60, 66), seed=4), blur)
    if in_a_ball:
        values[np.linalg.norm(np.indices(values.shape) - 32.0, axis=0) > 26] = 0
    assert not normalise(values, SPECTRUM, 3.0).values.any()


def test_nothing_is_left_of_a_molecule_that_is_dark():
    values = -beside_a_molecule()
    take_out_noise(values)
    assert not values[:24].any()


def test_a_molecule_stays_and_noise_far_from_it_goes():
    values = beside_a_molecule()
    kept = values.copy()
    take_out_noise(kept)
    reach = BLOCK * (AROUND + 1)
    assert np.array_equal(kept[:24], values[:24])
    assert not kept[24 + reach + BLOCK :].any()


def test_a_small_map_of_a_molecule_is_kept():
    values = beside_a_molecule()[:26, :28, :27]
    kept = values.copy()
    take_out_noise(kept)
    assert np.array_equal(kept, values)


def test_nothing_is_left_of_a_small_map_of_noise():
    assert not normalise(gaussian_filter(noise((30, 28, 26)), 0.8), SPECTRUM, 3.0).values.any()


def test_a_single_bright_atom_is_no_molecule():
    values = noise((64, 64, 64)) * np.float32(0.46)
    values[30:33, 30:33, 30:33] = 1000
    take_out_noise(values)
    assert not values.any()


def beside_a_molecule():
    """Noise, and at one end of it atoms."""
    values = noise((150, 40, 40)) * np.float32(0.2)
    atoms = np.random.default_rng(1).integers(2, [22, 38, 38], (400, 3))
    shown = np.zeros_like(values)
    shown[tuple(atoms.T)] = 1
    return values + 16 * gaussian_filter(shown, 1.0)
