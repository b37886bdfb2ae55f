"""Symmetry: the point group of the complex, and where its axes are."""

from collections.abc import Iterable, Iterator
from collections.abc import Sequence as Sequences

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.spatial.transform import Rotation

from emodelx.config import AUTO, LARGEST_ORDER, RunConfig
from emodelx.operators import Motion, find_group, subgroup
from emodelx.records import Candidates, Fragment, Points, Prediction, Sequence, Symmetry
from emodelx.symmetry import superpose

PRIMES = (2, 3, 5, 7, 11, 13)
"""Orders of axes that are sought in all directions; every axis has one of them, or 17 or 19."""
DIRECTIONS = 1000
"""Over half a sphere: 4.5 degrees from one to the next."""
VOXELS = 16
"""Of the blurred complex, from its middle to its edge."""
MARGIN = 4
"""Of the grid, in such voxels."""
BLUR = 0.9
"""Deviation in such voxels; about as much as a direction may be off."""
POINTS = 200
"""Candidates that are turned about each axis."""
LEAST_OVERLAP = 0.3
"""Of the blurred complex and a turned one, from 0 for the usual to 1 for that with itself."""
USUAL = 40
"""Directions that tell what is usual."""
LEAST_CONTRAST = 0.1
"""Of the usual overlap to that of the complex with itself, as a part of it."""
PEAKS, TRIALS = 8, 120
"""Directions per order, and motions, that are looked at closely."""
SHARED = 12
"""Residues that two fragments must share to show a motion."""
ALIKE = 1.5
"""Angstrom (RMS) between them."""
MOST_ODD = 0.5
"""Share of residues whose sequences have other numbers of copies than the symmetry demands."""
FEWEST = 40
"""Candidates, with which chance is enough for a motion to fit."""
LONGEST = 3
"""Fragments per sequence that all others are compared with."""


def symmetry_of_map(candidates: Candidates, prediction: Prediction, _: RunConfig) -> Symmetry:
    """Find the point group from the candidates alone.

    The complex, blurred, is turned about axes in all directions through its middle and through that of the box (where
    reconstructions have their axes); the turns that bring it onto itself are fitted to the candidates.

    Parameters
    ----------
    candidates : Candidates
    prediction : Prediction
        Its box is looked at.

    Returns
    -------
    Symmetry
        C1 where nothing is found.
    """
    if len(candidates) < FEWEST:
        return Symmetry()
    box = prediction.middle()
    for centre in (candidates.positions.mean(axis=0), box):
        trials = sorted(_turns(candidates, centre), key=lambda trial: -trial[0])
        found = find_group(candidates, (motion for _, motion in trials[:TRIALS]))
        if len(found) > 1:
            return found
    return Symmetry()


def symmetry_of_fragments(fragments: Sequences[Fragment], candidates: Candidates, _: RunConfig) -> Symmetry:
    """Find the point group from registered fragments: those that share residues of a sequence show motions.

    Parameters
    ----------
    fragments : sequence of Fragment
    candidates : Candidates

    Returns
    -------
    Symmetry
        C1 where nothing is found.
    """
    motions = list(_motions(fragments, candidates.positions))
    return find_group(candidates, motions) if motions else Symmetry()


def agree(
    found: Symmetry, asked: str, candidates: Candidates, sequences: Sequences[Sequence], _: RunConfig
) -> Symmetry:
    """Return the part of a symmetry that was asked for, or all of it where it has no such part.

    Parameters
    ----------
    found : Symmetry
    asked : str
        A point group, or `auto`.
    candidates : Candidates
    sequences : sequence of Sequence

    Returns
    -------
    Symmetry
        C1 where most residues belong to sequences whose copies are told and no multiple of its own.
    """
    part = None if asked in (AUTO, found.group) else subgroup(found, asked, candidates)
    part = part or found
    residues = [len(sequence.residues) * sequence.copies for sequence in sequences]
    contradict = [sequence.told and sequence.copies % len(part) > 0 for sequence in sequences]
    return Symmetry() if np.dot(residues, contradict) > MOST_ODD * sum(residues) else part


def _turns(candidates: Candidates, centre: Points) -> Iterator[tuple[float, Motion]]:
    """Turns about axes through a centre that bring the blurred complex onto itself, with their overlaps."""
    blurred = _Blurred(candidates.positions, centre)
    axes = np.concatenate([np.eye(3), _directions(DIRECTIONS)])
    peaks = {int(i) for order in PRIMES for i in _peaks(axes, blurred.overlaps(axes, order))}
    close = axes[sorted(peaks)]
    for order in range(2, LARGEST_ORDER + 1):
        for axis, overlap in zip(close, blurred.overlaps(close, order), strict=True):
            if overlap > LEAST_OVERLAP:
                rotation = Rotation.from_rotvec(2 * np.pi / order * axis).as_matrix()
                yield float(overlap), Motion(rotation, centre - rotation @ centre)


