"""The map as rigid search sees it: bodies are searched for in it, moved uphill, and bent."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d

from emodelx import _core
from emodelx.config import RigidConfig, RunConfig
from emodelx.contrast import coarsened
from emodelx.records import Floats, Ints, Points

COARSE = 0.6
"""Voxel of the coarse grid, as a part of the resolution; whole Angstrom between 3 and 5. The details of a map fade fast
with it: the place of a weak copy at 5 A stands out by 3.6 deviations at voxels of 4 A, 5.8 at 3 A, and 9.3 at 2 A."""
LEAST_TURN, MOST_TURN = 10.0, 20.0
"""Degrees between neighbouring rotations."""
STRETCH = 15
"""Residues over which the support of the map is averaged: a template is right or wrong in stretches."""
GOOD = 80
"""Percentile of the support that residues in their places have: how much there is depends on the map."""

BodyArrays = tuple[Ints, Points, Points]
"""Numbers of the residues (n,), their Calphas (n, 3), and atoms and reach of their side chains (n, 2)."""
Support = NDArray[np.float64]


@dataclass(frozen=True)
class Loop:
    """Residues that were traced between two others.

    Attributes
    ----------
    chain : int
        Index of the chain.
    numbers : ndarray, dtype=int64, shape=(m,)
    points : ndarray, dtype=float64, shape=(m, 3)
        In Angstrom from voxel 0,0,0.
    agreement : ndarray, dtype=float64, shape=(m,)
        Share of the ways over the gap, by their likelihood, that have each residue within 3 A of there.
    """

    chain: int
    numbers: Ints
    points: Points
    agreement: Support


@dataclass(frozen=True)
class Scene:
    """The field that is searched.

    Attributes
    ----------
    field : ndarray, dtype=float32, shape=(nx, ny, nz)
        On the 1 A grid; points are in Angstrom from voxel 0,0,0.
    coarse : ndarray, dtype=float32, shape=(mx, my, mz)
        The same on voxels of `spacing` Angstrom.
    spacing : int
    resolution : float
        Angstrom.
    """

    field: Floats
    coarse: Floats
    spacing: int
    resolution: float

    @classmethod
    def of(cls, field: Floats, resolution: float) -> "Scene":
        """Make the coarse grid of a field."""
        spacing = int(np.clip(round(COARSE * resolution), 3, 5))
        return cls(field, coarsened(field, spacing), spacing, resolution)

    def search(self, body: BodyArrays, config: RigidConfig, run: RunConfig) -> list[tuple[Points, Points, float]]:
        """Rotations (3, 3), shifts and scores of the best poses of a body in all of the map, the best first."""
        radius = np.sqrt(((body[1] - body[1].mean(axis=0)) ** 2).sum(axis=1).mean())
        turn = np.clip(np.degrees(config.turn * self.resolution / radius), LEAST_TURN, MOST_TURN)
        how = (float(np.radians(turn)), config.starts, config.solutions, config.apart)
        found = _core.search_body(
            self.field, self.coarse, float(self.spacing), body, how, threads=run.threads, progress=run.progress
        )
        return [(rotation, np.array(shift), score) for rotation, shift, score in found]

    def settle(
        self, body: BodyArrays, rotations: Points, shifts: Points, run: RunConfig
    ) -> tuple[Points, Points, Support]:
        """Rotations (n, 3, 3), shifts (n, 3) and scores (n,) to which poses move uphill."""
        starts = (np.ascontiguousarray(rotations.reshape(-1, 9)), np.ascontiguousarray(shifts))
        rotated, shifted, scores = _core.settle_body(self.field, body, starts, threads=run.threads)
        return rotated.reshape(-1, 3, 3), shifted, scores

    def bend(self, bodies: Sequence[BodyArrays], config: RigidConfig, run: RunConfig) -> list[tuple[Points, Support]]:
        """Calphas (n, 3) of bodies that were bent to fit, and the support of the map for each (n,)."""
        stiffness = (config.stiffness_along, config.stiffness_across)
        bent = _core.bend_bodies(self.field, list(bodies), stiffness, threads=run.threads, progress=run.progress)
        return [(points, uniform_filter1d(support, STRETCH, mode="nearest")) for points, _, support in bent]

    def trace(self, chains: Sequence[tuple[Ints, Points]], run: RunConfig) -> list[Loop]:
        """Loops that placed chains lack, where a way leads over them."""
        found = _core.trace_loops(self.field, list(chains), threads=run.threads, progress=run.progress)
        return [
            Loop(chain, np.arange(first, first + len(points)), points, agreement)
            for chain, first, points, agreement in found
        ]


def good_support(supports: Sequence[Support]) -> float:
    """Support that residues in their places have."""
    return max(float(np.percentile(np.concatenate(supports), GOOD)), 1e-3) if supports else 1.0
