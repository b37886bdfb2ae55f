"""Runs of true values, against a look at one value after the other."""

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from emodelx.runs import runs


@given(st.lists(st.booleans(), max_size=30))
def test_runs_hold_all_that_is_true_and_nothing_else(values):
    found = runs(np.array(values, bool))
    assert [i for first, end in found for i in range(first, end)] == [i for i, value in enumerate(values) if value]
    assert all(end < first for (_, end), (first, _) in pairwise(found))