class _Blurred:
    """A complex on a coarse grid around a centre."""

    def __init__(self, positions: Points, centre: Points) -> None:
        self.points = positions[np.linspace(0, len(positions) - 1, POINTS).astype(int)] - centre
        self.voxel = max(np.percentile(np.linalg.norm(positions - centre, axis=1), 98) / VOXELS, 1.0)
        side = 2 * (VOXELS + MARGIN) + 1
        index = self._voxels(positions - centre)
        count = np.bincount(index, minlength=side**3)[: side**3].reshape(side, side, side)
        blurred = gaussian_filter(count.astype(np.float32), BLUR, mode="constant").ravel()
        # What only depends on the distance from the middle is the same after every turn, and tells nothing.
        grid = np.indices((side, side, side)).reshape(3, -1) - side // 2
        shell = np.rint(np.linalg.norm(grid, axis=0)).astype(np.int64)
        self.density = blurred - (np.bincount(shell, blurred) / np.bincount(shell))[shell]
        self.own = float(self.density[self._voxels(self.points)].mean())
        self.usual: dict[int, float] = {}

    def _voxels(self, points: Points) -> NDArray[np.int64]:
        """Flat indices of the voxels of points; those outside go to the edge."""
        half = VOXELS + MARGIN
        grid = np.clip(np.rint(points / self.voxel), -half, half).astype(np.int64) + half
        return (grid[..., 0] * (2 * half + 1) + grid[..., 1]) * (2 * half + 1) + grid[..., 2]

    def overlaps(self, axes: Points, order: int) -> NDArray[np.float64]:
        """Overlap of the complex with itself turned about each axis, 0 for any and 1 for the best. Shape (len(axes),).

        Small turns overlap about any axis, so that the usual overlap is what counts as 0.
        """
        if order not in self.usual:
            self.usual[order] = float(np.median(self._overlaps(_directions(USUAL), order)))
        usual = self.usual[order]
        return (self._overlaps(axes, order) - usual) / max(self.own - usual, LEAST_CONTRAST * self.own)

    def _overlaps(self, axes: Points, order: int) -> NDArray[np.float64]:
        rotations = Rotation.from_rotvec(2 * np.pi / order * axes).as_matrix()
        turned = self.points @ rotations.transpose(0, 2, 1)
        return self.density[self._voxels(turned)].mean(axis=1)


def _directions(count: int) -> Points:
    """Unit vectors spread evenly over half a sphere (a spiral of golden angles). Shape (count, 3)."""
    number = np.arange(count) + 0.5
    z, turn = number / count, number * np.pi * (3 - 5**0.5)
    across = np.sqrt(1 - z**2)
    return np.stack([across * np.cos(turn), across * np.sin(turn), z], axis=1)


def _peaks(axes: Points, overlaps: NDArray[np.float64]) -> list[int]:
    """Indices of the axes with the highest overlaps, no two of them neighbours."""
    kept: list[int] = []
    for i in np.argsort(-overlaps, kind="stable"):
        if overlaps[i] < LEAST_OVERLAP or len(kept) == PEAKS:
            break
        if all(abs(axes[i] @ axes[j]) < np.cos(np.radians(8)) for j in kept):
            kept.append(int(i))
    return kept


def _motions(fragments: Sequences[Fragment], points: Points) -> Iterable[Motion]:
    """Motions that take a long fragment onto the others of its sequence."""
    for sequence in sorted({fragment.sequence for fragment in fragments}):
        own = sorted((f for f in fragments if f.sequence == sequence), key=lambda f: -len(f.candidates))
        for i, one in enumerate(own[:LONGEST]):
            motions = (_motion(one, other, points) for other in own[i + 1 :])
            yield from (motion for motion in motions if motion is not None)


def _motion(one: Fragment, other: Fragment, points: Points) -> Motion | None:
    """The motion that takes the residues of one fragment onto the same of another, if they are alike."""
    first, end = max(one.start, other.start), min(one.start + len(one.candidates), other.start + len(other.candidates))
    if end - first < SHARED:
        return None
    mine, its = (
        one.candidates[first - one.start : end - one.start],
        other.candidates[first - other.start : end - other.start],
    )
    both = (mine >= 0) & (its >= 0)
    if both.sum() < SHARED:
        return None
    motion = Motion(*superpose(points[mine[both]], points[its[both]]))
    error = np.linalg.norm(motion(points[mine[both]]) - points[its[both]], axis=1)
    return motion if np.sqrt((error**2).mean()) < ALIKE else None
