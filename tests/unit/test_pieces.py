"""Pieces of chains: fragments on placed templates, contradictions, domains of one copy."""

import numpy as np

from emodelx.pieces import attach, connect, lay, unite, without_contradiction
from emodelx.records import Candidates, Connection, Fragment, Placement, Sequence, Template

LENGTH = 60
LINE = np.arange(LENGTH)[:, None] * np.array([3.0, 1.0, 0.0]) + np.sin(np.arange(LENGTH))[:, None] * [0, 2, 3]
ONES = np.ones(LENGTH, np.float32)
CANDIDATES = Candidates(
    np.concatenate([LINE, LINE + 50]),
    np.tile(ONES, 2),
    np.tile(ONES, 2),
    np.full((2 * LENGTH, 20), 0.05, np.float32),
)


def fragment(first, end, copy=0):
    held = np.arange(first, end)
    return lay(Fragment(0, first, held + copy * LENGTH, np.ones(end - first, np.float32)), CANDIDATES, LENGTH)


def placement(first, end, copy=0, score=90.0):
    return Placement(0, 0, np.arange(first, end), LINE[first:end] + 50 * copy, score, 9.0)


def sequences(copies=1):
    return [Sequence("s", "A" * LENGTH, (), copies)]


def test_fragments_go_to_the_template_that_they_lie_on():
    (piece,) = unite([fragment(2, 12), fragment(14, 25)], [placement(0, 30)], [], sequences())
    assert len(piece.fragments) == 2
    np.testing.assert_array_equal(np.isfinite(piece.points()[:, 0]).nonzero()[0], np.arange(30))


def test_sure_domains_of_a_single_chain_belong_together():
    assert len(unite([], [placement(0, 20), placement(30, 50)], [], sequences())) == 1


def test_domains_of_copies_are_told_by_the_template():
    placed = [placement(0, 20), placement(0, 20, copy=1), placement(30, 50, copy=1), placement(30, 50)]
    template = Template("t", 0, np.arange(LENGTH), LINE)
    pieces = unite([], placed, [template], sequences(2))
    assert len(pieces) == 2
    for piece, offset in zip(sorted(pieces, key=lambda p: np.nanmin(p.placed[:, 0])), (0, 50), strict=True):
        np.testing.assert_allclose(piece.placed[[0, 49]], LINE[[0, 49]] + offset)


def test_what_was_read_wins_over_what_is_not_sure():
    pieces = unite([fragment(0, 12, copy=1)], [placement(0, 20, score=30.0)], [], sequences())
    placed = next(piece for piece in pieces if not piece.fragments)
    np.testing.assert_array_equal(np.isfinite(placed.placed[:, 0]).nonzero()[0], np.arange(12, 20))


def test_what_is_sure_wins_over_fragments_elsewhere():
    (kept,) = without_contradiction([fragment(5, 25, copy=1)], [placement(0, 15)], sequences())
    np.testing.assert_array_equal((kept.members >= 0).nonzero()[0], np.arange(15, 25))
    (whole,) = without_contradiction([fragment(5, 25, copy=1)], [placement(0, 15)], sequences(2))
    assert (whole.members >= 0).sum() == 20


def test_a_piece_out_of_reach_is_not_attached():
    (main,) = unite([fragment(0, 20)], [], [], sequences())
    near, far = (unite([], [placement(25, 40, copy)], [], sequences())[0] for copy in (0, 1))
    chains = [[main]]
    attach(far, chains)
    assert chains == [[main]]
    attach(near, chains)
    assert chains == [[main, near]]


def test_pieces_that_have_the_same_residues_in_the_same_place_are_of_one_copy():
    template = Template("t", 0, np.arange(LENGTH), LINE)
    overlapping = [placement(0, 30), placement(20, 50)]
    (united,) = unite([], overlapping, [template], sequences(2))
    np.testing.assert_allclose(united.placed[:50], LINE[:50])
    moved = Placement(0, 0, np.arange(20, 50), LINE[20:50] + np.array([0, 0, 8.0]), 90.0, 9.0)
    assert len(unite([], [placement(0, 30), moved], [template], sequences(2))) == 2


def test_a_fragment_that_shares_three_residues_with_a_template_is_of_its_copy():
    (piece,) = unite([fragment(17, 40)], [placement(0, 20)], [], sequences())
    assert len(piece.fragments) == 1
    assert len(unite([fragment(18, 40)], [placement(0, 20)], [], sequences())) == 2


def test_residues_of_a_template_that_stand_alone_are_not_believed():
    numbers = np.array([*range(20), *range(40, 44), *range(50, 55)])
    (piece,) = unite([], [Placement(0, 0, numbers, LINE[numbers], 90.0, 9.0)], [], sequences())
    held = np.flatnonzero(np.isfinite(piece.placed[:, 0]))
    np.testing.assert_array_equal(held, [*range(20), *range(50, 55)])


def test_fragments_that_main_chain_joins_are_one_piece():
    pieces = unite([fragment(0, 12), fragment(20, 30, copy=1), fragment(40, 50)], [], [], sequences(2))
    joined = connect(pieces, [Connection(11, LENGTH + 20)])
    assert len(joined) == 2
    assert [len(piece.fragments) for piece in joined] == [2, 1]
    assert len(connect(joined, [Connection(LENGTH + 29, 40)])) == 1, "one after the other"


def test_fragments_with_the_same_residues_are_not_joined():
    pieces = unite([fragment(0, 12), fragment(5, 30, copy=1)], [], [], sequences(2))
    assert len(connect(pieces, [Connection(11, LENGTH + 5)])) == 2
    assert len(connect(pieces, [Connection(55, LENGTH + 5)])) == 2, "nothing ends there"


def test_a_join_leaves_sure_what_is_sure_and_doubtful_what_is_doubtful():
    def joined(*placements):
        pieces = unite([fragment(2, 20), fragment(30, 50)], placements, [], sequences(2))
        return connect(pieces, [Connection(19, 30)])

    (piece,) = joined(placement(0, 22))
    assert piece.sure
    (piece,) = joined(placement(28, 52))
    assert piece.sure, "whichever comes first"
    assert len(joined(placement(0, 22), placement(28, 52, score=30.0))) == 2
