"""Training windows of real maps with the labels of their models, alone or mixed with simulated ones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from emodelx.network.normalise import SPECTRUM
from emodelx.network.orientations import ALL, orientations
from emodelx.network.spectrum import soft_cut, target_log_amplitude
from emodelx.training.augment import random_mask
from emodelx.training.data import WindowConfig, Windows, structure_odds
from emodelx.training.labels import make_labels
from emodelx.training.pairs import RealMap
from emodelx.training.simulate import PADDING, fourier_grid
from emodelx.training.structures import Structure

MOST_CALPHAS = 3000
"""Beyond these a map is drawn no more often."""
ROTATIONS = [replace(orientation, step=0) for orientation in orientations(ALL)]


class RealWindows(Windows):
    """Windows of real maps with the labels of their models.

    Parameters
    ----------
    pairs
        Maps to draw from.
    config
        Size, seed and spread of the windows; the rest is for simulated ones.
    count
        Length of the dataset.
    device
        Where the windows are made.
    varied
        Turn, blur, mask and rescale them; otherwise they are what the network sees when it reads the map.
    """

    def __init__(
        self, pairs: list[RealMap], config: WindowConfig, count: int, device: torch.device, varied: bool = True
    ) -> None:
        self.pairs, self.config, self.count, self.device, self.varied = pairs, config, count, device, varied
        calphas = np.array([pair.atoms.calpha.sum() for pair in pairs])
        self._odds = structure_odds(calphas, 1, MOST_CALPHAS)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return window number `index`."""
        rng = np.random.default_rng((self.config.seed, index))
        pair = self.pairs[int(rng.choice(len(self.pairs), p=self._odds))]
        size = self.config.size
        centre = pair.atoms.xyz[rng.choice(np.flatnonzero(pair.atoms.calpha))]
        start = np.round(centre + rng.normal(0, self.config.centre_spread, 3)).astype(int) - size // 2
        # no other rotation: none of these interpolates, so that noise keeps its look
        turn = ROTATIONS[rng.integers(len(ROTATIONS)) if self.varied else 0]
        padded = turn.turn(torch.from_numpy(cut_out(pair.density, start - PADDING, size + 2 * PADDING)))
        atoms = _near(pair.atoms, start, size)
        atoms = replace(atoms, xyz=turn.turn_points(torch.from_numpy(atoms.xyz), size).numpy())
        labels = make_labels(atoms, size, self.device)
        density = padded.to(self.device)
        inner = (slice(PADDING, PADDING + size),) * 3
        if not self.varied:
            return density[inner].clamp(0, SPECTRUM.ceiling)[None], labels.backbone, labels.calpha, labels.amino
        density = disturb(density, pair.resolution, rng)[inner]
        mask, labels = random_mask(atoms, labels, rng)
        density = _rescale(density if mask is None else density * mask, rng)
        return density[None], labels.backbone, labels.calpha, labels.amino


def cut_out(density: NDArray[np.float16], start: NDArray[np.int64], size: int) -> NDArray[np.float32]:
    """Read a cube of a volume, float32; outside of the volume it is 0, as where a map is read."""
    cube = np.zeros((size,) * 3, np.float32)
    low, high = np.maximum(start, 0), np.minimum(start + size, density.shape)
    if (low < high).all():
        inside = tuple(slice(a, b) for a, b in zip(low - start, high - start, strict=True))
        cube[inside] = density[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
    return cube


def _near(atoms: Structure, start: NDArray[np.int64], size: int) -> Structure:
    """Atoms in a window, in its coordinates."""
    xyz = atoms.xyz - start.astype(np.float32)
    kept = np.flatnonzero(((xyz > -0.5) & (xyz < size - 0.5)).all(1))
    return atoms.select(kept, xyz=xyz[kept])


def disturb(density: Tensor, resolution: float, rng: np.random.Generator) -> Tensor:
    """Vary what differs from map to map and from estimate to estimate: spectrum, cut and noise.

    An extra B factor would do nothing: the rule of the weights takes it away again. What is left of it are the errors
    of the spectrum's match, as in simulated windows.
    """
    grid = fourier_grid(len(density), density.device)
    radius = grid.shell_radius
    slope = rng.normal(0, 0.12) * ((radius - 1 / 8) / (1 / 3 - 1 / 8)).clamp(0, 1.5)
    factor = 10**slope * soft_cut(radius, resolution * rng.uniform(0.85, 1.15))
    curve = 10 ** target_log_amplitude(radius) * soft_cut(radius, resolution)
    transform = grid.transform(density)
    generator = torch.Generator(density.device).manual_seed(int(rng.integers(2**62)))
    white = torch.randn(density.shape, generator=generator, device=density.device)
    noise = grid.volume(grid.transform(white) * curve[grid.shell])
    level = rng.uniform(0, 0.3) if rng.uniform() < 0.5 else 0.0
    return grid.volume(transform * factor[grid.shell]) + level * density.std() / noise.std() * noise


def _rescale(density: Tensor, rng: np.random.Generator) -> Tensor:
    """Clip with the scatter of zero and scale that cutting a map out and masking it brings."""
    return ((density - rng.uniform(-0.02, 0.06)) * float(np.exp(rng.normal(0, 0.12)))).clamp(0, SPECTRUM.ceiling)


class MixedWindows(Windows):
    """Real windows at a share, simulated ones otherwise.

    Parameters
    ----------
    simulated, real
        Of the same size and length.
    share
        Of real windows, 0 to 1.
    seed
        Of the choice.
    """

    def __init__(self, simulated: Windows, real: Windows, share: float, seed: int) -> None:
        self.simulated, self.real, self.share, self.seed = simulated, real, share, seed
        self.count = simulated.count

    def __getitem__(self, index: int) -> tuple[Tensor, ...]:
        """Return window number `index`."""
        real = np.random.default_rng((self.seed, index, 1)).uniform() < self.share
        return (self.real if real else self.simulated)[index]
