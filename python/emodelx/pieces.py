"""Pieces of chains: runs of read residues, and the placed templates that they lie on."""

from collections.abc import Iterable
from collections.abc import Sequence as Sequences
from dataclasses import dataclass, replace

import numpy as np

from emodelx.constants import CA_DISTANCE
from emodelx.records import Candidates, Connection, Fragment, Ints, Placement, Points, Sequence, Template
from emodelx.symmetry import superpose

SAME_PLACE = 3.0
"""Angstrom between a residue of a fragment and the same of a placed template that lie on each other."""
LEAST_SAME = 3
"""Residues that a fragment and a placed template must have at the same place to be of one copy."""
LEAST_TOGETHER = 5
"""Residues that two pieces must have to be laid on a template together."""
BENT = 20.0
"""Angstrom by which a domain may be off where a template has it to another one."""
SLACK = 3.0
"""Angstrom by which a residue of a placed template may be further from its chain than residues reach."""
LEAST_RUN, ROOM = 5, 5
"""Fewer residues of a placed template alone, with more missing than this to either side, say nothing."""
MOST_TWICE = 4
"""Residues that two placed templates of one chain may have in different places."""


@dataclass(frozen=True)
class Laid:
    """A fragment along its whole sequence: candidates (-1 where none) and positions (NaN where none)."""

    sequence: int
    members: Ints
    positions: Points


@dataclass(frozen=True, eq=False)
class Piece:
    """Fragments and placed templates that belong together."""

    sequence: int
    fragments: list[Laid]
    placed: Points
    sure: bool = False

    def read(self) -> Points:
        """Where residues are beyond doubt: by fragments, and by the template if it is sure. Shape (length, 3)."""
        return self.points() if self.sure else replace(self, placed=np.full_like(self.placed, np.nan)).points()

    def holds(self, candidate: int) -> bool:
        """Whether one of the fragments stands on a candidate."""
        return any((fragment.members == candidate).any() for fragment in self.fragments)

    def points(self) -> Points:
        """Where the residues are; fragments come before templates. Shape (length, 3)."""
        points = self.placed
        for fragment in self.fragments:
            points = np.where(fragment.members[:, None] >= 0, fragment.positions, points)
        return points


def lay(fragment: Fragment, candidates: Candidates, length: int) -> Laid:
    """Lay a fragment along its whole sequence of `length` residues."""
    members = np.full(length, -1)
    held = np.flatnonzero(fragment.candidates >= 0)
    members[fragment.start + held] = fragment.candidates[held]
    positions = np.where(members[:, None] >= 0, candidates.positions[members], np.nan)
    return Laid(fragment.sequence, members, positions)


def spread(numbers: Ints, positions: Points, length: int) -> Points:
    """Positions along a whole sequence, NaN where there is none."""
    spread = np.full((length, 3), np.nan)
    spread[numbers] = positions
    return spread


def unite(
    laid: list[Laid], placements: Sequences[Placement], templates: Sequences[Template], sequences: Sequences[Sequence]
) -> list[Piece]:
    """Put fragments to the placed template that they lie on, and templates together that share a fragment."""
    pieces = _undisputed(laid, placements, sequences)
    for i, sequence in enumerate(sequences):
        sure = [p for p in pieces if p.sequence == i and p.sure]
        if sequence.copies == 1:
            pieces = _united(sure, pieces)
        else:
            models = [spread(t.numbers, t.positions, len(sequence.residues)) for t in templates if t.sequence == i]
            pieces = _arranged(sure, models, pieces)
    for fragment in laid:
        homes = [piece for piece in pieces if piece.sequence == fragment.sequence and _lies_on(fragment, piece.placed)]
        if homes:
            pieces = _united(homes, pieces)
            homes[0].fragments.append(fragment)
        else:
            pieces.append(Piece(fragment.sequence, [fragment], np.full_like(fragment.positions, np.nan)))
    return pieces


def connect(pieces: list[Piece], connections: Sequences[Connection]) -> list[Piece]:
    """Put pieces together whose fragments main chain joins, unless they have the same residues."""
    for connection in connections:
        both = [piece for k in (connection.first, connection.second) for piece in pieces if piece.holds(k)]
        if len(both) == 2 and both[0] is not both[1] and _may_follow(*both):
            pieces = _united(sorted(both, key=lambda piece: not piece.sure), pieces)
    return pieces


def _may_follow(one: Piece, other: Piece) -> bool:
    """Whether two pieces share nearly nothing, and nothing of a template becomes sure or doubtful by the other."""
    twice = np.isfinite(one.points()[:, 0]) & np.isfinite(other.points()[:, 0])
    doubtful = any(np.isfinite(piece.placed[:, 0]).any() for piece in (one, other) if not piece.sure)
    return bool(twice.sum() <= MOST_TWICE and (one.sure == other.sure or not doubtful))


def _arranged(sure: list[Piece], models: Sequences[Points], pieces: list[Piece]) -> list[Piece]:
    """Unite sure pieces that lie to each other nearly as in a template, the best pair first: they are of one copy."""
    pairs = [(_misplacement(a, b, models), i, j) for i, a in enumerate(sure) for j, b in enumerate(sure) if i < j]
    home = list(range(len(sure)))
    for _, i, j in sorted(pair for pair in pairs if pair[0] < BENT):
        a, b = sure[home[i]], sure[home[j]]
        if a is not b and len(left := _united([a, b], pieces)) < len(pieces):
            home = [home[i] if h == home[j] else h for h in home]
            pieces = left
    return pieces


