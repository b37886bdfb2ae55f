"""What processing and cropping do to a simulated density before the network sees it."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from emodelx.network.normalise import SPECTRUM
from emodelx.training.labels import IGNORED, NONE, Labels, dilate
from emodelx.training.structures import PROTEIN, Structure

TIGHT_MASK_SHARE = 0.35
ZONE_SHARE = 0.12
WHOLE_SHARE = 0.5
MOLECULE_RANKS = 0.70, 0.93
"""What the rule of the weights makes 1 in real maps lies at .73 to .88 of the values near their molecules."""
NOISE_RANKS = 0.95, 0.995
"""The same in a map of noise, of all values."""


def random_rotation(rng: np.random.Generator) -> np.ndarray:
    """Return a uniformly random rotation matrix, float32 ``(3, 3)``, left-multiplying column vectors."""
    w, x, y, z = (q := rng.normal(size=4)) / np.linalg.norm(q)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ],
        np.float32,
    )


def random_mask(atoms: Structure, labels: Labels, rng: np.random.Generator) -> tuple[Tensor | None, Labels]:
    """Cut the map as users do: not at all, tightly around the molecule, or around one of its chains.

    Returns
    -------
    tuple
        What to multiply the density with, ``(size, size, size)`` (None: nothing); and the labels of what is left.
    """
    draw = rng.uniform()
    if draw < ZONE_SHARE:
        return _zone(atoms, labels, rng)
    if draw < ZONE_SHARE + TIGHT_MASK_SHARE:
        return _soften(dilate(labels.near, int(rng.integers(1, 4))), rng), labels
    return None, labels


def _zone(atoms: Structure, labels: Labels, rng: np.random.Generator) -> tuple[Tensor | None, Labels]:
    """Keep what lies near one chain; pieces of its neighbours stay inside the zone."""
    protein = atoms.chain[atoms.kind == PROTEIN]
    if protein.size == 0:
        return None, labels
    size = len(labels.near)
    xyz = torch.as_tensor(atoms.xyz[atoms.chain == rng.choice(protein)], device=labels.near.device).round().long()
    xyz = xyz[((xyz >= 0) & (xyz < size)).all(1)]
    zone = torch.zeros_like(labels.near)
    zone[xyz[:, 0], xyz[:, 1], xyz[:, 2]] = True
    zone = dilate(zone, int(rng.integers(3, 6)))
    unseen = ~zone
    seen = Labels(
        labels.backbone.masked_fill(unseen, NONE),
        labels.calpha.masked_fill(unseen, NONE),
        labels.amino.masked_fill(unseen, IGNORED),
        labels.near & zone,
    )
    return zone.float(), seen


def _soften(mask: Tensor, rng: np.random.Generator) -> Tensor:
    """Leave the edge hard or ramp it over a few voxels."""
    soft = mask.float()
    for _ in range(int(rng.integers(0, 4))):
        soft = torch.nn.functional.avg_pool3d(soft[None, None], 3, 1, 1)[0, 0]
    return soft


def random_ball(size: int, rng: np.random.Generator, device: torch.device) -> Tensor:
    """Mask of a soft ball as users draw them, or of everything; ``(size, size, size)``, 0 to 1."""
    if rng.uniform() < WHOLE_SHARE:
        return torch.ones((size,) * 3, device=device)
    voxel = torch.arange(size, device=device)
    x, y, z = (voxel - centre for centre in rng.uniform(0, size, 3))
    distance = (x[:, None, None] ** 2 + y[:, None] ** 2 + z**2).sqrt()
    return torch.sigmoid((rng.uniform(0.25, 0.75) * size - distance) / rng.uniform(0.3, 2))


def random_scale(
    density: Tensor, near: Tensor, rng: np.random.Generator, ranks: tuple[float, float] = MOLECULE_RANKS
) -> Tensor:
    """Scale and clip with the scatter of scale and zero that whole-map percentiles leave on different maps.

    Parameters
    ----------
    density
        A window, ``(size, size, size)``.
    near
        Voxels of which the scale is taken; where there are none, all.
    rng
    ranks
        Least and largest share of these voxels that is below what becomes 1.
    """
    values = density[near] if near.any() else density.reshape(-1)
    rank = max(1, int(values.numel() * rng.uniform(*ranks)))
    top = values.kthvalue(rank).values.clamp(min=1e-6)
    return ((density - rng.uniform(-0.02, 0.06) * top) / top).clamp(0, SPECTRUM.ceiling)
