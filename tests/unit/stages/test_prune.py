"""Lone residues go, stretches stay, and nothing else changes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emodelx.config import RunConfig
from emodelx.records import CalphaModel, Chain, Provenance, Sequence
from emodelx.stages.prune import STEP, prune_residues, stretch_lengths


def chain_at(steps, provenance=Provenance.THREADED):
    """A straight chain with these distances between its residues; NaN leaves the next residue out."""
    along = np.concatenate([[0.0], np.cumsum(np.nan_to_num(steps, nan=3.8))])
    positions = np.stack([along, np.zeros_like(along), np.zeros_like(along)], axis=1)
    missing = np.concatenate([[False], np.isnan(steps)])
    positions[missing] = np.nan
    number = np.arange(len(positions))
    return Chain(
        sequence=0,
        name="A",
        positions=positions,
        candidates=np.where(missing, -1, number),
        provenance=np.where(missing, Provenance.MISSING, provenance).astype(np.uint8),
        confidence=np.zeros(len(positions), np.float32),
    )


def kept_of(chain):
    model = CalphaModel((Sequence("s", "A" * len(chain.positions)),), (chain,))
    (after,) = prune_residues(model, RunConfig(threads=1)).chains
    kept = after.placed()
    np.testing.assert_array_equal(after.positions[kept], chain.positions[kept])
    np.testing.assert_array_equal(after.candidates, np.where(kept, chain.candidates, -1))
    np.testing.assert_array_equal(after.provenance, np.where(kept, chain.provenance, Provenance.MISSING))
    return "".join(".x"[place] for place in kept.astype(int))


@pytest.mark.parametrize(
    ("steps", "kept"),
    [
        ([3.8, 3.8, np.nan, 3.8], "xxx.."),  # one residue behind a gap
        ([3.8, np.nan, 3.8, 3.8, 3.8], "...xxx"),  # two before a gap
        ([3.8, 3.8, 6.2, 3.8, 3.8], "xxxxxx"),  # a step too long between two stretches
        ([3.8, 3.8, 6.2, 3.8, 6.2, 3.8, 3.8], "xxx..xxx"),  # two residues between such steps
        ([3.8, 3.8, 1.0], "xxx."),  # on top of another
        ([2.9, 3.8], "xxx"),  # a cis peptide
        ([3.8], "xx"),  # a whole peptide of two
        ([], "x"),
    ],
)
def test_lone_residues_are_taken_away(steps, kept):
    assert kept_of(chain_at(np.array(steps))) == kept


def test_traced_pairs_stay_and_single_traced_residues_go():
    steps = np.array([3.8, np.nan, 3.8, 6.2, 3.8, 6.2])
    assert kept_of(chain_at(steps, Provenance.TRACED)) == "xx..xx."
    assert kept_of(chain_at(steps)) == "......."


@given(st.lists(st.sampled_from([3.8, 2.9, 1.0, 7.0, np.nan]), max_size=30))
def test_stretches_are_counted_as_by_walking(steps):
    positions = chain_at(np.array(steps)).positions

    def reach(i, way):
        count = 0
        while 0 <= i + way < len(positions) and STEP[0] < np.linalg.norm(positions[i + way] - positions[i]) < STEP[1]:
            i, count = i + way, count + 1
        return count

    expected = [1 + reach(i, -1) + reach(i, 1) for i in range(len(positions))]
    np.testing.assert_array_equal(stretch_lengths(positions), expected)
