"""The loss of the paper, against a voxel-by-voxel twin."""

import numpy as np
import pytest
import torch

from emodelx.network.unet import Logits
from emodelx.training.labels import IGNORED
from emodelx.training.loss import LossConfig, Targets, task_losses


def slow_loss(logits, target, weights):
    """Eq. 12 as a weighted mean over the voxels that take part."""
    total = weight = 0.0
    for b, *voxel in np.argwhere(target.numpy() != IGNORED):
        label = target[(b, *voxel)].item()
        scores = logits[(b, slice(None), *voxel)].double()
        total -= weights[label] * (scores[label] - scores.exp().sum().log()).item()
        weight += weights[label]
    return total / weight


def random_batch(seed=0, size=3):
    generator = torch.Generator().manual_seed(seed)
    logits = Logits(*(torch.randn(2, n, size, size, size, generator=generator) for n in (3, 3, 20)))
    targets = [torch.randint(0, n, (2, size, size, size), generator=generator) for n in (3, 3, 20)]
    for volume in targets:
        volume[:, 0] = IGNORED
    return logits, Targets(*targets)


def test_losses_are_their_slow_twin():
    logits, targets = random_batch()
    config = LossConfig()
    found = task_losses(logits, targets, config)
    weights = (config.backbone_classes, config.calpha_classes, (1.0,) * 20)
    expected = [slow_loss(*pair) for pair in zip(logits, targets, weights, strict=True)]
    assert [v.item() for v in found[:3]] == pytest.approx(expected, rel=1e-5)
    tasks = (config.backbone, config.calpha, config.amino)
    assert found.total.item() == pytest.approx(np.dot(tasks, expected), rel=1e-5)


def test_without_labels_the_loss_is_0_and_has_a_gradient():
    logits, targets = random_batch()
    for volume in logits:
        volume.requires_grad_()
    empty = Targets(*(torch.full_like(volume, IGNORED) for volume in targets))
    found = task_losses(logits, empty, LossConfig())
    found.total.backward()
    assert [v.item() for v in found] == [0, 0, 0, 0]


def test_configuration_survives_json_lists():
    assert LossConfig.from_fields({"calpha_classes": [1, 2, 3]}).calpha_classes == (1, 2, 3)
