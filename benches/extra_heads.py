"""Train with an extra head, or with another loss, and print a row of the table of ablations for each.

Usage: python benches/extra_heads.py STRUCTURES_FOLDER OUT_FOLDER [--steps 400] [--only NAME ...]

Windows, first weights and what is printed are those of `ablations.py`. An extra head reads what the head of the network
reads, and is dropped before the network is judged: what counts is whether the network learned more by it. For the
offset head the distances of candidates from their Calphas are printed too, with the head and without it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ablations import CALIBRATION_SEED, CALIBRATION_WINDOWS, PAPER, Ablation, read_options, run
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from emodelx.network.unet import Logits, Reading, Trunk, read_logits, unfold_voxels
from emodelx.training.bend_examples import LONGEST_BOND, find_candidates, find_peaks
from emodelx.training.calibrate import MATCH_DISTANCE, remove_class_weights
from emodelx.training.data import SimulatedWindows, WindowConfig, batches
from emodelx.training.labels import IGNORED, NEAR_PROTEIN, NONE, OTHER_ATOM, TARGET, Labels, dilate, make_labels
from emodelx.training.loss import LossConfig, Targets, TaskLosses
from emodelx.training.ranks import ALONE, Ranks
from emodelx.training.structures import NUCLEIC, SCATTERING, Structure, StructurePack
from emodelx.training.train import ENDLESS, Trainer, TrainingConfig

ELEMENT_CLASSES = {7: 2, 6: 3, 8: 4}
"""Class of N, C and O of the main chain by atomic number; 0 and 1 are those of the main chain's labels."""
ELEMENT_WEIGHTS = 0.03, 0.3, 1.0, 1.0, 1.0
NUCLEIC_CLASS = 2
KIND_WEIGHTS = 0.03, 0.3, 1.0
"""No atom, protein, nucleic acid: as rare as none, other atom, main chain in the paper's weights."""
HELIX, STRAND, LOOP = 0, 1, 2
SHAPES = {STRAND: ((6.1, 7.3), (9.0, 10.8)), HELIX: ((5.0, 6.0), (4.8, 5.8))}
"""Angstrom between a Calpha and the second and third after it: P-SEA's (Labesse et al., CABIOS 13, 291, 1997)."""
STRETCH = 6
"""Residues; with four, turns and single extended residues leave a tenth of all for loops, with six a third."""
SOFT_SIGMA, SOFT_REACH = 0.7, 2.0
"""Angstrom."""
FOCUS = 2
"""Power of 1 - p in the focal loss (Lin et al., ICCV 2017)."""


@dataclass(frozen=True)
class Cut:
    """What there is to label in a window.

    Attributes
    ----------
    atoms
        In voxel coordinates.
    labels
        The usual ones.
    seen
        Voxels that no mask took away.
    """

    atoms: Structure
    labels: Labels
    seen: Tensor

    def inside(self, atoms: NDArray[np.bool_]) -> tuple[Tensor, ...]:
        """Voxels ``(x, y, z)`` of the chosen atoms that are in the window."""
        voxels = torch.as_tensor(self.atoms.xyz[atoms]).round().long()
        kept = ((voxels >= 0) & (voxels < len(self.seen))).all(1)
        return voxels[kept].unbind(1)


FurtherLabels = Callable[[Cut], Tensor]
"""Makes the further labels of a window, ``(channels, size, size, size)`` float32."""


def element_labels(cut: Cut) -> Tensor:
    """Classes of N, C and O of the main chain; a Calpha is another atom."""
    atoms, backbone = cut.atoms, cut.labels.backbone
    classes = torch.where(backbone == TARGET, OTHER_ATOM, backbone)
    for element, number in ELEMENT_CLASSES.items():
        chosen = atoms.main_chain & ~atoms.calpha & (atoms.scattering == np.float32(SCATTERING[element]))
        classes[cut.inside(chosen)] = number
    return classes.where(backbone == TARGET, backbone)[None].float()


