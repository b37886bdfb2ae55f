"""The part of a map that a quick look reads."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from emodelx.config import BuildConfig
from emodelx.errors import NothingBuildableError
from emodelx.inputs import Inputs, Reader
from emodelx.io.maps import MapFile
from emodelx.io.sequences import SequenceFile
from emodelx.network.device import choose_device
from emodelx.network.predict import read_density
from emodelx.network.weights import find_weights
from emodelx.preview import densest_part, preview
from emodelx.records import DensityMap, HelixTurns, Prediction


@pytest.mark.parametrize("corner", [(0, 0, 0), (30, 9, 52)])
def test_the_densest_cube_is_cut_out_where_it_lies(corner):
    values = np.zeros((50, 30, 70), np.float32)
    x, y, z = corner
    values[x : x + 16, y : y + 16, z : z + 16] = 1
    found = densest_part(DensityMap(values, np.array([5.0, -3.0, 0.5]), np.ones(3)), 20)
    assert found.values.shape == (20, 20, 20)
    assert found.values.sum() > 0.8 * values.sum()
    start = (found.origin - [5.0, -3.0, 0.5]).astype(int)
    assert np.array_equal(found.values, values[tuple(slice(s, s + 20) for s in start)])


def test_a_small_map_is_taken_whole():
    density = DensityMap(np.ones((12, 20, 3), np.float32), np.zeros(3), np.ones(3))
    assert densest_part(density, 20).values.shape == (12, 20, 3)


def turns_where_the_network_says(probability):
    read = np.full((16, 16, 16), probability, np.float32)
    found = Prediction(read, read, np.empty(0, np.int64), np.empty((0, 20), np.float32), np.zeros(3))
    inputs = Inputs(SequenceFile((), (), ()), prediction=found)
    return preview(inputs, BuildConfig(output="o", prediction="p", fasta="f")).turns


def test_where_nothing_is_found_nothing_is_said():
    assert turns_where_the_network_says(0.01) == HelixTurns(0, 0)


def test_where_nothing_stands_out_of_noise_it_is_said():
    with pytest.raises(NothingBuildableError, match="stands out of noise"):
        turns_where_the_network_says(0)


@pytest.mark.parametrize("resolution", [3.0, None])
def test_the_directions_are_those_of_a_build(resolution):
    """What a quick look tells of directions is what the reading of the whole map takes out, estimate and all."""
    rng = np.random.default_rng(1)
    away = np.linalg.norm(np.indices((48,) * 3) - 24, axis=0)
    atoms = ((rng.random((48,) * 3) < 0.05) & (away < 17)).astype(float)
    density = DensityMap(gaussian_filter(atoms, (0.8, 0.8, 2.0)).astype(np.float32), np.zeros(3), np.ones(3))
    reader = Reader(find_weights(None), choose_device("cpu"))
    inputs = Inputs(SequenceFile((), (), ()), MapFile(density, header=None, warnings=()), None, reader)
    config = BuildConfig(output="o", map="m", no_sequence=True, resolution=resolution)
    said = preview(inputs, config).directions
    read = read_density(density, reader.weights, reader.device, resolution)
    assert said.resolution == read.resolution
    assert said.ratio == read.directions.ratio > 2
    assert abs(said.weakest[2]) > 0.9
