"""The multi-task loss of the paper (eq. 11 and 12)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from emodelx.network.unet import Logits
from emodelx.training.labels import IGNORED
from emodelx.training.ranks import ALONE, Ranks


@dataclass(frozen=True)
class LossConfig:
    """Weights of classes and tasks.

    Attributes
    ----------
    backbone_classes, calpha_classes
        Weight of a voxel of class none, other atom, main chain / Calpha. The square roots of the paper's (0.03, 0.3, 1
        and 0.01, 0.1, 1): with the full weights the Calpha probability saturates and neighbouring Calphas merge.
    backbone, calpha, amino
        Task weights of eq. 11.
    """

    backbone_classes: tuple[float, float, float] = (0.17, 0.55, 1.0)
    calpha_classes: tuple[float, float, float] = (0.1, 0.32, 1.0)
    backbone: float = 0.7
    calpha: float = 1.0
    amino: float = 1.3

    @classmethod
    def from_fields(cls, fields: dict[str, Any]) -> LossConfig:
        """Rebuild a configuration from its fields as JSON gives them back."""
        typed: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in fields.items()}
        return cls(**typed)


class Targets(NamedTuple):
    """Classes of every voxel, int64 ``(batch, X, Y, Z)``; `IGNORED` where there is no say."""

    backbone: Tensor
    calpha: Tensor
    amino: Tensor


class TaskLosses(NamedTuple):
    """Cross entropy of each task and their weighted sum; scalars."""

    backbone: Tensor
    calpha: Tensor
    amino: Tensor
    total: Tensor


def task_losses(logits: Logits, targets: Targets, config: LossConfig, ranks: Ranks = ALONE) -> TaskLosses:
    """Class-weighted cross entropy per task over the voxels that take part, and their sum.

    With several processes every sum is divided by the mean weight of a process, so that the mean of their losses is
    that of all windows together.
    """
    backbone = _weighted(logits.backbone, targets.backbone, config.backbone_classes, ranks)
    calpha = _weighted(logits.calpha, targets.calpha, config.calpha_classes, ranks)
    amino = _unweighted(logits.amino, targets.amino, ranks)
    total = config.backbone * backbone + config.calpha * calpha + config.amino * amino
    return TaskLosses(backbone, calpha, amino, total)


def _weighted(logits: Tensor, target: Tensor, weights: tuple[float, ...], ranks: Ranks) -> Tensor:
    """Eq. 12, as the weighted mean; 0 where no voxel takes part."""
    class_weights = torch.tensor(weights, device=logits.device)
    total = functional.cross_entropy(logits.float(), target, class_weights, ignore_index=IGNORED, reduction="sum")
    return total / ranks.mean(class_weights[target[target != IGNORED]].sum()).clamp(min=1e-6)


def _unweighted(logits: Tensor, target: Tensor, ranks: Ranks) -> Tensor:
    """Mean cross entropy of the few voxels that take part, picked out first; 0 where there are none."""
    taking_part = target != IGNORED
    chosen = logits.movedim(1, -1)[taking_part].float()
    total = functional.cross_entropy(chosen, target[taking_part], reduction="sum")
    return total / ranks.mean(taking_part.sum().float()).clamp(min=1e-6)