def kind_labels(cut: Cut) -> Tensor:
    """Classes of no atom, protein and nucleic acid; voxels beside atoms take no part."""
    classes = cut.labels.backbone.clamp(max=OTHER_ATOM)
    nucleic = torch.zeros_like(cut.seen)
    nucleic[cut.inside(cut.atoms.kind == NUCLEIC)] = True
    nucleic &= cut.seen & (classes != OTHER_ATOM)
    classes[dilate(nucleic, NEAR_PROTEIN) & (classes == NONE)] = IGNORED
    classes[nucleic] = NUCLEIC_CLASS
    return classes[None].float()


def direction_labels(cut: Cut) -> Tensor:
    """Unit vectors along the chain at the Calpha voxels."""
    calphas = cut.atoms.select(cut.atoms.calpha)
    return at_calphas(cut.labels, calphas, directions(calphas))


def shape_labels(cut: Cut) -> Tensor:
    """`HELIX`, `STRAND` or `LOOP` at the Calpha voxels."""
    calphas = cut.atoms.select(cut.atoms.calpha)
    return at_calphas(cut.labels, calphas, shapes(calphas)[:, None].astype(np.float32))


def offset_labels(cut: Cut) -> Tensor:
    """Vectors to the nearest Calpha at the Calpha voxels, Angstrom."""
    calphas = cut.atoms.select(cut.atoms.calpha)
    voxel = torch.arange(len(cut.seen))
    return at_calphas(cut.labels, calphas, calphas.xyz) - torch.stack(
        torch.meshgrid(voxel, voxel, voxel, indexing="ij")
    )


def soft_labels(cut: Cut) -> Tensor:
    """How much of a Calpha voxel a voxel is, 0 to 1, by its distance from the nearest Calpha."""
    share = torch.zeros((1, *cut.seen.shape))
    voxels = cut.labels.near.nonzero()
    calphas = torch.from_numpy(cut.atoms.xyz[cut.atoms.calpha])
    if len(voxels) and len(calphas):
        distance = torch.cdist(voxels.float(), calphas).min(1).values
        share[(0, *voxels.unbind(1))] = torch.exp(-((distance / SOFT_SIGMA) ** 2) / 2) * (distance < SOFT_REACH)
    return share


def at_calphas(labels: Labels, calphas: Structure, table: NDArray[np.float32]) -> Tensor:
    """Give every Calpha voxel the row of its nearest Calpha; NaN elsewhere, ``(columns, size, size, size)``."""
    volume = torch.full((table.shape[1], *labels.calpha.shape), torch.nan)
    voxels = (labels.calpha == TARGET).nonzero()
    if len(voxels):
        nearest = torch.cdist(voxels.float(), torch.from_numpy(calphas.xyz)).argmin(1)
        volume[(slice(None), *voxels.unbind(1))] = torch.from_numpy(table)[nearest].T
    return volume


def bonded(calphas: Structure) -> NDArray[np.bool_]:
    """Whether each Calpha is followed by the one of the next residue, ``(n - 1,)``."""
    close = np.linalg.norm(np.diff(calphas.xyz, axis=0), axis=1) < LONGEST_BOND
    return close & (np.diff(calphas.residue) == 1) & (np.diff(calphas.chain) == 0)


def directions(calphas: Structure) -> NDArray[np.float32]:
    """Unit vectors from the Calpha before to the one after, ``(n, 3)``; NaN where one of them is missing."""
    along = np.full((len(calphas), 3), np.nan, np.float32)
    joined = bonded(calphas)
    middle = np.flatnonzero(joined[:-1] & joined[1:]) + 1
    step = calphas.xyz[middle + 1] - calphas.xyz[middle - 1]
    along[middle] = step / np.linalg.norm(step, axis=1, keepdims=True)
    return along


