"""The part of a map that a quick look reads."""

import numpy as np
import pytest

from emodelx.config import BuildConfig
from emodelx.errors import NothingBuildableError
from emodelx.inputs import Inputs
from emodelx.io.sequences import SequenceFile
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
