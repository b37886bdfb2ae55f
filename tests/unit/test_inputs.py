import numpy as np
import pytest

from emodelx.inputs import directions_line, resolution_line, tell_reading
from emodelx.progress import Silent
from emodelx.records import Directions, Prediction


def read_at(resolution, directions=None):
    empty = np.zeros((2, 2, 2), np.float32)
    types = np.empty(0, np.int64), np.empty((0, 20), np.float32)
    return Prediction(empty, empty, *types, np.zeros(3), 0.35, resolution, directions=directions)


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
    assert resolution_line(read_at(used), given) == said


def test_directions_in_words():
    said = directions_line(Directions(3.91, np.array([-0.001, 0.6, 0.8]), 4.48))
    assert said.startswith("details of 3.9 A are 4.5 times weaker along (0.00, 0.60, 0.80)")


@pytest.mark.parametrize(("ratio", "warned"), [(None, False), (1.0, False), (1.99, False), (2.0, True)])
def test_a_build_warns_of_an_uneven_map(ratio, warned):
    class Listener(Silent):
        def __init__(self):
            self.notes, self.warnings = [], []
            self.note, self.warn = self.notes.append, self.warnings.append

    directions = None if ratio is None else Directions(3.5, np.array([0.0, 0.0, 1.0]), ratio)
    progress = Listener()
    tell_reading(read_at(3.5, directions), 3.5, progress)
    assert progress.notes == ["resolution: 3.50 A, as given"]
    assert progress.warnings == ([f"map: {directions_line(directions)}"] if warned else [])
