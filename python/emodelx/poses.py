"""Bodies, where they may be in a map, and what chance explains of that."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from emodelx.constants import CA_DISTANCE, HEAVY_ATOMS
from emodelx.records import Ints, Points

MAIN_CHAIN_ATOMS = 4
UNKNOWN_SIDE = (3.0, 2.0)
"""Atoms of a side chain of unknown type, and the distance of their middle from the Calpha in Angstrom."""
SIDE_STEP = 0.75
"""Angstrom by which every atom takes the middle of a side chain further out, beyond the first."""
TAIL = 20
"""Solutions of the mirror image on which the tail of chance is fitted."""
CERTAIN, LEAST_CHANCE = 0.0, 1e-300
"""Expected number of chance solutions as good as what was read residue by residue, and the least of a search."""
SAME, MOST_SHARED = 4.0, 0.2
"""Angstrom within which residues are in each other's place, and the share of such residues that a pose may have."""


@dataclass(frozen=True)
class Body:
    """A template, or a part of one, that is looked for.

    Attributes
    ----------
    template : int
        Index of the template.
    members : ndarray, dtype=int64, shape=(m,)
        Residues of the template that it holds.
    """

    template: int
    members: Ints


@dataclass(frozen=True)
class Pose:
    """Where a body may be.

    Attributes
    ----------
    body : Body
    points : ndarray, dtype=float64, shape=(n, 3)
        All residues of its template, in Angstrom from voxel 0,0,0.
    chance : float
        Expected number of chance solutions that are as good.
    """

    body: Body
    points: Points
    chance: float

    def own(self) -> Points:
        """The residues of the body. Shape (m, 3)."""
        return self.points[self.body.members]

    def likelier(self, log_ratio: float) -> "Pose":
        """The pose with evidence for it, or against it: chance has so much less, or more, to offer."""
        return replace(self, chance=max(float(self.chance * np.exp(-log_ratio)), LEAST_CHANCE))

    def without(self, members: Ints) -> "Pose":
        """The pose of the body without some residues of the template."""
        return replace(self, body=replace(self.body, members=np.setdiff1d(self.body.members, members)))


@dataclass(frozen=True)
class Copy:
    """One copy of a template, found as a whole or domain by domain: the poses of its bodies, the first the surest."""

    template: int
    poses: tuple[Pose, ...]

    def whole(self) -> Points:
        """All residues of the template: those that no pose holds go along with the surest. Shape (n, 3)."""
        points = self.poses[0].points.copy()
        for pose in self.poses:
            points[pose.body.members] = pose.own()
        return points

    def members(self) -> Ints:
        """Residues of the template that are placed."""
        return np.unique(np.concatenate([pose.body.members for pose in self.poses]))

    def points(self) -> Points:
        """Where they are. Shape (len(members), 3)."""
        return self.whole()[self.members()]

    def chance(self) -> float:
        """Expected number of chance solutions as good as the surest pose that was searched for; 1 without any."""
        return min((pose.chance for pose in self.poses if pose.chance > CERTAIN), default=1.0)

    def off(self, pose: Pose) -> float:
        """Distance (root mean square) in Angstrom of a pose from where the template has it to the copy."""
        members = pose.body.members
        return min(float(np.sqrt(((p.points[members] - pose.own()) ** 2).sum(axis=1).mean())) for p in self.poses)


def side_chains(residues: str, numbers: Ints) -> Points:
    """Atoms of side chains, and the distance of their middle from the Calpha in Angstrom. Shape (n, 2)."""
    atoms = [
        len(HEAVY_ATOMS[residues[i]].split()) - MAIN_CHAIN_ATOMS if residues[i] in HEAVY_ATOMS else -1 for i in numbers
    ]
    return np.array(
        [UNKNOWN_SIDE if n < 0 else (n, CA_DISTANCE * 0.4 + SIDE_STEP * 0.5 * max(n - 1, 0)) for n in atoms]
    )


def chance_solutions(scores: NDArray[np.float64], mirrored: NDArray[np.float64]) -> NDArray[np.float64]:
    """Expected number of chance solutions with at least these scores.

    Parameters
    ----------
    scores, mirrored : ndarray, dtype=float64, descending
        Scores of the solutions of a body, and of its mirror image, which are chance.

    Returns
    -------
    ndarray, dtype=float64, shape=(len(scores),)
        By the exponential tail of the scores of the mirror image, the best `TAIL` of them.
    """
    tail = mirrored[: TAIL + 1]
    if len(tail) < 3:
        return np.full(len(scores), np.inf)
    scale = max(float((tail[:-1] - tail[-1]).mean()), 1e-6)
    return np.maximum((len(tail) - 1) * np.exp(-(scores - tail[-1]) / scale), LEAST_CHANCE)
