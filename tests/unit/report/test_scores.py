"""Stretches out of register are named as in the file."""

from types import SimpleNamespace

import numpy as np

from emodelx.report.scores import register_errors


def card(shift, shifted):
    """Two chains of five residues, numbered from 11 and from 1."""
    chains = [SimpleNamespace(name=name) for name in "AB"]
    labels = [SimpleNamespace(numbers=[str(first + i) for i in range(5)], names=["ALA"] * 5) for first in (11, 1)]
    reading = SimpleNamespace(shift=np.array(shift), shifted=lambda: np.array(shifted, bool))
    file = SimpleNamespace(model=SimpleNamespace(chains=chains), labels=labels)
    return SimpleNamespace(file=file, map=SimpleNamespace(reading=reading))


def test_stretches_end_with_their_chain_and_their_shift():
    shift = [0, 2, 2, -3, -3, -3, -3, 5, 5, 0]
    found = list(register_errors(card(shift, [0, 1, 1, 1, 1, 1, 1, 0, 0, 0])))
    assert found == [
        "chain A, 12 to 13: reads like the sequence 2 residues later",
        "chain A, 14 to 15: reads like the sequence 3 residues earlier",
        "chain B, 1 to 2: reads like the sequence 3 residues earlier",
    ]


def test_without_a_map_or_an_error_there_is_nothing_to_name():
    assert list(register_errors(card([0] * 10, [0] * 10))) == []
    assert list(register_errors(SimpleNamespace(map=None))) == []
