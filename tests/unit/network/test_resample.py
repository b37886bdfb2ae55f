"""The 1 A grid: straight lines stay straight, peaks stay where they are, nothing folds back."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import map_coordinates

from emodelx.errors import InputError
from emodelx.network.resample import on_grid, to_working_grid
from emodelx.records import DensityMap

spacings = st.tuples(*[st.floats(0.3, 3.0)] * 3)
offsets = st.tuples(*[st.integers(-63, 63).map(lambda n: n / 16)] * 3)


def density(values, spacing, origin=(0.0, 0.0, 0.0)):
    return DensityMap(np.ascontiguousarray(values, np.float32), np.array(origin, float), np.array(spacing, float))


def positions(shape, spacing, origin):
    """Centres of the voxels in Angstrom, shape (nx, ny, nz, 3)."""
    return np.stack(np.meshgrid(*[np.arange(n) for n in shape], indexing="ij"), -1) * spacing + origin


def peak(shape, spacing, origin, place, sigma):
    return np.exp(-0.5 * ((positions(shape, spacing, origin) - place) ** 2).sum(-1) / sigma**2)


@settings(max_examples=60, deadline=None)
@given(spacing=spacings, shape=st.tuples(*[st.integers(2, 30)] * 3), slope=st.tuples(*[st.floats(-2, 2)] * 3))
def test_linear_functions_are_reproduced_exactly(spacing, shape, slope):
    origin = np.array([-7.0, 3.5, 11.0])
    out = to_working_grid(density(positions(shape, spacing, origin) @ slope + 3, spacing, origin))
    np.testing.assert_allclose(out.values, positions(out.values.shape, 1.0, origin) @ slope + 3, atol=2e-3)
    assert (out.origin == origin).all()
    assert (out.spacing == 1).all()


@settings(max_examples=40, deadline=None)
@given(spacing=spacings, seed=st.integers(0, 1000))
def test_a_planted_peak_stays_where_it_is(spacing, seed):
    rng = np.random.default_rng(seed)
    shape = tuple((30 / np.array(spacing)).astype(int) + 1)
    origin = rng.uniform(-50, 50, 3)
    place = origin + rng.uniform(10, 20, 3)
    out = to_working_grid(density(peak(shape, spacing, origin, place, 2.5), spacing, origin))
    weight = np.maximum(out.values, 0)[..., None] ** 2
    centre = (weight * positions(out.values.shape, 1.0, origin)).sum((0, 1, 2)) / weight.sum()
    np.testing.assert_allclose(centre, place, atol=0.05)


@settings(max_examples=20, deadline=None)
@given(spacing=st.tuples(*[st.floats(1.01, 3.0)] * 3), seed=st.integers(0, 1000))
def test_coarse_voxels_are_interpolated_as_scipy_does(spacing, seed):
    values = np.random.default_rng(seed).normal(size=(9, 8, 7)).astype(np.float32)
    out = to_working_grid(density(values, spacing))
    grid = np.moveaxis(positions(out.values.shape, 1.0, 0.0) / spacing, -1, 0)
    np.testing.assert_allclose(out.values, map_coordinates(values, grid, order=1, mode="nearest"), atol=1e-5)


def wave(frequency, spacing, size=40.0):
    """Plane wave along x; frequency in 1/A."""
    x = np.arange(int(size / spacing) + 1) * spacing
    return np.broadcast_to(np.cos(2 * np.pi * frequency * x)[:, None, None], (len(x), 4, 4))


@pytest.mark.parametrize("spacing", [0.35, 0.5, 0.65])
@pytest.mark.parametrize(
    ("frequency", "least", "most"), [(0.2, 0.9, 1.01), (0.3, 0.8, 1.01), (0.65, 0, 0.03), (0.75, 0, 0.01)]
)
def test_detail_that_the_grid_can_hold_passes_and_the_rest_does_not_fold_back(spacing, frequency, least, most):
    out = to_working_grid(density(wave(frequency, spacing), (spacing, 1.0, 1.0))).values[6:-6, 0, 0]
    left = np.sqrt(2 * np.mean(out**2))
    assert least <= left <= most


def test_without_the_low_pass_the_same_wave_folds_back():
    folded = wave(0.75, 0.5)[::2, 0, 0]
    assert np.sqrt(2 * np.mean(folded**2)) > 0.9


def test_a_map_on_the_grid_is_left_alone():
    on_grid = density(np.ones((4, 4, 4)), (1.0, 1.00005, 1.0))
    assert to_working_grid(on_grid) is on_grid


@pytest.mark.parametrize("spacing", [(0.2, 1, 1), (1, 1, 5)])
def test_impossible_voxel_sizes_are_refused(spacing):
    with pytest.raises(InputError, match=r"outside 0\.3 to 3 A"):
        to_working_grid(density(np.ones((4, 4, 4)), spacing))


def test_the_last_voxel_is_the_last_inside_the_input():
    assert to_working_grid(density(np.ones((11, 4, 101)), (0.5, 2.9, 0.7))).values.shape == (6, 9, 71)


@settings(max_examples=40, deadline=None)
@given(
    offset=offsets,
    shape=st.tuples(*[st.integers(1, 9)] * 3),
    seed=st.integers(0, 99),
)
def test_another_grid_has_the_values_between_the_voxels(offset, shape, seed):
    values = np.random.default_rng(seed).random((6, 7, 8), np.float32)
    whole = density(values, np.ones(3), (10.0, -20.0, 30.0))
    found = on_grid(whole, whole.origin + offset, shape)
    inside = np.moveaxis(positions(shape, 1.0, np.array(offset)), -1, 0)
    np.testing.assert_allclose(found, map_coordinates(values, inside, order=1, mode="constant"), atol=1e-5)
    assert found.dtype == np.float32


def test_the_same_grid_has_the_same_values():
    whole = density(np.random.default_rng(0).random((5, 6, 7)), np.ones(3), (1.5, 2.5, -3.5))
    assert np.array_equal(on_grid(whole, whole.origin, (5, 6, 7)), whole.values)
