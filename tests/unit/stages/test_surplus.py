"""Copies beyond those told: sought where the map shows far more residues, and left out again."""

import numpy as np
import pytest
from planted import plant

from emodelx.config import CountConfig, RegistrationConfig, RunConfig
from emodelx.point_groups import rotations_of
from emodelx.records import CalphaModel, Chain, Prediction, Provenance, Sequence, Symmetry
from emodelx.stages.copies import count_copies
from emodelx.stages.surplus import SURPLUS, keep_told, times_told, untold, with_surplus

RUN = RunConfig(threads=1)


def box(size=21, origin=(0.0, 0.0, 0.0)):
    zeros = np.zeros((size,) * 3, np.float32)
    return Prediction(zeros, zeros, np.zeros(0, np.int64), np.zeros((0, 20), np.float32), np.array(origin), None)


def test_what_is_read_is_compared_with_what_was_told():
    planted = plant(1, 60, 3, false=0.0)
    assert times_told(planted.candidates, [planted.sequence()]) == 3 > SURPLUS
    assert times_told(planted.candidates, [planted.sequence(copies=2)]) == 1.5 < SURPLUS, "that may be noise"
    assert times_told(planted.candidates, untold([planted.sequence()])) == 0, "these are counted anyway"


def raised(told, counted, order=1, times=3.0):
    a, b = (tuple(Sequence(f"s{i}", "A" * 10, (), n) for i, n in enumerate(copies)) for copies in (told, counted))
    group = rotations_of(f"C{order}")
    return [s.copies for s in with_surplus(a, b, Symmetry(f"C{order}", group, np.zeros(3)), times)]


def test_untold_sequences_may_be_counted_to_fewer_than_they_have_names():
    planted = plant(2, 60, 1)
    told = Sequence("planted", planted.sequence().residues, ("A", "B"), 2)
    counted = count_copies(planted.candidates, planted.links, untold([told]), RegistrationConfig(), CountConfig(), RUN)
    assert [s.copies for s in counted] == [1]
    assert [s.chains for s in with_surplus([told], counted, Symmetry(), 1.8)] == [("A", "B")]


def test_counted_copies_are_taken_never_fewer_than_told():
    assert raised([1, 2], [3, 1]) == [3, 2]


@pytest.mark.parametrize(("told", "times", "found"), [(1, 3.2, 3), (1, 6.9, 6), (2, 1.8, 3), (4, 2.0, 6)])
def test_copies_of_a_symmetric_map_come_in_multiples(told, times, found):
    """Whatever was counted: neighbours that are cut off make one more."""
    assert raised([told], [4 if told == 1 else 1], 3, times) == [found]


def chain(name, x, residues=10, confidence=90):
    positions = np.full((10, 3), np.nan)
    positions[:residues] = [x, 10.0, 10.0]
    placed = np.arange(10) < residues
    provenance = np.where(placed, Provenance.TRACED, Provenance.MISSING).astype(np.uint8)
    sure = np.where(placed, confidence, 0).astype(np.float32)
    return Chain(0, name, positions, np.where(placed, 0, -1), provenance, sure)


def kept(told, *chains):
    held = Sequence("s", "A" * 10, told.chains, len(chains), told.told)
    model = keep_told(CalphaModel((held,), chains), [told], box(), RUN)
    assert model.sequences[0].copies == len(model.chains)
    return [(c.name, float(np.nanmean(c.positions[:, 0]))) for c in model.chains]


def test_the_copies_nearest_to_the_middle_are_meant():
    told = Sequence("s", "A" * 10, ("X",))
    assert kept(told, chain("X", 3), chain("A", 9), chain("B", 16)) == [("X", 9)]
    assert kept(Sequence("s", "A" * 10, (), 2), chain("A", 3), chain("B", 9), chain("C", 16)) == [("A", 9), ("B", 16)]


def test_whole_copies_come_first():
    assert kept(Sequence("s", "A" * 10), chain("A", 3), chain("B", 10, residues=4)) == [("A", 3)]


def test_copies_in_the_place_of_a_relative_come_last():
    assert kept(Sequence("s", "A" * 10), chain("A", 3), chain("B", 10, confidence=57)) == [("A", 3)]
    assert kept(Sequence("s", "A" * 10), chain("A", 3), chain("B", 10, confidence=75)) == [("A", 10)]


def test_nothing_is_left_out_of_what_was_told_or_counted():
    assert kept(Sequence("s", "A" * 10, (), 2), chain("A", 3), chain("B", 9)) == [("A", 3), ("B", 9)]
    assert kept(Sequence("s", "A" * 10, (), 1, told=False), chain("A", 3), chain("B", 9)) == [("A", 3), ("B", 9)]
