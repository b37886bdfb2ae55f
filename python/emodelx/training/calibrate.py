"""Make the probabilities of trained weights mean what they say, on simulated structures that the training never saw."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from emodelx.network.unet import Cascade, NetworkConfig, Trunk, UNet, read_logits
from emodelx.records import VoxelOdds
from emodelx.training.labels import IGNORED, TARGET
from emodelx.training.loss import LossConfig, Targets

TEMPERATURES = tuple(0.05 * k for k in range(10, 51))
THRESHOLDS = tuple(0.05 * k for k in range(3, 17))
PEAK_EDGE = 5  # a candidate is the largest value of this cube: neighbours are at least 3 A apart
MATCH_DISTANCE = 2.0  # A
LOG_ODDS = 16.0  # range of what is counted, either way
ODDS_BINS = 320
NEWTON_STEPS = 30


@dataclass(frozen=True)
class Calibration:
    """What the weights file stores, and the figures behind it.

    Attributes
    ----------
    temperature
        Divides the amino-acid logits; least cross entropy.
    calpha_threshold
        Calpha probability with the best balance (F1) of candidates' recall and precision.
    recall, precision
        Of the candidates at that threshold, within 2 A.
    amino_accuracy
        Share of Calphas whose amino acid is read right.
    odds
        What the probabilities of voxels mean.
    """

    temperature: float
    calpha_threshold: float
    recall: float
    precision: float
    amino_accuracy: float
    odds: VoxelOdds


@torch.no_grad()
def remove_class_weights(network: Trunk | Cascade, loss: LossConfig) -> None:
    """Take the class weights of the loss back out of the biases of the heads, in place.

    Weighted cross entropy is least at probabilities proportional to weight times truth; subtracting the logarithms of
    the weights leaves the truth. Without this, the Calpha probability saturates over whole residues.
    """
    backbone, calpha = (torch.tensor(w).log() for w in (loss.backbone_classes, loss.calpha_classes))
    if isinstance(network, Trunk):
        _lower_bias(network.unet, torch.cat([backbone, calpha]))
    else:
        _lower_bias(network.backbone, backbone)
        _lower_bias(network.calpha, calpha)


def _lower_bias(unet: UNet, logs: Tensor) -> None:
    per_class = _bias(unet.head).view(-1, unet.fold**3)
    per_class[: len(logs)] -= logs.to(per_class.device)[:, None]


def _bias(head: nn.Conv3d) -> Tensor:
    if head.bias is None:
        raise ValueError("the head of a U-Net has a bias")
    return head.bias.data


@torch.no_grad()
def calibrate(network: nn.Module, config: NetworkConfig, batches: Iterable[tuple[Tensor, Targets]]) -> Calibration:
    """Choose temperature, threshold and odds on labelled windows.

    Parameters
    ----------
    network
        In evaluation mode, class weights removed.
    config
        Its shape.
    batches
        Densities ``(batch, 1, X, Y, Z)`` and their labels.
    """
    amino_logits, amino_types, counts = [], [], torch.zeros(len(THRESHOLDS), 4)
    calpha_odds, main_chain_odds = (torch.zeros(2, ODDS_BINS, dtype=torch.long) for _ in range(2))
    for density, targets in batches:
        logits = network(density)
        typed = (targets.calpha == TARGET) & (targets.amino >= 0)
        amino_logits.append(logits.amino.movedim(1, -1)[typed].float())
        amino_types.append(targets.amino[typed])
        reading = read_logits(logits, config)
        calpha_odds += count_odds(reading.calpha, targets.calpha)
        main_chain_odds += count_odds(reading.backbone, targets.backbone)
        for window, truth in zip(reading.calpha, targets.calpha, strict=True):
            counts += torch.stack([match_counts(window, truth == TARGET, t) for t in THRESHOLDS])
    found, calphas, right, proposed = counts.T
    recall, precision = found / calphas.clamp(min=1), right / proposed.clamp(min=1)
    best = int((2 * recall * precision / (recall + precision).clamp(min=1e-6)).argmax())
    scores, types = torch.cat(amino_logits), torch.cat(amino_types)
    return Calibration(
        temperature=best_temperature(scores, types),
        calpha_threshold=THRESHOLDS[best],
        recall=recall[best].item(),
        precision=precision[best].item(),
        amino_accuracy=(scores.argmax(1) == types).float().mean().item() if len(types) else math.nan,
        odds=VoxelOdds(fit_odds(calpha_odds), fit_odds(main_chain_odds)),
    )


def best_temperature(logits: Tensor, types: Tensor) -> float:
    """Return the temperature of least cross entropy of ``(n, 20)`` logits."""
    return min(TEMPERATURES, key=lambda t: functional.cross_entropy(logits / t, types).item())


def count_odds(probability: Tensor, labels: Tensor) -> Tensor:
    """Count labelled voxels by the logarithm of their odds, ``(2, ODDS_BINS)``: what is none, and what is one."""
    labelled = labels != IGNORED
    log_odds = probability[labelled].double().logit(eps=1e-9).clamp(-LOG_ODDS, LOG_ODDS - 1e-6)
    place = ((log_odds + LOG_ODDS) / (2 * LOG_ODDS) * ODDS_BINS).long()
    right = labels[labelled] == TARGET
    return torch.stack([torch.bincount(place[right == are], minlength=ODDS_BINS) for are in (False, True)])


def fit_odds(counts: Tensor) -> tuple[float, float]:
    """Fit power and factor of odds by logistic regression, with Newton's method; (1, 1) where nothing was counted.

    One more voxel of either kind at even odds keeps both finite.
    """
    counts = counts.to(torch.double, copy=True)
    counts[:, ODDS_BINS // 2] += 1
    log_odds = ((torch.arange(ODDS_BINS) + 0.5) / ODDS_BINS * 2 - 1).double() * LOG_ODDS
    terms, number = torch.stack([log_odds, torch.ones_like(log_odds)]), counts.sum(dim=0)
    found = torch.tensor([1.0, 0.0]).double()
    for _ in range(NEWTON_STEPS):
        said = (found @ terms).sigmoid()
        slope = terms @ (counts[1] - number * said)
        curvature = (terms * (number * said * (1 - said))) @ terms.T
        found = found + torch.linalg.solve(curvature + 1e-9 * torch.eye(2), slope).clamp(-1, 1)
    return found[0].clamp(min=1e-3).item(), found[1].exp().item()


def match_counts(probability: Tensor, calpha: Tensor, threshold: float) -> Tensor:
    """Compare the peaks of a Calpha volume with the labelled Calpha voxels.

    Returns
    -------
    Tensor
        Calpha voxels with a peak within 2 A, Calpha voxels, peaks with a Calpha voxel within 2 A, peaks.
    """
    highest = functional.max_pool3d(probability[None, None], PEAK_EDGE, 1, PEAK_EDGE // 2)[0, 0]
    peaks = ((probability == highest) & (probability > threshold)).nonzero().float()
    truth = calpha.nonzero().float()
    if len(peaks) == 0 or len(truth) == 0:
        return torch.tensor([0.0, len(truth), 0.0, len(peaks)])
    close = torch.cdist(truth, peaks) < MATCH_DISTANCE
    return torch.tensor([close.any(1).sum().item(), len(truth), close.any(0).sum().item(), len(peaks)])
