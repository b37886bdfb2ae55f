"""Chain registration in a symmetric complex: what is decided for one unit holds for all copies."""

from collections.abc import Iterator
from collections.abc import Sequence as Sequences
from dataclasses import dataclass

import numpy as np

from emodelx import _core
from emodelx.config import RunConfig
from emodelx.pieces import Piece, trimmed
from emodelx.point_groups import products
from emodelx.records import Candidates, Ints, Points, Sequence, Symmetry
from emodelx.vectors import median_of_known

SAMPLED = 2
"""Of so many residues of the pieces one is looked at."""
SAME_PLACE = 5.0
"""Angstrom between a residue and the image of the same residue of another piece, for the two pieces to be images."""
MOST_COPIES = 0.5
"""Share of the copies that must have a piece for it to be put together with others in the unit."""
LEAST_ALIKE = 1.5
"""Residues that do so, each counted by how near it is."""


@dataclass(frozen=True, eq=False)
class _Fold:
    """Pieces that are images of one another; rotation `image` takes a piece to where the others are taken."""

    members: list[tuple[int, int]]

    def copies(self) -> int:
        """Return the number of copies that have it."""
        return len({image for _, image in self.members})


def assign_copies(
    pieces: Sequences[Piece],
    sequences: Sequences[Sequence],
    candidates: Candidates,
    symmetry: Symmetry,
    run: RunConfig,
) -> list[int | None]:
    """Find the copy of its sequence that every piece belongs to; None for what fits into no copy.

    Pieces of the copies of a sequence that are images of one another become one. Those that most copies have are put
    together to the chains of one unit, of all their images those that fit, and every piece goes where its image went.
    Then what only few copies have, and sequences whose copies are no multiple of those of the symmetry, are put
    together with these, without it.

    Parameters
    ----------
    pieces : sequence of Piece
    sequences : sequence of Sequence
    candidates : Candidates
        Those that the fragments of the pieces stand on.
    symmetry : Symmetry
    run : RunConfig
    """
    together = _from_unit(pieces, sequences, candidates, symmetry, run)
    placed = {i for members in together for i in members}
    together += [[i] for i in range(len(pieces)) if i not in placed]
    found = _core.assign_chains(
        [_joined(members, pieces) for members in together],
        [sequence.copies for sequence in sequences],
        threads=run.threads,
        progress=run.progress,
    )
    copy_of: list[int | None] = [None] * len(pieces)
    for members, place in zip(together, found, strict=True):
        for i in members:
            copy_of[i] = place[0] if place else None
    return copy_of


def _from_unit(
    pieces: Sequences[Piece],
    sequences: Sequences[Sequence],
    candidates: Candidates,
    symmetry: Symmetry,
    run: RunConfig,
) -> list[list[int]]:
    """Pieces that are together in a copy because their images are in the unit."""
    order = len(symmetry)
    chosen = [i for i, p in enumerate(pieces) if order > 1 and sequences[p.sequence].copies % order == 0]
    if not chosen:
        return []
    folds = [fold for fold in _fold(chosen, pieces, candidates, symmetry) if fold.copies() >= MOST_COPIES * order]
    found = _core.assign_chains(
        [_merged(fold, pieces, symmetry) for fold in folds],
        [sequence.copies // order for sequence in sequences],
        images=_motions(symmetry),
        threads=run.threads,
        progress=run.progress,
    )
    after = products(symmetry.rotations)
    inverse = after.argmin(axis=1)
    together: dict[tuple[int, int, int], list[int]] = {}
    for fold, place in zip(folds, found, strict=True):
        if place is None:
            continue
        for i, image in fold.members:
            copy = int(inverse[after[place[1], image]])
            together.setdefault((pieces[i].sequence, place[0], copy), []).append(i)
    return list(together.values())


def _joined(members: Sequences[int], pieces: Sequences[Piece]) -> tuple[int, int, Points]:
    """Sequence, first residue and points of pieces that are together."""
    points = pieces[members[0]].read()
    for i in members[1:]:
        points = np.where(np.isfinite(points), points, pieces[i].read())
    return (pieces[members[0]].sequence, *trimmed(points))


def _motions(symmetry: Symmetry) -> list[tuple[list[list[float]], list[float]]]:
    """The rotations about the centre, each as rotation and shift."""
    shifts = symmetry.centre - symmetry.rotations @ symmetry.centre
    return list(zip(symmetry.rotations.tolist(), shifts.tolist(), strict=True))


def _merged(fold: _Fold, pieces: Sequences[Piece], symmetry: Symmetry) -> tuple[int, int, Points]:
    """Sequence, first residue and points of what the pieces of a fold have in the middle."""
    points = np.array([symmetry.images(pieces[i].read())[image] for i, image in fold.members])
    return (pieces[fold.members[0][0]].sequence, *trimmed(median_of_known(points)))


def _fold(chosen: Sequences[int], pieces: Sequences[Piece], candidates: Candidates, symmetry: Symmetry) -> list[_Fold]:
    """Put pieces together that are images of one another, those with the most in common first."""
    after = products(symmetry.rotations)
    inverse = after.argmin(axis=1)
    home = {i: (_Fold([(i, 0)]), 0) for i in chosen}
    for one, other, image in _images(chosen, pieces, candidates, symmetry):
        (fold, mine), (target, its) = home[one], home[other]
        if fold is target:
            continue
        onward = after[after[its, image], inverse[mine]]
        for i, before in fold.members:
            home[i] = target, int(after[onward, before])
            target.members.append((i, home[i][1]))
    folds = {id(fold): fold for fold, _ in home.values()}
    return list(folds.values())


def _images(
    chosen: Sequences[int], pieces: Sequences[Piece], candidates: Candidates, symmetry: Symmetry
) -> list[tuple[int, int, int]]:
    """Pairs of pieces of which the second is the first after a rotation, and that rotation; the surest first."""
    shape = (len(pieces), len(pieces), len(symmetry))
    together = np.zeros(0, np.int64), np.zeros(0)
    for owner, members in _holders(chosen, pieces):
        points = candidates.positions[members]
        apart = np.linalg.norm(symmetry.images(points)[:, :, None] - points, axis=3)
        image, one, other = np.nonzero((apart < SAME_PLACE) & (owner[:, None] != owner))
        key = np.ravel_multi_index((owner[one], owner[other], image), shape)
        near = 1 - apart[image, one, other] / SAME_PLACE
        together = np.append(together[0], key), np.append(together[1], near)
    alike, group = np.unique(together[0], return_inverse=True)
    likeness = np.bincount(group, together[1], minlength=len(alike))
    best = np.argsort(-likeness, kind="stable")
    surest = np.unravel_index(alike[best[likeness[best] >= LEAST_ALIKE]], shape)
    return [(int(a), int(b), int(g)) for a, b, g in zip(*surest, strict=True)]


def _holders(chosen: Sequences[int], pieces: Sequences[Piece]) -> Iterator[tuple[Ints, Ints]]:
    """For every second residue of every sequence the pieces that hold it, and their candidates."""
    held = [
        (pieces[i].sequence, number, i, fragment.members[number])
        for i in chosen
        for fragment in pieces[i].fragments
        for number in np.flatnonzero(fragment.members >= 0)
        if number % SAMPLED == 0
    ]
    table = np.array(sorted(held), np.int64).reshape(-1, 4)
    new = np.flatnonzero(np.any(np.diff(table[:, :2], axis=0) != 0, axis=1)) + 1
    for rows in np.split(table, new):
        yield rows[:, 2], rows[:, 3]
