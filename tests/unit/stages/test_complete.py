"""Completion: residues of placed templates are added where the density agrees."""

from dataclasses import replace

import numpy as np
import pytest

from emodelx.config import RunConfig, TemplateConfig
from emodelx.records import CalphaModel, Chain, Prediction, Provenance, Sequence, Symmetry
from emodelx.stages.complete import complete_chains

LENGTH = 40
NONE = Symmetry()
LINE = 10 + np.arange(LENGTH)[:, None] * np.array([3.8, 0.0, 0.0])


def prediction(gap=slice(0, 0)):
    """Main chain along the line, but not in the gap."""
    bb = np.zeros((180, 20, 20), np.float32)
    bb[:, 7:14, 7:14] = 0.8
    bb[int(LINE[gap.start, 0]) : int(LINE[gap.stop, 0])] = 0
    return Prediction(bb, bb, np.zeros(0, np.int64), np.zeros((0, 20), np.float32), np.zeros(3))


def chain(missing, reference, shift=0.0):
    positions = LINE + np.array([0, shift, 0])
    positions[missing] = np.nan
    provenance = np.where(np.isfinite(positions[:, 0]), Provenance.TRACED, Provenance.MISSING).astype(np.uint8)
    return Chain(0, "A", positions, np.full(LENGTH, -1), provenance, np.zeros(LENGTH, np.float32), reference)


def completed(*chains, volume=None, symmetry=NONE):
    model = CalphaModel((Sequence("s", "A" * LENGTH, (), len(chains)),), chains)
    return complete_chains(model, volume or prediction(), symmetry, TemplateConfig(), RunConfig(threads=1)).chains


MISSING = slice(15, 25)


def test_missing_residues_come_from_the_template():
    (found,) = completed(chain(MISSING, LINE))
    assert (found.provenance[MISSING] == Provenance.TEMPLATE).all()
    np.testing.assert_allclose(found.positions, LINE)


def test_the_template_is_bent_onto_its_ends():
    (found,) = completed(chain(MISSING, LINE, shift=1.0))
    np.testing.assert_allclose(found.positions[MISSING], LINE[MISSING] + [0, 1, 0])


def test_nothing_is_added_without_density():
    (found,) = completed(chain(MISSING, LINE), volume=prediction(MISSING))
    assert (found.provenance[18:22] == Provenance.MISSING).all()


def test_nothing_is_added_onto_another_chain():
    other = chain(slice(0, 0), np.full((LENGTH, 3), np.nan))
    _, found = completed(other, chain(MISSING, LINE, shift=2.0))
    assert not (found.provenance == Provenance.TEMPLATE).any()


@pytest.mark.parametrize("reference", [None, np.full((LENGTH, 3), np.nan)])
def test_without_a_template_nothing_changes(reference):
    before = chain(MISSING, reference)
    (found,) = completed(before)
    np.testing.assert_array_equal(found.positions, before.positions)


def turned_copies(reference=None):
    """A whole chain, and its image by half a turn about the middle of the box, with residues missing."""
    symmetry = Symmetry("C2", np.array([np.eye(3), np.diag([-1.0, -1, 1])]), np.array([84.0, 20.0, 10.0]))
    one = chain(slice(0, 0), None)
    (turned,) = symmetry.images(one.positions)[1:]
    other = chain(MISSING, None if reference is None else turned + reference)
    other = replace(other, positions=np.where(np.isnan(other.positions), np.nan, turned))
    return one, other, turned, symmetry


def test_missing_residues_come_from_symmetric_copies():
    one, other, turned, symmetry = turned_copies()
    whole, found = completed(one, other, symmetry=symmetry, volume=everywhere())
    assert (found.provenance[MISSING] == Provenance.SYMMETRIC).all()
    np.testing.assert_allclose(found.positions, turned, atol=1e-9)
    assert (whole.provenance == Provenance.TRACED).all()
    _, left = completed(one, other, symmetry=symmetry)
    assert (left.provenance[18:22] == Provenance.MISSING).all(), "there is no main chain beyond the line"


def test_what_was_read_in_a_copy_goes_before_a_template():
    bow = np.zeros((LENGTH, 3))
    bow[MISSING, 2] = 3
    one, other, turned, symmetry = turned_copies(bow)
    _, found = completed(one, other, symmetry=symmetry, volume=everywhere())
    assert (found.provenance[MISSING] == Provenance.SYMMETRIC).all()
    np.testing.assert_allclose(found.positions, turned, atol=1e-9)


def everywhere():
    ones = np.full((180, 40, 20), 0.8, np.float32)
    return Prediction(ones, ones, np.zeros(0, np.int64), np.zeros((0, 20), np.float32), np.zeros(3))
