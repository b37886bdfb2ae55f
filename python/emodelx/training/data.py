"""Training windows, made when they are asked for: window number i of a seed is always the same."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from emodelx.training.augment import NOISE_RANKS, random_ball, random_mask, random_rotation, random_scale
from emodelx.training.labels import Labels, make_labels
from emodelx.training.loss import Targets
from emodelx.training.ranks import ALONE, Ranks
from emodelx.training.simulate import PADDING, Conditions, Scene, draw_conditions
from emodelx.training.structures import NUCLEIC, Structure, StructurePack

LEAST_CALPHAS = 40
SPREAD_MARGIN = 2.0  # voxels that the spline of an atom needs towards the edge


@dataclass(frozen=True)
class WindowConfig:
    """Which windows are drawn.

    Attributes
    ----------
    size
        Edge in voxels.
    seed
        Of everything random.
    resolution
        In A; None draws it for every window.
    nucleic_share
        Windows centred on a nucleic acid (not to be taken for protein).
    outer_share
        Windows pushed outwards, to the edge of the molecule or beyond it.
    noise_share
        Windows of nothing but the noise of a map, at full scale, half of them inside a ball: what a map without protein
        looks like.
    centre_spread
        Standard deviation in A of the distance between the centre atom and the window's centre, per axis.
    """

    size: int = 48
    seed: int = 1
    resolution: float | None = None
    nucleic_share: float = 0.06
    outer_share: float = 0.12
    noise_share: float = 0.03
    centre_spread: float = 8.0


class Windows(Dataset[tuple[Tensor, ...]]):
    """Windows by their number, each a density ``(1, size, size, size)`` float32 and three label volumes, int64."""

    count: int

    def __len__(self) -> int:
        return self.count


class SimulatedWindows(Windows):
    """Simulated windows with labels.

    Parameters
    ----------
    pack
        Structures to draw from.
    config
        How to draw.
    count
        Length of the dataset.
    device
        Where the simulation runs.
    """

    def __init__(self, pack: StructurePack, config: WindowConfig, count: int, device: torch.device) -> None:
        self.pack, self.config, self.count, self.device = pack, config, count, device
        self._protein_odds = structure_odds(pack.calpha_counts(), LEAST_CALPHAS, 3000)
        self._nucleic_odds = structure_odds(pack.nucleotide_counts(), 8, 400)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return window number `index`."""
        rng = np.random.default_rng((self.config.seed, index))
        conditions = draw_conditions(rng, self.config.resolution)
        if np.random.default_rng((self.config.seed, index, 2)).uniform() < self.config.noise_share:
            return self._noise(conditions, rng)
        density, _, labels = self._molecule(conditions, rng)
        return density[None], labels.backbone, labels.calpha, labels.amino

    def molecule(self, index: int) -> tuple[Tensor, Structure]:
        """Return what window number `index` shows where it is not one of noise.

        Returns
        -------
        density
            ``(size, size, size)`` float32.
        atoms
            In voxel coordinates of the window; also those a little outside of it.
        """
        rng = np.random.default_rng((self.config.seed, index))
        density, atoms, _ = self._molecule(draw_conditions(rng, self.config.resolution), rng)
        return density, atoms

    def _molecule(self, conditions: Conditions, rng: np.random.Generator) -> tuple[Tensor, Structure, Labels]:
        """Return density, atoms and labels of a window with a molecule."""
        size = self.config.size
        padded = self._atoms_of_window(rng)
        scene = Scene(padded, conditions, size + 2 * PADDING, rng, self.device)
        inner = slice(PADDING, PADDING + size)
        density = scene.density()[inner, inner, inner]
        atoms = replace(padded, xyz=padded.xyz - np.float32(PADDING))
        mask, labels = self._cut(atoms, rng)
        density = random_scale(density if mask is None else density * mask, labels.near, rng)
        return density, atoms, labels

    def _cut(self, atoms: Structure, rng: np.random.Generator) -> tuple[Tensor | None, Labels]:
        """Return what to multiply the density with, if with anything, and the labels of what is left."""
        return random_mask(atoms, make_labels(atoms, self.config.size, self.device), rng)

    def _noise(self, conditions: Conditions, rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return a window of noise at full scale, in which there is nothing to find."""
        size = self.config.size
        nothing = self.pack[0].select(np.empty(0, np.int64))
        labels = make_labels(nothing, size, self.device)
        density = Scene(nothing, conditions, size, rng, self.device).noise()
        mask = random_ball(size, rng, self.device)
        density = random_scale(density * mask, mask > 0.5, rng, NOISE_RANKS)
        return density[None], labels.backbone, labels.calpha, labels.amino

    def _atoms_of_window(self, rng: np.random.Generator) -> Structure:
        """Atoms of a randomly chosen, turned and placed structure, in voxel coordinates of the padded window."""
        structure, anchors = self._structure(rng)
        xyz = structure.xyz
        centre = xyz[rng.choice(anchors)] + rng.normal(0, self.config.centre_spread, 3)
        if rng.uniform() < self.config.outer_share:
            outwards = centre - xyz.mean(0)
            centre = centre + rng.uniform(8, 30) * outwards / (np.linalg.norm(outwards) + 1e-6)
        size = self.config.size + 2 * PADDING
        near = np.flatnonzero((np.abs(xyz - centre) < size).all(1))
        turned = (xyz[near] - centre).astype(np.float32) @ random_rotation(rng).T + np.float32(size / 2)
        kept = ((turned > SPREAD_MARGIN) & (turned < size - 1 - SPREAD_MARGIN)).all(1)
        residue = np.unique(structure.residue[near[kept]], return_inverse=True)[1].astype(np.int32)
        return structure.select(near[kept], xyz=turned[kept], residue=residue)

    def _structure(self, rng: np.random.Generator) -> tuple[Structure, NDArray[np.int64]]:
        """Return a structure and the atoms that the window may be centred on."""
        nucleic = self._nucleic_odds.any() and rng.uniform() < self.config.nucleic_share
        odds = self._nucleic_odds if nucleic else self._protein_odds
        structure = self.pack[int(rng.choice(len(odds), p=odds))]
        return structure, np.flatnonzero(structure.kind == NUCLEIC if nucleic else structure.calpha)


def structure_odds(counts: NDArray[np.int64], least: int, most: int) -> NDArray[np.float64]:
    """Probability of each structure: large ones more often, but less than in proportion."""
    weight = np.where(counts >= least, np.minimum(counts, most), 0) ** 0.7
    return weight / max(weight.sum(), 1e-12)


@dataclass(frozen=True)
class WindowOrder:
    """Which windows one of several processes takes: of every step's windows, in a row, its share.

    Together they take what a single process with all their windows per step takes.

    Attributes
    ----------
    batch
        Windows per step and process.
    first
        Steps that are done already.
    end
        Number of windows.
    ranks
    """

    batch: int
    first: int
    end: int
    ranks: Ranks = ALONE

    def __iter__(self) -> Iterator[int]:
        step = self.batch * self.ranks.count
        mine = self.batch * self.ranks.rank
        for start in range(self.first * step, self.end - step + 1, step):
            yield from range(start + mine, start + mine + self.batch)


def batches(
    windows: Windows, batch: int, first: int, workers: int, ranks: Ranks = ALONE
) -> Iterator[tuple[Tensor, Targets]]:
    """Yield batches from step `first` on; the same ones for any number of workers."""
    order = WindowOrder(batch, first, len(windows), ranks)
    for density, *labels in DataLoader(windows, batch, sampler=order, num_workers=workers):
        yield density, Targets(*labels)
