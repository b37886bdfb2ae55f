"""Planted symmetries come back: group, axes and centre; what is not symmetric is not taken for it."""

from dataclasses import replace

import numpy as np
import pytest
from complexes import misfit, plant_complex

from emodelx.config import RunConfig
from emodelx.records import Fragment, Prediction, Sequence
from emodelx.stages.symmetry import agree, symmetry_of_fragments, symmetry_of_map

RUN = RunConfig(threads=1)
EMPTY = np.zeros((2, 2, 2), np.float32)


def box(around):
    """A prediction whose box is elsewhere: the candidates alone must do."""
    return Prediction(EMPTY, EMPTY, np.zeros(0, np.int64), np.zeros((0, 20), np.float32), around)


def found_in_map(planted):
    return symmetry_of_map(planted.candidates, box(planted.truth.centre + 30), RUN)


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("group", ["C2", "C3", "C4", "C7", "D2", "D3", "D7", "T", "O", "I"])
def test_a_planted_group_comes_back_from_the_candidates(group, seed):
    planted = plant_complex(group, seed)
    found = found_in_map(planted)
    assert found.group == group
    angle, distance = misfit(found, planted.truth)
    assert angle < 0.5
    assert distance < 0.5


@pytest.mark.parametrize("group", ["C2", "C5", "D3", "O"])
def test_a_planted_group_comes_back_from_fragments(group):
    planted = plant_complex(group, 5, missing=0.2, error=0.6)
    found = symmetry_of_fragments(fragments_of(planted), planted.candidates, RUN)
    assert found.group == group
    angle, distance = misfit(found, planted.truth)
    assert angle < 0.5
    assert distance < 0.5


def fragments_of(planted, length=40):
    """A run of the first residues of every copy."""
    runs = []
    for copy in range(len(planted.truth)):
        members = np.full(length, -1)
        own = np.flatnonzero((planted.copy == copy) & (planted.residue < length))
        members[planted.residue[own]] = own
        first, last = np.flatnonzero(members >= 0)[[0, -1]]
        members = members[first : last + 1]
        runs.append(Fragment(0, int(first), members, np.ones(len(members), np.float32)))
    return tuple(runs)


def test_missing_pieces_of_copies_do_not_hide_the_group():
    planted = plant_complex("D3", 8)
    lost = (planted.copy == 2) & (planted.residue > 20) | (planted.copy == 4) & (planted.residue < 15)
    kept = replace_candidates(planted.candidates, np.flatnonzero(~lost))
    found = symmetry_of_map(kept, box(planted.truth.centre), RUN)
    assert found.group == "D3"
    assert max(misfit(found, planted.truth)) < 0.5


def replace_candidates(candidates, kept):
    arrays = {name: getattr(candidates, name)[kept] for name in ("positions", "ca_score", "bb_score", "type_prob")}
    return replace(candidates, **arrays)


@pytest.mark.parametrize("seed", range(3))
def test_an_asymmetric_complex_has_none(seed):
    assert found_in_map(plant_complex("C1", seed, size=3)).group == "C1"


@pytest.mark.parametrize("group", ["C2", "C3", "D2"])
def test_alike_folds_with_other_sequences_are_no_copies(group):
    planted = plant_complex(group, 4, alike=0.25)
    assert found_in_map(planted).group == "C1"


def test_a_pseudosymmetric_complex_has_the_true_part():
    """D2 in shape, but copies 0 and 1, and 2 and 3, have sequences of their own: C2, as haemoglobin."""
    planted = plant_complex("D2", 6)
    swapped = planted.copy >= 2
    types = planted.candidates.type_prob.copy()
    types[swapped] = np.roll(types[swapped], 7, axis=1)
    found = symmetry_of_map(replace(planted.candidates, type_prob=types), box(planted.truth.centre), RUN)
    assert found.group == "C2"


SEQUENCES = (Sequence("s", "A" * 60, copies=6),)


@pytest.mark.parametrize(
    ("asked", "agreed"), [("auto", "D3"), ("D3", "D3"), ("C3", "C3"), ("C2", "C2"), ("C4", "D3"), ("T", "D3")]
)
def test_what_is_asked_for_is_taken_where_the_map_agrees(asked, agreed):
    planted = plant_complex("D3", 1)
    symmetry = agree(planted.truth, asked, planted.candidates, SEQUENCES, RUN)
    assert symmetry.group == agreed


@pytest.mark.parametrize(("copies", "told", "group"), [(6, True, "D3"), (4, True, "C1"), (1, False, "D3")])
def test_told_copies_can_contradict(copies, told, group):
    planted = plant_complex("D3", 1)
    sequences = (Sequence("s", "A" * 60, copies=copies, told=told), Sequence("t", "A" * 10, copies=1))
    assert agree(planted.truth, "auto", planted.candidates, sequences, RUN).group == group
