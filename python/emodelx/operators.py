"""Symmetry operators of a complex: trial motions are fitted to its candidates, and grown to a point group."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree
from scipy.spatial.transform import Rotation

from emodelx.point_groups import MOST, find, name_of, orient, rotations_of
from emodelx.records import Candidates, Points, Symmetry
from emodelx.symmetry import superpose

NEAR = 2.0
"""Angstrom between an image of a candidate and the candidate that it is."""
CLOSER = (8.0, 5.0, 3.0, 2.0, 2.0, 2.0)
"""Angstrom within which pairs are sought while a motion is fitted, round by round."""
SAMPLE = 300
"""Candidates that motions are fitted to."""
PROOF = 1000
"""Candidates that must agree in the end, in place and type."""
LEAST_SHARE = 0.5
"""Of the candidates that have an image; chance alone gives 0.25 where one complex lies upon another."""
LEAST_AGREEMENT = 0.75
"""Of types: 0 for unrelated residues, 1 for the same ones if every reading is as sure as it says; the same residues of
simulated cases and of EMD-3488 come to 1.6 to 1.8, so that chains of 43 % identity (of haemoglobin) come to 0.7."""
TELLING = 4.0
"""Standard errors between the two, from which types tell anything."""
ROUNDS = 3
"""Of least squares; each finds its pairs anew."""


@dataclass(frozen=True)
class Motion:
    """`points @ rotation.T + shift`: rotation of shape (3, 3), shift of shape (3,) in Angstrom."""

    rotation: Points
    shift: Points

    def __call__(self, points: Points) -> Points:
        """Move points of shape (n, 3)."""
        return points @ self.rotation.T + self.shift

    def after(self, other: "Motion") -> "Motion":
        """Return the motion that does `other` first."""
        return Motion(self.rotation @ other.rotation, self.rotation @ other.shift + self.shift)


class OperatorTest:
    """Says whether motions take a complex onto itself."""

    def __init__(self, candidates: Candidates) -> None:
        """Prepare the candidates of the complex."""
        self.points = candidates.positions
        self.tree = KDTree(self.points)
        self.proof = np.unique(np.linspace(0, len(self.points) - 1, PROOF).astype(int))
        self.sample = self.points[np.unique(np.linspace(0, len(self.points) - 1, SAMPLE).astype(int))]
        self.types = _TypeTest(candidates)

    def fitted(self, motion: Motion, within: tuple[float, ...] = CLOSER) -> Motion | None:
        """Fit a motion to pairs of candidates; None where it does not take the complex onto itself."""
        for radius in within:
            mobile, target = self._pairs(motion, self.sample, radius)
            if len(mobile) < LEAST_SHARE / 2 * len(self.sample):
                return None
            motion = Motion(*superpose(self.sample[mobile], self.points[target]))
        mobile, target = self._pairs(motion, self.points[self.proof], NEAR)
        if len(mobile) < LEAST_SHARE * len(self.proof) or not self.types.agree(self.proof[mobile], target):
            return None
        return motion

    def share(self, symmetry: Symmetry) -> float:
        """Share of the candidates that have an image under a rotation, in the mean."""
        moved = symmetry.images(self.sample)[1:].reshape(-1, 3)
        return float(np.isfinite(self.tree.query(moved, distance_upper_bound=NEAR)[0]).mean()) if len(moved) else 1.0

    def refined(self, symmetry: Symmetry) -> Symmetry:
        """Refine the axes and the centre by least squares over all pairs of candidates and their images."""
        for _ in range(ROUNDS):
            symmetry = self._improved(symmetry)
        return Symmetry(symmetry.group, symmetry.rotations, symmetry.centre, self.share(symmetry))

    def _improved(self, symmetry: Symmetry) -> Symmetry:
        """One step of Gauss and Newton: the group as a whole is turned and shifted."""
        design, residual = [], []
        for rotation, moved in zip(symmetry.rotations[1:], symmetry.images(self.sample)[1:], strict=True):
            distance, nearest = map(np.asarray, self.tree.query(moved, distance_upper_bound=NEAR))
            paired = np.isfinite(distance)
            before, after = self.sample[paired] - symmetry.centre, moved[paired] - symmetry.centre
            turned = rotation @ _cross(before) - _cross(after)
            design.append(np.concatenate([turned, np.tile(np.eye(3) - rotation, (len(before), 1, 1))], axis=2))
            residual.append(self.points[nearest[paired]] - moved[paired])
        # What no pair tells (the turn and the shift along the axis of Cn) stays as it is: the least solution.
        rows, aims = np.concatenate(design).reshape(-1, 6), np.concatenate(residual).ravel()
        normal, aim = np.einsum("ki,kj->ij", rows, rows), np.einsum("ki,k->i", rows, aims)
        step = np.linalg.lstsq(normal, aim, rcond=1e-10)[0]
        tilt = Rotation.from_rotvec(step[:3]).as_matrix()
        return Symmetry(symmetry.group, tilt @ symmetry.rotations @ tilt.T, symmetry.centre + step[3:])

    def _pairs(self, motion: Motion, points: Points, radius: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Indices of the points that the motion takes near a candidate, and of those candidates."""
        distance, nearest = map(np.asarray, self.tree.query(motion(points), distance_upper_bound=radius))
        paired = np.flatnonzero(np.isfinite(distance))
        return paired, nearest[paired]


