"""Planted copies are counted where nobody tells their number."""

from dataclasses import replace

import numpy as np
import pytest
from matrices import sparse
from planted import plant

from emodelx.config import CountConfig, RegistrationConfig, RunConfig
from emodelx.records import Links, Sequence, SparseRows
from emodelx.stages.copies import count_copies

RUN = RunConfig(threads=1)


def counted(planted, *sequences):
    config = (RegistrationConfig(), CountConfig())
    return [s.copies for s in count_copies(planted.candidates, planted.links, sequences, *config, RUN)]


def silent(planted):
    sequence = planted.sequence()
    return Sequence(sequence.name, sequence.residues, told=False)


@pytest.mark.parametrize("copies", [1, 3, 5])
@pytest.mark.parametrize("accuracy", [0.55, 0.8])
def test_planted_copies_are_counted(copies, accuracy):
    planted = plant(copies, 60, copies, accuracy=accuracy)
    assert counted(planted, silent(planted)) == [copies]


def test_told_numbers_are_untouched():
    planted = plant(0, 60, 3)
    told = planted.sequence(copies=5)
    assert counted(planted, told) == [5]
    other = Sequence("other", "WGPWGPHHWGPCWGP" * 3, copies=4)
    assert counted(planted, other, silent(planted)) == [4, 3]


def test_what_is_not_there_counts_once():
    planted = plant(0, 60, 2)
    absent = Sequence("absent", "WGPWGPHHWGPCWGP" * 3, told=False)
    assert counted(planted, silent(planted), absent) == [2, 1]


def test_a_stump_is_no_copy():
    """A sequence of which a third copy shows a quarter."""
    planted = plant(0, 60, 3, false=0.0)
    keep = (planted.copy < 2) | (planted.residue < 15)
    index = np.flatnonzero(keep)
    rows = planted.links.likelihood
    dense = np.zeros((len(keep), len(keep)), np.float32)
    for i in range(len(keep)):
        part = slice(rows.start[i], rows.start[i + 1])
        dense[i, rows.column[part]] = rows.value[part]
    c = planted.candidates
    cut = replace(
        planted,
        candidates=replace(
            c,
            positions=c.positions[index],
            ca_score=c.ca_score[index],
            bb_score=c.bb_score[index],
            type_prob=c.type_prob[index],
        ),
        links=Links(SparseRows(*sparse(dense[np.ix_(index, index)]))),
    )
    assert counted(cut, silent(planted)) == [2]
