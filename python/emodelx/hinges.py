"""Hinges: parts of a found template for which the map does not speak are turned about where they hang on the rest."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree
from scipy.spatial.transform import Rotation

from emodelx.config import RigidConfig, RunConfig
from emodelx.poses import MOST_SHARED, SAME, Body, Copy, Pose, chance_solutions, side_chains
from emodelx.records import Ints, Points, Template
from emodelx.records import Sequence as Residues
from emodelx.runs import runs
from emodelx.scenes import Scene, good_support
from emodelx.symmetry import superpose
from emodelx.vectors import unit

WELL = 0.6
"""Support, against that of residues in their places, from which a residue is in its place."""
LEAST_LOOSE, LEAST_WELL = 20, 20
"""Residues of a stretch that hangs loose, and of one that holds others."""
RIPPLE = 10
"""Residues of a dip in the support that says nothing."""
LENGTHS = (35, 60, 100)
"""Residues that are turned together: where the next hinge is, nobody knows."""
ANCHOR = 30
"""Residues beside a hinge that tell where the template has what hangs on them."""
FINE = 0.6
"""Resolutions by which neighbouring rotations move a residue at the root mean square distance from the hinge."""
LEAST_STEP = 0.12
"""Radians between neighbouring rotations."""
MOST_TURN, SLACK = np.radians(45), np.radians(10)
"""Largest turn about a hinge, and what moving uphill may add."""
MOST_OFF = 8.0
"""Angstrom that the hinge itself may move."""
MIRRORS = (0.0, np.pi / 3, 2 * np.pi / 3)
"""Turns, about the line from the hinge to the middle of a part, of the planes that make its mirror images."""
APART = 3
"""Residues on either side of the hinge that may touch."""

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class _Part:
    """Consecutive residues of a template that hang on others.

    Attributes
    ----------
    members : ndarray, dtype=int64, shape=(m,)
    hinge : int
        The residue beside them that stays.
    anchor : ndarray, dtype=int64
        Residues near the hinge that stay.
    """

    members: Ints
    hinge: int
    anchor: Ints

    def key(self) -> tuple[int, int, int]:
        return int(self.members[0]), int(self.members[-1]), self.hinge


@dataclass(frozen=True)
class _Fit:
    """A copy bent to the map: its points, and which of them the map speaks for."""

    points: Points
    well: Mask


def straighten(
    copies: Sequence[Copy],
    templates: Sequence[Template],
    sequences: Sequence[Residues],
    view: tuple[Scene, Callable[[Pose], Pose]],
    config: RigidConfig,
    run: RunConfig,
) -> list[Copy]:
    """Turn parts of the copies about hinges where that fits the map far better than chance does.

    A template bends elsewhere than the molecule, at places that nobody knows. Where the map speaks for one stretch of
    a copy and not for the next, pieces of that are searched for near where the template has them, turned about the
    hinge. Their mirror images, searched for in the same way, tell what chance gives.

    Parameters
    ----------
    copies : sequence of Copy
    templates : sequence of Template
    sequences : sequence of Sequence
    view : (Scene, callable)
        The map, and what gives a pose with what the types say of it.
    config : RigidConfig
    run : RunConfig

    Returns
    -------
    list of Copy
        In the same order; parts that were turned have poses of their own.
    """
    copies = list(copies)
    for i, copy in enumerate(copies):
        others = [other.points() for other in copies[:i] + copies[i + 1 :]]
        template = templates[copy.template]
        sides = side_chains(sequences[template.sequence].residues, template.numbers)
        copies[i] = _Straightener(template, sides, *view, config, run).straighten(copy, others)
    return copies


@dataclass(frozen=True)
class _Straightener:
    """Turns parts of the copies of one template."""

    template: Template
    sides: Points
    scene: Scene
    heard: Callable[[Pose], Pose]
    config: RigidConfig
    run: RunConfig

    def straighten(self, copy: Copy, others: Sequence[Points]) -> Copy:
        """Turn one part after the other, the surest first."""
        tried: set[tuple[int, int, int]] = set()
        while True:
            fit = self._fit(copy)
            parts = [part for part in loose_parts(fit.well) if part.key() not in tried]
            tried |= {part.key() for part in parts}
            poses = [pose for part in parts for pose in self._poses(part, fit, copy.template, others)]
            if not poses:
                return copy
            copy = _with_pose(copy, min(poses, key=lambda pose: pose.chance))

    def _fit(self, copy: Copy) -> _Fit:
        body = (self.template.numbers, np.ascontiguousarray(copy.whole()), self.sides)
        # without progress: nobody knows how many rounds there will be
        ((points, support),) = self.scene.bend([body], self.config, replace(self.run, progress=None))
        return _Fit(points, even(support > WELL * good_support([support])))

    def _poses(self, part: _Part, fit: _Fit, template: int, others: Sequence[Points]) -> Iterator[Pose]:
        """The best pose of a part, where chance does not explain it and nothing else is there."""
        rotation, shift = superpose(self.template.positions[part.anchor], fit.points[part.anchor])
        carried = self.template.positions @ rotation.T + shift
        hinge, own = fit.points[part.hinge], carried[part.members]
        turns, shifts, scores = self._turned(part, own, hinge)
        mirrored = [self._turned(part, image, hinge)[2] for image in mirror_images(own, hinge)]
        chance = chance_solutions(scores, np.sort(np.concatenate(mirrored))[::-1]) / len(MIRRORS)
        body = Body(template, part.members)
        poses = [
            self.heard(Pose(body, carried @ turn.T + shift, float(expected)))
            for turn, shift, expected in zip(turns, shifts, chance, strict=True)
        ]
        best = min(poses, key=lambda pose: pose.chance, default=None)
        if best and best.chance <= self.config.hinge_chance and self._is_free(best, part, fit, others):
            yield best

    def _turned(self, part: _Part, points: Points, hinge: Points) -> tuple[Points, Points, NDArray[np.float64]]:
        """Turns about the hinge with their shifts and scores, distinct ones, the best first."""
        radius = np.sqrt(((points - hinge) ** 2).sum(axis=1).mean())
        turns = turns_around(max(FINE * self.scene.resolution / radius, LEAST_STEP))
        body = (self.template.numbers[part.members], np.ascontiguousarray(points), self.sides[part.members])
        turns, shifts, scores = self.scene.settle(body, turns, hinge - turns @ hinge, self.run)
        near = Rotation.from_matrix(turns).magnitude() < MOST_TURN + SLACK
        near &= np.linalg.norm(turns @ hinge + shifts - hinge, axis=1) < MOST_OFF
        turns, shifts, scores = turns[near], shifts[near], scores[near]
        kept = distinct(points, turns, shifts, scores, self.config)
        return turns[kept], shifts[kept], scores[kept]

    def _is_free(self, pose: Pose, part: _Part, fit: _Fit, others: Sequence[Points]) -> bool:
        """Whether little of a pose lies where others do, or the rest of its copy."""
        rest = fit.well.copy()
        rest[part.members] = False
        rest[max(part.hinge - APART, 0) : part.hinge + APART + 1] = False
        taken = np.concatenate([fit.points[rest], *others])
        return not len(taken) or bool((KDTree(taken).query(pose.own())[0] < SAME).mean() <= MOST_SHARED)


def even(well: Mask) -> Mask:
    """Forget short dips, then what is too short to hold anything."""
    well = well.copy()
    for first, last in runs(~well):
        well[first:last] |= last - first < RIPPLE
    for first, last in runs(well):
        well[first:last] &= last - first >= LEAST_WELL
    return well


def loose_parts(well: Mask) -> Iterator[_Part]:
    """Pieces of the loose stretches, from either end that hangs on something.

    Parameters
    ----------
    well : ndarray, dtype=bool, shape=(n,)
        Residues that stay.
    """
    for first, last in runs(~well):
        if last - first < LEAST_LOOSE:
            continue
        lengths = sorted({min(length, last - first) for length in LENGTHS})
        if first > 0:
            anchor = np.arange(max(first - ANCHOR, 0), first)
            yield from (_Part(np.arange(first, first + n), first - 1, anchor[well[anchor]]) for n in lengths)
        if last < len(well):
            anchor = np.arange(last, min(last + ANCHOR, len(well)))
            yield from (_Part(np.arange(last - n, last), last, anchor[well[anchor]]) for n in lengths)


def turns_around(step: float) -> Points:
    """Rotations up to `MOST_TURN`, about `step` radians apart. Shape (n, 3, 3)."""
    reach = np.arange(-int(MOST_TURN // step), int(MOST_TURN // step) + 1) * step
    turns = np.array(list(product(reach, repeat=3)))
    return Rotation.from_rotvec(turns[np.linalg.norm(turns, axis=1) <= MOST_TURN]).as_matrix()


def mirror_images(points: Points, hinge: Points) -> Iterator[Points]:
    """Mirror images of a part through planes that hold its hinge and its middle."""
    along = unit(points.mean(axis=0) - hinge)
    aside: Points = np.eye(3)[np.argmin(np.abs(along))]
    across = unit(np.cross(along, aside))
    for turn in MIRRORS:
        normal = np.cos(turn) * across + np.sin(turn) * np.cross(along, across)
        yield points - 2 * np.outer((points - hinge) @ normal, normal)


def distinct(
    points: Points, turns: Points, shifts: Points, scores: NDArray[np.float64], config: RigidConfig
) -> list[int]:
    """The best poses that lie apart from all better ones, the best first."""
    kept: list[int] = []
    places: list[Points] = []
    for i in np.argsort(-scores, kind="stable"):
        place = points @ turns[i].T + shifts[i]
        if all(((place - other) ** 2).sum(axis=1).mean() > config.apart**2 for other in places):
            kept.append(int(i))
            places.append(place)
            if len(kept) == config.solutions:
                break
    return kept


def _with_pose(copy: Copy, pose: Pose) -> Copy:
    """The copy with residues where a new pose has them."""
    rest = [other.without(pose.body.members) for other in copy.poses]
    return replace(copy, poses=(*(other for other in rest if len(other.body.members)), pose))
