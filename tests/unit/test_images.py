"""Images of planted copies show where residues are, and which copy they belong to."""

from dataclasses import replace

import numpy as np
from folds import folded

from emodelx.images import images_of_copies, sort_residues
from emodelx.point_groups import rotations_of
from emodelx.records import Chain, Provenance, Symmetry

SYMMETRY = Symmetry("D2", rotations_of("D2"), np.array([10.0, 20, 30]))
FOLD = folded(0) + SYMMETRY.centre + [40.0, 25, 30]
COPIES = SYMMETRY.images(FOLD)


def chain(positions, missing=slice(0)):
    positions = positions.copy()
    positions[missing] = np.nan
    placed = np.isfinite(positions[:, 0])
    candidates = np.where(placed, np.arange(len(positions)), -1)
    provenance = np.where(placed, Provenance.TRACED, Provenance.MISSING).astype(np.uint8)
    return Chain(0, "A", positions, candidates, provenance, np.zeros(len(positions), np.float32))


def test_copies_show_what_a_chain_lacks():
    chains = [chain(copy, slice(10 * i, 10 * i + 12)) for i, copy in enumerate(COPIES)]
    for found, copy in zip(images_of_copies(chains, SYMMETRY), COPIES, strict=True):
        np.testing.assert_allclose(found, copy, atol=1e-9)


def test_a_residue_that_no_copy_has_is_unknown():
    chains = [chain(copy, slice(20, 25)) for copy in COPIES]
    for found in images_of_copies(chains, SYMMETRY):
        assert np.isnan(found[20:25]).all()
        assert np.isfinite(np.delete(found, range(20, 25), axis=0)).all()


def test_residues_go_back_to_the_copy_that_they_lie_in():
    """A fragment ran on from the first copy into the second."""
    chains = [chain(COPIES[0]), chain(COPIES[1], slice(30, 40)), chain(COPIES[2]), chain(COPIES[3])]
    strayed = chains[0].positions.copy()
    strayed[30:40] = COPIES[1][30:40]
    numbers = chains[0].candidates.copy()
    numbers[30:40] = 500 + np.arange(10)
    one, two, *others = sort_residues(
        [replace(chains[0], positions=strayed, candidates=numbers), *chains[1:]], SYMMETRY
    )
    assert np.isnan(one.positions[30:40]).all()
    assert (one.candidates[30:40] == -1).all()
    assert (one.provenance[30:40] == Provenance.MISSING).all()
    np.testing.assert_array_equal(two.positions, COPIES[1])
    assert two.candidates[30:40].tolist() == list(range(500, 510))
    assert (two.provenance == Provenance.TRACED).all()
    for other, given in zip(others, chains[2:], strict=True):
        assert other is given


def test_what_the_other_copy_has_stays_there():
    chains = [chain(copy) for copy in COPIES]
    strayed = chains[0].positions.copy()
    strayed[30] = COPIES[1][30]
    one, two, *_ = sort_residues([replace(chains[0], positions=strayed), *chains[1:]], SYMMETRY)
    assert np.isnan(one.positions[30]).all()
    np.testing.assert_array_equal(two.candidates, chains[1].candidates)
