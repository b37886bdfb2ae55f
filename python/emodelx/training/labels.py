"""What the network should say about a window: the classes of the paper.

Backbone and Calpha: 0 none, 1 other atom of a protein, 2 main chain / Calpha; amino acid: 0..19. `IGNORED` marks the
voxels that take no part in the loss (the paper's masked class).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from emodelx.training.structures import NO_TYPE, PROTEIN, Structure

IGNORED = -100
NONE, OTHER_ATOM, TARGET = 0, 1, 2
# A Calpha's own voxel and those within this distance of it are Calpha voxels.
CALPHA_RADIUS = 1.1
NEAR_PROTEIN = 2  # steps between face neighbours


@dataclass(frozen=True)
class Labels:
    """Classes of every voxel, int64 ``(size, size, size)``, and which voxels lie near protein, bool."""

    backbone: Tensor
    calpha: Tensor
    amino: Tensor
    near: Tensor


def make_labels(atoms: Structure, size: int, device: torch.device) -> Labels:
    """Label a window.

    Parameters
    ----------
    atoms
        Atoms in voxel coordinates of the window; those outside are left out.
    size
        Edge of the window in voxels.
    device
        Where the labels are made.
    """
    xyz = torch.as_tensor(atoms.xyz, device=device)
    inside = ((xyz > -0.5) & (xyz < size - 0.5)).all(1)

    def chosen(mask: object) -> Tensor:
        return torch.as_tensor(mask, device=device) & inside

    protein, main_chain = chosen(atoms.kind == PROTEIN), chosen(atoms.main_chain)
    near = dilate(_mark(xyz[protein], size), NEAR_PROTEIN)
    background = torch.where(near, IGNORED, NONE)
    backbone, calpha = background.clone(), background.clone()
    _assign(backbone, xyz[protein & ~main_chain], OTHER_ATOM)
    _assign(backbone, xyz[main_chain], TARGET)
    _assign(calpha, xyz[protein & ~chosen(atoms.calpha)], OTHER_ATOM)
    amino = torch.full_like(calpha, IGNORED)
    types = torch.as_tensor(atoms.amino, device=device).long()
    _label_calphas(calpha, amino, xyz[chosen(atoms.calpha)], types[chosen(atoms.calpha)])
    return Labels(backbone, calpha, amino, near)


def _label_calphas(calpha: Tensor, amino: Tensor, xyz: Tensor, types: Tensor) -> None:
    """Mark Calpha voxels, and give the 27 voxels around each Calpha its amino acid."""
    step = torch.arange(-1, 2, device=xyz.device)
    shifts = torch.cartesian_prod(step, step, step)
    voxels = xyz.round()[:, None] + shifts
    close = (voxels - xyz[:, None]).square().sum(-1) < CALPHA_RADIUS**2
    inside = ((voxels >= 0) & (voxels < len(amino))).all(-1)
    _assign(calpha, voxels[close & inside], TARGET)
    typed = inside & (types != NO_TYPE)[:, None]
    _assign(amino, voxels[typed], types[:, None].expand_as(typed)[typed])


def _assign(volume: Tensor, xyz: Tensor, value: int | Tensor) -> None:
    x, y, z = xyz.round().long().unbind(1)
    volume[x, y, z] = value


def _mark(xyz: Tensor, size: int) -> Tensor:
    mask = torch.zeros((size,) * 3, dtype=torch.bool, device=xyz.device)
    _assign(mask, xyz, True)
    return mask


def dilate(mask: Tensor, steps: int) -> Tensor:
    """Grow a boolean volume by `steps` face neighbours."""
    for _ in range(steps):
        grown = mask.clone()
        for axis in range(3):
            low, high = mask.narrow(axis, 0, len(mask) - 1), mask.narrow(axis, 1, len(mask) - 1)
            grown.narrow(axis, 1, len(mask) - 1).logical_or_(low)
            grown.narrow(axis, 0, len(mask) - 1).logical_or_(high)
        mask = grown
    return mask