def _misplacement(a: Piece, b: Piece, models: Sequences[Points]) -> float:
    """Distance (RMS) in Angstrom of the smaller piece from where a template has it that is superposed on the larger."""
    large, small = sorted((a.placed, b.placed), key=lambda points: -np.isfinite(points[:, 0]).sum())
    found = [np.inf]
    for model in models:
        on, off = (np.isfinite(model[:, 0]) & np.isfinite(points[:, 0]) for points in (large, small))
        if on.sum() >= LEAST_TOGETHER and off.any():
            rotation, shift = superpose(model[on], large[on])
            found.append(float(np.sqrt(((model[off] @ rotation.T + shift - small[off]) ** 2).sum(axis=1).mean())))
    return min(found)


def _united(own: list[Piece], pieces: list[Piece]) -> list[Piece]:
    """Put what `own` place to the first of them, as far as they do not have the same residues in two places."""
    for other in own[1:]:
        home = own[0]
        if (np.linalg.norm(home.placed - other.placed, axis=1) > SAME_PLACE).sum() <= MOST_TWICE:
            home.placed[:] = np.where(np.isfinite(home.placed), home.placed, other.placed)
            home.fragments.extend(other.fragments)
            pieces = [piece for piece in pieces if piece is not other]
    return pieces


def without_contradiction(laid: list[Laid], sure: Sequences[Placement], sequences: Sequences[Sequence]) -> list[Laid]:
    """The fragments without the residues that sure placements have elsewhere, in all copies."""
    kept = []
    for f in laid:
        copies = sequences[f.sequence].copies
        placed = [spread(p.numbers, p.positions, len(f.members)) for p in sure if p.sequence == f.sequence]
        apart = np.array([np.linalg.norm(f.positions - points, axis=1) for points in placed]).reshape(
            -1, len(f.members)
        )
        wrong = (np.isfinite(apart).sum(axis=0) >= copies) & ~(apart < SAME_PLACE).any(axis=0)
        members = np.where(wrong, -1, f.members)
        if (members >= 0).any():
            kept.append(Laid(f.sequence, members, np.where(members[:, None] >= 0, f.positions, np.nan)))
    return kept


def _undisputed(laid: list[Laid], placements: Sequences[Placement], sequences: Sequences[Sequence]) -> list[Piece]:
    """The placed templates without the residues that fragments have elsewhere, in all copies: what was read wins."""
    pieces = []
    for p in placements:
        placed = spread(*_without_strays(p), len(sequences[p.sequence].residues))
        if p.is_sure():
            pieces.append(Piece(p.sequence, [], placed, sure=True))
            continue
        others = [f for f in laid if f.sequence == p.sequence and not _lies_on(f, placed)]
        elsewhere = sum((f.members >= 0 for f in others), np.zeros(len(placed), np.int64))
        placed[elsewhere >= sequences[p.sequence].copies] = np.nan
        if np.isfinite(placed[:, 0]).sum() >= LEAST_TOGETHER:
            pieces.append(Piece(p.sequence, [], placed))
    return pieces


def _without_strays(placement: Placement) -> tuple[Ints, Points]:
    """Numbers and positions of the residues that are not by themselves: a few fit anywhere."""
    numbers = placement.numbers
    runs = np.cumsum(np.diff(numbers, prepend=numbers[:1]) > ROOM)
    kept = np.bincount(runs)[runs] >= LEAST_RUN
    return numbers[kept], placement.positions[kept]


def _lies_on(fragment: Laid, placed: Points) -> bool:
    """Whether most of what a fragment shares with a placed template is at the same place."""
    apart = np.linalg.norm(fragment.positions - placed, axis=1)
    shared, same = np.isfinite(apart).sum(), (apart < SAME_PLACE).sum()
    return bool(same >= LEAST_SAME and 2 * same > shared)


def trimmed(points: Points) -> tuple[int, Points]:
    """First residue that has a position, and the positions from there to the last one."""
    held = np.flatnonzero(np.isfinite(points[:, 0]))
    return int(held[0]), np.ascontiguousarray(points[held[0] : held[-1] + 1])


def attach(piece: Piece, chains: list[list[Piece]]) -> None:
    """Put a placed template without fragments to the first chain that has room for it and can reach it."""
    for members in chains:
        if members:
            points = _points_of(members)
            if not (np.isfinite(points[:, 0]) & np.isfinite(piece.placed[:, 0])).any() and _reaches(
                points, piece.placed
            ):
                members.append(piece)
                return


def _reaches(points: Points, placed: Points) -> bool:
    """Whether every placed residue is as near to the residues of a chain as the sequence demands."""
    known, added = np.flatnonzero(np.isfinite(points[:, 0])), np.flatnonzero(np.isfinite(placed[:, 0]))
    apart = np.linalg.norm(placed[added][:, None] - points[known], axis=2)
    return bool((apart <= CA_DISTANCE * np.abs(added[:, None] - known) + SLACK).all())


def _points_of(pieces: Iterable[Piece]) -> Points:
    """Where pieces of one chain have residues; what was read comes first."""
    pieces = list(pieces)
    points = pieces[0].points()
    for piece in pieces[1:]:
        points = np.where(np.isfinite(points), points, piece.points())
    return points
