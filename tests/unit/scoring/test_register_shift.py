"""Shifts of the sequence are found as by trying all of them, residue by residue."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emodelx.scoring.register_shift import MOST_SHIFT, UNKNOWN_TYPE, find_shifts
from emodelx.scoring.windows import HALF_WINDOW


def slow_fit(odds, types, chain, residue, shift):
    """Sum of log-odds around a residue with the sequence shifted; `chain` is the range of its chain."""
    around = range(max(residue - HALF_WINDOW, chain.start), min(residue + HALF_WINDOW + 1, chain.stop))
    known = [i for i in around if i + shift in chain and types[i + shift] != UNKNOWN_TYPE]
    return sum(float(odds[i, types[i + shift]]) for i in known)


@given(st.lists(st.integers(1, 40), min_size=1, max_size=4), st.integers(0, 1000))
def test_shifts_are_those_of_a_slow_search(lengths, seed):
    rng = np.random.default_rng(seed)
    odds = rng.normal(size=(sum(lengths), 20)).astype(np.float32)
    types = rng.integers(UNKNOWN_TYPE, 20, sum(lengths))
    shift, gain = find_shifts(odds, types, lengths)
    for end, length in zip(np.cumsum(lengths), lengths, strict=True):
        chain = range(end - length, end)
        for i in chain:
            fits = {s: slow_fit(odds, types, chain, i, s) for s in range(-MOST_SHIFT, MOST_SHIFT + 1)}
            assert gain[i] == pytest.approx(max(fits.values()) - fits[0], abs=1e-3)
            assert fits[int(shift[i])] == pytest.approx(max(fits.values()), abs=1e-3)


@pytest.mark.parametrize("shift", [-3, 2, MOST_SHIFT])
def test_a_planted_shift_is_found(shift):
    rng = np.random.default_rng(1)
    true = rng.integers(0, 20, 60)
    odds = np.full((60, 20), -1.0, np.float32)
    odds[np.arange(60), true] = 1.0
    wrong = true.copy()
    wrong[20:40] = true[20 + shift : 40 + shift]
    found, gain = find_shifts(odds, wrong, [60])
    assert (found[25:35] == -shift).all()
    assert (gain[25:35] > 5).all()
    assert (gain[:10] == 0).all()


def test_what_fits_nowhere_better_has_no_shift():
    found, gain = find_shifts(np.zeros((5, 20), np.float32), np.full(5, UNKNOWN_TYPE), [5])
    assert not found.any()
    assert not gain.any()
