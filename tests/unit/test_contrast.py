"""Contrast of maps: equal strength of all details and everywhere, the frame of the prediction, empty volumes."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from emodelx.contrast import coarsened, read_contrast, whitened
from emodelx.records import DensityMap, Prediction

SHAPE = (60, 50, 40)


def prediction(bb=None, origin=0.0):
    empty = np.zeros(SHAPE, np.float32) if bb is None else bb
    return Prediction(
        empty, empty, np.zeros(0, np.int64), np.zeros((0, 20), np.float32), np.full(3, origin), resolution=5
    )


def blobs(faint=1.0):
    """Blobs, those of the far half fainter."""
    rng = np.random.default_rng(0)
    values = gaussian_filter(rng.normal(size=SHAPE), 2.0)
    values[30:] *= faint
    return (values / values.std()).astype(np.float32)


def test_faint_parts_count_as_much():
    found = read_contrast(prediction(), DensityMap(blobs(0.4), np.zeros(3), np.ones(3)))
    assert abs(found[5:20].std() - found[40:55].std()) < 0.25 * found.std()


def test_unit_and_origin_of_the_map_do_not_matter():
    values = blobs()
    fine = DensityMap(np.kron(values, np.ones((2, 2, 2), np.float32)) * 7, np.full(3, 9.75), np.full(3, 0.5))
    found = read_contrast(prediction(origin=10.0), fine)
    expected = read_contrast(prediction(), DensityMap(values, np.zeros(3), np.ones(3)))
    assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > 0.97


def test_the_network_alone_is_enough():
    found = read_contrast(prediction(np.abs(blobs())), None)
    assert found.dtype == np.float32
    assert abs(found.std() - 1) < 1e-4


def test_nothing_has_no_contrast():
    assert not read_contrast(prediction(), None).any()


def test_coarse_voxels_lie_on_fine_ones():
    values = gaussian_filter(np.random.default_rng(0).normal(size=SHAPE), 3).astype(np.float32)
    found = coarsened(values, 3)
    assert found.shape == (20, 17, 14)
    assert np.corrcoef(found.ravel(), values[::3, ::3, ::3].ravel())[0, 1] > 0.95


def amplitude(values, spacing):
    """Root mean square amplitude near a spacing, on the whole grid."""
    frequency = np.linalg.norm(np.meshgrid(*(np.fft.fftfreq(n) for n in values.shape), indexing="ij"), axis=0)
    near = np.abs(frequency - 1 / spacing) < 0.004
    return float(np.sqrt((np.abs(np.fft.fftn(values)[near]) ** 2).mean()))


@pytest.mark.parametrize("width", [1.0, 2.5])
def test_all_details_up_to_the_resolution_are_equally_strong(width):
    """However blurred a map is; beyond the resolution, and where only the outline of molecules shows, is nothing."""
    noise = np.random.default_rng(1).normal(size=SHAPE)
    found = whitened(gaussian_filter(noise, width, mode="wrap").astype(np.float32), 6.0)
    assert [round(amplitude(found, spacing), 1) for spacing in (9.0, 8.0, 7.1)] == [1.0] * 3
    assert amplitude(found, 5.0) < 0.01
    assert amplitude(found, 60.0) < 0.3


@pytest.mark.parametrize("shape", [SHAPE, (59, 47, 41)])
def test_a_map_that_fills_no_handy_box_is_whitened_alike(shape):
    noise = gaussian_filter(np.random.default_rng(2).normal(size=(70, 60, 50)), 1.5).astype(np.float32)
    part = tuple(slice(n) for n in shape)
    found, expected = whitened(noise[part], 6.0), whitened(noise, 6.0)[part]
    assert found.shape == shape
    inside = tuple(slice(10, n - 10) for n in shape)
    assert np.corrcoef(found[inside].ravel(), expected[inside].ravel())[0, 1] > 0.95


def test_an_empty_map_has_no_details():
    assert not whitened(np.full(SHAPE, 3, np.float32), 6.0).any()
