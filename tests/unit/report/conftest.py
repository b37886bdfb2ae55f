import numpy as np
import pytest

from emodelx.records import CalphaModel, Candidates, Chain, Sequence


@pytest.fixture
def model():
    """Chain A of five residues, three built; a second copy of it is missing; chain B is whole, unsure, half bridged."""
    one, two = Sequence("one <&>", "MKVLA", ("A",), 2), Sequence("two", "GG", ("B",), 1)
    places = np.array([[np.nan] * 3, [1, 0, 0], [2, 0, 0], [np.nan] * 3, [3, 0, 0]], float)
    a = Chain(
        0,
        "A",
        places,
        np.array([-1, 0, 1, -1, -1]),
        np.array([0, 1, 1, 0, 2], np.uint8),
        np.array([0, 95, 75, 0, 55], np.float32),
    )
    b = Chain(
        1, "B", np.full((2, 3), 7.0), np.array([-1, -1]), np.array([2, 3], np.uint8), np.array([10, 20], np.float32)
    )
    return CalphaModel((one, two), (a, b))


@pytest.fixture
def candidates():
    types = np.zeros((2, 20), np.float32)
    types[0, 8], types[1, 17] = 1, 1
    score = np.array([0.9, 0.8], np.float32)
    return Candidates(np.array([[1.0, 0, 0], [2.0, 0, 0]]), score, score, types)
