"""Masks: on the same grid, by position on another grid, and what cannot be a mask."""

import numpy as np
import pytest

from emodelx.errors import InputError
from emodelx.io.maps import write_map
from emodelx.io.masks import read_mask
from emodelx.records import DensityMap


def grid(shape, origin=(0, 0, 0), spacing=(1, 1, 1), fill=0.0):
    return DensityMap(np.full(shape, fill, np.float32), np.array(origin, float), np.array(spacing, float))


def saved(folder, mask):
    path = folder / "mask.mrc"
    write_map(path, mask)
    return path


def slow_resample(mask, density):
    """Trilinear, voxel by voxel; 0 beyond the mask's grid."""
    result = np.zeros(density.values.shape)
    for index in np.ndindex(result.shape):
        at = (density.origin + index * density.spacing - mask.origin) / mask.spacing
        low = np.floor(at).astype(int)
        for corner in np.ndindex(2, 2, 2):
            neighbour = low + corner
            if (neighbour >= 0).all() and (neighbour < mask.values.shape).all():
                result[index] += mask.values[tuple(neighbour)] * np.prod(1 - abs(at - neighbour))
    return result


def test_mask_on_the_grid_of_the_map_is_taken_as_it_is(tmp_path):
    mask = grid((9, 10, 11), origin=(3, 4, 5), spacing=(1.1, 1.2, 1.3))
    mask.values[:] = np.random.default_rng(0).random(mask.values.shape)
    np.testing.assert_array_equal(read_mask(saved(tmp_path, mask), mask), mask.values)


@pytest.mark.parametrize("seed", range(3))
def test_mask_on_another_grid_is_resampled_by_position(tmp_path, seed):
    rng = np.random.default_rng(seed)
    mask = grid((8, 9, 10), origin=rng.uniform(-3, 3, 3).round(2), spacing=(0.75, 1.5, 1.25))
    mask.values[:] = rng.random(mask.values.shape)
    density = grid((9, 7, 8), origin=(0.5, -0.5, 1), spacing=(1, 1.25, 0.5))
    found = read_mask(saved(tmp_path, mask), density)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, slow_resample(mask, density), atol=1e-4)


def test_constant_mask_keeps_everything(tmp_path):
    mask = grid((9, 9, 9), fill=1)
    assert (read_mask(saved(tmp_path, mask), mask) == 1).all()


def test_slight_overshoot_is_clipped(tmp_path):
    mask = grid((9, 9, 9))
    mask.values[4, 4, 4], mask.values[0, 0, 0] = 1.02, -0.03
    found = read_mask(saved(tmp_path, mask), mask)
    assert (found.min(), found.max()) == (0, 1)


@pytest.mark.parametrize(("value", "text"), [(255, "0 to 255"), (-0.2, "-0.2 to 0"), (1.2, "0 to 1.2")])
def test_values_of_no_mask_are_named(tmp_path, value, text):
    mask = grid((9, 9, 9))
    mask.values[4, 4, 4] = value
    with pytest.raises(InputError, match=text):
        read_mask(saved(tmp_path, mask), mask)


def test_mask_beside_the_map_is_named_with_both_boxes(tmp_path):
    mask = grid((9, 9, 9), origin=(100, 0, 0), fill=1)
    with pytest.raises(InputError, match=r"x 100 to 108 A.*leaves nothing of the map.*x 0 to 8 A"):
        read_mask(saved(tmp_path, mask), grid((9, 9, 9)))


def test_mask_of_zeros_is_named(tmp_path):
    with pytest.raises(InputError, match="leaves nothing"):
        read_mask(saved(tmp_path, grid((9, 9, 9))), grid((9, 9, 9)))
