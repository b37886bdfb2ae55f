"""Contrast of maps: equal strength everywhere, the frame of the prediction, empty volumes."""

import numpy as np
from scipy.ndimage import gaussian_filter

from emodelx.contrast import coarsened, read_contrast
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