class _TypeTest:
    """Says whether pairs of candidates are the same residues."""

    def __init__(self, candidates: Candidates) -> None:
        read = np.maximum(candidates.type_prob.astype(np.float64), 1e-6)
        self.read = read / read.sum(axis=1, keepdims=True)
        self.background = self.read.mean(axis=0)
        chosen = self.read[np.linspace(0, len(read) - 1, SAMPLE).astype(int)]
        # Without BLAS, whose threads wait awake for more work after a product as small as this.
        odds = np.einsum("ia,ja->ij", chosen / self.background, chosen)
        score = np.log(odds)[np.triu_indices(len(odds), 1)]
        # Readings of one residue are drawn from all pairs by their odds to be that.
        weight = odds[np.triu_indices(len(odds), 1)]
        self.same, self.other = float(np.average(score, weights=weight)), float(score.mean())
        self.deviation = float(score.std())

    def agree(self, first: NDArray[np.int64], second: NDArray[np.int64]) -> bool:
        """Whether the types of the pairs do not speak against it."""
        score = np.log((self.read[first] / self.background * self.read[second]).sum(axis=1)).mean()
        if self.same - self.other < TELLING * self.deviation / np.sqrt(len(first)):
            return True
        return bool(score - self.other > LEAST_AGREEMENT * (self.same - self.other))


def find_group(candidates: Candidates, trials: Iterable[Motion]) -> Symmetry:
    """Find the largest point group that trial motions of a complex generate.

    Every operator of the group is fitted to the candidates by itself; then the group as a whole is, by least squares
    over all pairs of candidates and their images.

    Parameters
    ----------
    candidates : Candidates
    trials : iterable of Motion
        The most promising first.

    Returns
    -------
    Symmetry
        C1 where no trial takes the complex onto itself.
    """
    test = OperatorTest(candidates)
    group = [Motion(np.eye(3), np.zeros(3))]
    tried = list(group)
    for trial in trials:
        if _known(trial, tried):
            continue
        tried.append(trial)
        motion = None if _known(trial, group) else test.fitted(trial)
        if motion is not None and not _known(motion, group):
            group = _closed(group, motion, test) or group
    return _as_symmetry(group, test)


def _known(motion: Motion, group: list[Motion]) -> bool:
    return find(motion.rotation, np.array([known.rotation for known in group])) is not None


def _closed(group: list[Motion], motion: Motion, test: OperatorTest) -> list[Motion] | None:
    """The group with one more motion and all products; None where one of them does not fit the complex."""
    generators = [*group, motion]
    grown = list(generators)
    for one in grown:  # grows while it is read
        for product in (one.after(other) for other in generators):
            if not _known(product, grown):
                fitted = test.fitted(product, CLOSER[2:]) if len(grown) < MOST else None
                if fitted is None:
                    return None
                grown.append(fitted)
    return grown


def _as_symmetry(group: list[Motion], test: OperatorTest) -> Symmetry:
    """The ideal group nearest to measured motions."""
    rotations = np.array([motion.rotation for motion in group])
    name = name_of(rotations)
    setting = None if name is None else orient(name, rotations)
    if name is None or setting is None or len(group) == 1:
        return Symmetry()
    # A point c on all axes: rotation c + shift = c; along the axis of Cn it is at the middle of the complex.
    middle = test.points.mean(axis=0)
    design = np.concatenate([np.eye(3) - motion.rotation for motion in group])
    off = np.concatenate([motion(middle[None])[0] - middle for motion in group])
    centre = middle + np.linalg.lstsq(design, off, rcond=1e-2)[0]
    return test.refined(Symmetry(name, setting @ rotations_of(name) @ setting.T, centre))


def subgroup(symmetry: Symmetry, name: str, candidates: Candidates) -> Symmetry | None:
    """Return the part of a symmetry that is the group `name`; None where it is not in it."""
    setting = orient(name, symmetry.rotations)
    if setting is None:
        return None
    part = Symmetry(name, setting @ rotations_of(name) @ setting.T, symmetry.centre)
    return OperatorTest(candidates).refined(part) if len(part) > 1 else Symmetry()


def _cross(vectors: Points) -> Points:
    """Matrices of the cross products with vectors of shape (n, 3). Shape (n, 3, 3)."""
    x, y, z = vectors.T
    zero = np.zeros_like(x)
    return np.array([[zero, -z, y], [z, zero, -x], [-y, x, zero]]).transpose(2, 0, 1)