def shapes(calphas: Structure) -> NDArray[np.int64]:
    """`HELIX` or `STRAND` for residues of stretches whose every four in a row are so far apart, `LOOP` for others."""
    xyz, joined = calphas.xyz, bonded(calphas)
    found = np.full(len(calphas), LOOP)
    if len(calphas) < STRETCH:
        return found
    second, third = (np.linalg.norm(xyz[k:] - xyz[:-k], axis=1) for k in (2, 3))
    unbroken = joined[:-2] & joined[1:-1] & joined[2:]
    for shape, (second_range, third_range) in SHAPES.items():
        near = within(second, second_range)
        fits = unbroken & near[:-1] & near[1:] & within(third, third_range)
        first = np.flatnonzero(np.lib.stride_tricks.sliding_window_view(fits, STRETCH - 3).all(1))
        found[first[:, None] + np.arange(STRETCH)] = shape
    return found


def within(values: NDArray[Any], limits: tuple[float, float]) -> NDArray[np.bool_]:
    """Whether values lie between the limits."""
    return (values >= limits[0]) & (values <= limits[1])


class FurtherWindows(SimulatedWindows):
    """The same windows, with further labels as further channels of the density."""

    def __init__(self, pack: StructurePack, config: WindowConfig, count: int, label: FurtherLabels) -> None:
        super().__init__(pack, config, count, torch.device("cpu"))
        self.label = label
        self.nothing = pack[0].select(np.empty(0, np.int64))

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        everywhere = torch.ones((self.config.size,) * 3, dtype=torch.bool)
        self.cut = Cut(self.nothing, make_labels(self.nothing, self.config.size, self.device), everywhere)
        density, *classes = super().__getitem__(index)  # leaves its own cut, unless it is one of noise
        backbone, calpha, amino = classes
        return torch.cat([density, self.label(self.cut)]), backbone, calpha, amino

    def _cut(self, atoms: Structure, rng: np.random.Generator) -> tuple[Tensor | None, Labels]:
        mask, labels = super()._cut(atoms, rng)
        self.cut = Cut(atoms, labels, self.cut.seen if mask is None else mask > 0.5)
        return mask, labels


class FurtherTrainer(Trainer):
    """A trainer whose training windows carry further labels; those of the validation do not."""

    def __init__(self, config: TrainingConfig, device: torch.device, init: Path | None, label: FurtherLabels) -> None:
        self.label = label
        super().__init__(config, device, init)

    def _training_windows(self) -> FurtherWindows:
        pack = StructurePack(self.config.data / "train.npz")
        return FurtherWindows(pack, self.config.windows, ENDLESS, self.label)

    def _losses(
        self, network: nn.Module, density: Tensor, targets: Targets, ranks: Ranks = ALONE
    ) -> tuple[Logits, TaskLosses]:
        logits, losses = super()._losses(network, density[:, :1], targets, ranks)
        further = density[:, 1:]
        return logits, self.further(logits, losses, targets, further) if further.shape[1] else losses

    def further(self, logits: Logits, losses: TaskLosses, targets: Targets, labels: Tensor) -> TaskLosses:
        """Return the losses with what the further labels have to do with them."""
        raise NotImplementedError


@dataclass(frozen=True)
class Head:
    """An extra head.

    Attributes
    ----------
    channels
        What it says about a voxel.
    label
    loss
        Of what it says, ``(batch, channels, size, size, size)``, with the further labels.
    """

    channels: int
    label: FurtherLabels
    loss: Callable[[Tensor, Tensor], Tensor]


class HeadTrainer(FurtherTrainer):
    """A trainer of the usual network with an extra head, whose loss has weight 1.

    The head is no part of the network, so that averaged weights and files are as without it.
    """

    def __init__(self, config: TrainingConfig, device: torch.device, init: Path | None, head: Head) -> None:
        super().__init__(config, device, init, head.label)
        if not isinstance(self.network, Trunk):
            raise TypeError("an extra head needs a network with one trunk")
        self.fold, self.loss = config.network.fold, head.loss
        with torch.random.fork_rng():  # nothing else is drawn otherwise than without the head
            self.head = nn.Conv3d(config.network.widths[0], head.channels * self.fold**3, 1)
        self.optimiser.add_param_group({"params": self.head.parameters()})
        self.network.unet.head.register_forward_pre_hook(self._keep)

    def _keep(self, _: nn.Module, inputs: tuple[Tensor]) -> None:
        self.features = inputs[0]

    def say(self) -> Tensor:
        """What the head says about the windows that the network read last, ``(batch, channels, ...)`` float32."""
        return unfold_voxels(self.head(self.features.float()), self.fold)

    def further(self, logits: Logits, losses: TaskLosses, targets: Targets, labels: Tensor) -> TaskLosses:  # noqa: ARG002
        """Add the loss of the head."""
        return losses._replace(total=losses.total + self.loss(self.say(), labels))


