"""Grid DBSCAN beside scikit-learn on the voxels of a map; read the ratio of the two lines."""

import numpy as np
import pytest
from sklearn.cluster import DBSCAN

from emodelx import _core


@pytest.fixture(scope="module")
def voxels():
    """20,000 voxels in blobs, with about 600 neighbours within 10 A each."""
    rng = np.random.default_rng(0)
    blobs = rng.uniform(0, 100, (2000, 1, 3)) + rng.normal(0, 1.5, (2000, 12, 3))
    return np.unique(blobs.round().reshape(-1, 3), axis=0)


def test_grid(benchmark, voxels):
    benchmark(_core.dbscan, voxels, 10.0, 10)


def test_scikit_learn(benchmark, voxels):
    benchmark.pedantic(DBSCAN(eps=10.0, min_samples=10).fit, (voxels,), rounds=2)
