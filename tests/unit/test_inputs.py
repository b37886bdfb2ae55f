import numpy as np
import pytest

from emodelx.inputs import directions_line, resolution_line
from emodelx.records import Directions, Prediction


@pytest.mark.parametrize(
    ("used", "given", "said"),
    [
        (None, None, "resolution: not used by these weights"),
        (None, 3.0, "resolution: not used by these weights"),
        (3.0, 3.0, "resolution: 3.00 A, as given"),
        (3.17, None, "resolution: 3.17 A, estimated from the map; give --resolution where you know better"),
        (2.0, None, "resolution: 2.00 A or better, estimated from the map; give --resolution where you know better"),
    ],
)
def test_the_resolution_in_words(used, given, said):
    empty = np.zeros((2, 2, 2), np.float32)
    read = Prediction(empty, empty, np.empty(0, np.int64), np.empty((0, 20), np.float32), np.zeros(3), 0.35, used)
    assert resolution_line(read, given) == said


def test_directions_in_words():
    said = directions_line(Directions(3.91, np.array([-0.001, 0.6, 0.8]), 4.48))
    assert said.startswith("details of 3.9 A are 4.5 times weaker along (0.00, 0.60, 0.80)")