class SoftTrainer(FurtherTrainer):
    """A trainer on Calpha labels that fall off with the distance."""

    def __init__(self, config: TrainingConfig, device: torch.device, init: Path | None) -> None:
        super().__init__(config, device, init, soft_labels)

    def further(self, logits: Logits, losses: TaskLosses, targets: Targets, labels: Tensor) -> TaskLosses:
        """Put the loss against soft labels in the place of the Calpha's."""
        loss = self.config.loss
        calpha = soft_entropy(logits.calpha, soft_classes(targets.calpha, labels[:, 0]), loss.calpha_classes)
        return losses._replace(calpha=calpha, total=losses.total + loss.calpha * (calpha - losses.calpha))


class FocalTrainer(Trainer):
    """A trainer with the focal loss for main chain and Calpha.

    It starts from probabilities like the frequencies of the classes, as the loss was proposed: with equal ones the many
    empty voxels drown everything else at first.
    """

    def __init__(self, config: TrainingConfig, device: torch.device, init: Path | None) -> None:
        super().__init__(config, device, init)
        remove_class_weights(self.network, PAPER)

    def _losses(
        self, network: nn.Module, density: Tensor, targets: Targets, ranks: Ranks = ALONE
    ) -> tuple[Logits, TaskLosses]:
        logits, losses = super()._losses(network, density, targets, ranks)
        backbone, calpha = focal(logits.backbone, targets.backbone), focal(logits.calpha, targets.calpha)
        loss = self.config.loss
        total = loss.backbone * backbone + loss.calpha * calpha + loss.amino * losses.amino
        return logits, TaskLosses(backbone, calpha, losses.amino, total)


def focal(logits: Tensor, target: Tensor) -> Tensor:
    """Focal cross entropy per voxel of the main chain or of Calphas; ignored voxels have an entropy of 0."""
    entropy = functional.cross_entropy(logits.float(), target, ignore_index=IGNORED, reduction="none")
    return ((1 - torch.exp(-entropy)) ** FOCUS * entropy).sum() / (target == TARGET).sum().clamp(min=1)


def soft_classes(target: Tensor, share: Tensor) -> Tensor:
    """Shares of the classes, ``(batch, 3, size, size, size)``; all 0 where a voxel takes no part.

    Near a Calpha what is not its share is another atom's; that it takes part there even between atoms is the point.
    """
    hard = functional.one_hot(target.clamp(min=NONE), 3).movedim(-1, 1) * (target != IGNORED)[:, None]
    soft = torch.stack([torch.zeros_like(share), 1 - share, share], dim=1)
    return torch.where((share > 0)[:, None], soft, hard.float())


def soft_entropy(logits: Tensor, shares: Tensor, weights: tuple[float, ...]) -> Tensor:
    """Cross entropy against shares of classes, as the weighted mean."""
    weighted = shares * torch.tensor(weights)[:, None, None, None]
    return -(weighted * logits.float().log_softmax(1)).sum() / weighted.sum().clamp(min=1e-6)


def weighted_entropy(weights: tuple[float, ...]) -> Callable[[Tensor, Tensor], Tensor]:
    """Return the class-weighted cross entropy as the loss of a head."""
    return lambda said, labels: functional.cross_entropy(
        said, labels[:, 0].long(), torch.tensor(weights), ignore_index=IGNORED
    )


def known(said: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Rows of the voxels that have labels."""
    voxels = labels.isfinite().all(1)
    return said.movedim(1, -1)[voxels], labels.movedim(1, -1)[voxels]


def shape_loss(said: Tensor, labels: Tensor) -> Tensor:
    """Mean cross entropy of the secondary structure."""
    rows, truth = known(said, labels)
    return functional.cross_entropy(rows, truth[:, 0].long(), reduction="sum") / max(1, len(rows))


def direction_loss(said: Tensor, labels: Tensor) -> Tensor:
    """Mean of 1 - cosine."""
    rows, truth = known(said, labels)
    return (1 - functional.cosine_similarity(rows, truth, dim=1)).sum() / max(1, len(rows))


def offset_loss(said: Tensor, labels: Tensor) -> Tensor:
    """Mean Huber loss, linear from 1 A on, summed over the axes."""
    rows, truth = known(said, labels)
    return functional.huber_loss(rows, truth, reduction="sum") / max(1, len(rows))


OFFSET = "offset head"
HEADS = {
    "N, C and O": Head(5, element_labels, weighted_entropy(ELEMENT_WEIGHTS)),
    "chain direction": Head(3, direction_labels, direction_loss),
    "secondary structure": Head(3, shape_labels, shape_loss),
    "nucleic acid": Head(3, kind_labels, weighted_entropy(KIND_WEIGHTS)),
    OFFSET: Head(3, offset_labels, offset_loss),
}
UNWEIGHTED = LossConfig((1.0, 1.0, 1.0), (1.0, 1.0, 1.0))
ABLATIONS = {
    "as shipped": Ablation(),
    **{name: Ablation(trainer=partial(HeadTrainer, head=head)) for name, head in HEADS.items()},
    "focal loss": Ablation(loss=UNWEIGHTED, trainer=FocalTrainer),
    "soft labels": Ablation(loss=PAPER, trainer=SoftTrainer),
}


@torch.no_grad()
def candidate_errors(trainer: HeadTrainer, windows: FurtherWindows, threshold: float) -> dict[str, float]:
    """RMS distance of candidates from their Calphas, Angstrom; the same candidates, placed in three ways.

    Parameters
    ----------
    trainer
        With the offset head; its network is ready to be judged.
    windows
        With the labels of the offset head.
    threshold
        Calpha probability that a candidate exceeds.
    """
    squares: dict[str, list[Tensor]] = {"voxel": [], "centroid": [], "offset": []}
    for density, targets in batches(windows, 1, 0, 0):
        reading = read_logits(trainer.network(density[:, :1]), trainer.config.network)
        calpha = Reading(reading.backbone[0], reading.calpha[0], reading.amino[0])
        peaks = find_peaks(calpha.calpha, threshold)
        labelled = (targets.calpha[0] == TARGET).nonzero()
        if len(peaks) == 0 or len(labelled) == 0:
            continue
        truth = labelled + density[0, 1:][(slice(None), *labelled.unbind(1))].T
        offset = trainer.say()[0][(slice(None), *peaks.unbind(1))].T
        centroid = find_candidates(calpha, threshold).positions.float()
        placed = {"voxel": peaks.float(), "centroid": centroid, "offset": peaks + offset}
        apart = {way: torch.cdist(positions, truth).min(1).values for way, positions in placed.items()}
        matched = apart["voxel"] < MATCH_DISTANCE
        for way, distance in apart.items():
            squares[way].append(distance[matched].square())
    return {way: torch.cat(parts).mean().sqrt().item() for way, parts in squares.items()}


def main() -> None:
    """Run the ablations one after the other, a row of the table each."""
    options = read_options(__doc__, ABLATIONS)
    pack = StructurePack(options.structures / "val.npz")
    windows = FurtherWindows(pack, WindowConfig(seed=CALIBRATION_SEED), CALIBRATION_WINDOWS, offset_labels)
    for name, trainer, found in run(ABLATIONS, options):
        if name == OFFSET and isinstance(trainer, HeadTrainer):
            errors = candidate_errors(trainer, windows, found.calpha_threshold)
            print("RMS A of matched candidates:", ", ".join(f"{way} {value:.2f}" for way, value in errors.items()))


if __name__ == "__main__":
    main()
