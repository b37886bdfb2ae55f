"""Train networks and losses that differ in one thing, all as long, and print a row of a table for each.

Usage: python benches/ablations.py STRUCTURES_FOLDER OUT_FOLDER [--steps 400] [--only NAME ...]

Every run starts from random weights and sees the same windows. Printed: parameters; seconds of a training step (beside
other programs, if there are any); on `val` windows, the recall and precision of candidates at the threshold of their
best balance, and the share of Calphas whose amino acid is right.
"""

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from emodelx.network.normalise import SPECTRUM
from emodelx.network.unet import NetworkConfig
from emodelx.network.weights import WeightsInfo, save_weights
from emodelx.training import labels
from emodelx.training.calibrate import Calibration, calibrate, remove_class_weights
from emodelx.training.data import SimulatedWindows, WindowConfig, batches
from emodelx.training.loss import LossConfig
from emodelx.training.structures import StructurePack
from emodelx.training.train import Trainer, TrainingConfig

PAPER = LossConfig((0.03, 0.3, 1.0), (0.01, 0.1, 1.0))
SHAPE = NetworkConfig()
CASCADE = NetworkConfig("compact", (28, 56, 92), cascade=True)
"""Three U-Nets that together cost about as much as the one trunk."""
UNFOLDED = NetworkConfig("compact", (12, 24, 48, 80), (1, 1, 1, 2), (1, 1, 1), fold=1)
BACKBONE_FIRST, AMINO_LAST = (1.0, 1.0, 0.0), (0.0, 0.0, 1.0)
"""Task weights of the paper at the beginning and at the end: main chain, Calpha, amino acid."""
RADIUS = labels.CALPHA_RADIUS
CALIBRATION_SEED, CALIBRATION_WINDOWS = 77, 96


@dataclass(frozen=True)
class Ablation:
    """What one run has of its own.

    Attributes
    ----------
    network, loss
    radius
        Of the labels of a Calpha, in Angstrom.
    tasks
        Weights of the tasks; with several, each for an equal part of the steps.
    trainer
        What trains, made from the run, the device and the weights to start from.
    """

    network: NetworkConfig = SHAPE
    loss: LossConfig = PAPER
    radius: float = RADIUS
    tasks: tuple[tuple[float, float, float], ...] = ((0.7, 1.0, 1.3),)
    trainer: Callable[[TrainingConfig, torch.device, Path | None], Trainer] = Trainer


ABLATIONS = {
    "as shipped": Ablation(),
    "narrow (32, 64, 112)": Ablation(replace(SHAPE, widths=(32, 64, 112))),
    "wide (64, 128, 208)": Ablation(replace(SHAPE, widths=(64, 128, 208))),
    "two levels": Ablation(replace(SHAPE, widths=(48, 96), encoder_blocks=(1, 3), decoder_blocks=(2,))),
    "four levels": Ablation(
        replace(SHAPE, widths=(48, 96, 128, 160), encoder_blocks=(1, 1, 1, 2), decoder_blocks=(2, 1, 1))
    ),
    "no folding": Ablation(UNFOLDED),
    "cascade": Ablation(CASCADE),
    "square roots of class weights": Ablation(loss=LossConfig()),
    "no class weights": Ablation(loss=LossConfig((1.0, 1.0, 1.0), (1.0, 1.0, 1.0))),
    "label radius 0.8": Ablation(radius=0.8),
    "label radius 1.5": Ablation(radius=1.5),
    "cascade, tasks one after the other": Ablation(CASCADE, tasks=(BACKBONE_FIRST, AMINO_LAST)),
    "tasks alike": Ablation(tasks=((1.0, 1.0, 1.0),)),
}


def train(ablation: Ablation, options: argparse.Namespace, out: Path) -> Trainer:
    """Train from random weights; the later parts of the tasks go on from the earlier ones."""
    labels.CALPHA_RADIUS = ablation.radius
    part, init = options.steps // len(ablation.tasks), None
    for number, (backbone, calpha, amino) in enumerate(ablation.tasks):
        config = TrainingConfig(
            options.structures, out, steps=part, learning_rate=1e-3, warmup_steps=30, average_decay=0.98,
            network=ablation.network, loss=replace(ablation.loss, backbone=backbone, calpha=calpha, amino=amino),
            windows=WindowConfig(seed=1 + number), validation_windows=4, validation_minutes=1e9, checkpoint_minutes=1e9,
        )  # fmt: skip
        trainer = ablation.trainer(config, torch.device("cpu"), init)
        trainer.run(lambda _: None)
        init = save(trainer, out / "init.safetensors")
    labels.CALPHA_RADIUS = RADIUS
    return trainer


def save(trainer: Trainer, path: Path) -> Path:
    """Write the averaged weights."""
    trainer.network.load_state_dict(trainer.averaged.values)
    save_weights(path, trainer.network, WeightsInfo(trainer.config.network, SPECTRUM))
    return path


def judge(trainer: Trainer, windows: SimulatedWindows) -> Calibration:
    """Measure the averaged weights on `val` windows."""
    network = trainer.network
    network.load_state_dict(trainer.averaged.values)
    network.eval()
    remove_class_weights(network, trainer.config.loss)
    return calibrate(network, trainer.config.network, batches(windows, 1, 0, 0))


def read_options(description: str | None, ablations: dict[str, Ablation]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("structures", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--only", nargs="*", default=list(ablations), choices=list(ablations))
    return parser.parse_args()


def run(ablations: dict[str, Ablation], options: argparse.Namespace) -> Iterator[tuple[str, Trainer, Calibration]]:
    """Run ablations one after the other, print a row of the table each and yield what came out."""
    drawn = WindowConfig(seed=CALIBRATION_SEED)
    pack = StructurePack(options.structures / "val.npz")
    windows = SimulatedWindows(pack, drawn, CALIBRATION_WINDOWS, torch.device("cpu"))
    for name in options.only:
        out = options.out / name.replace(" ", "_")
        out.mkdir(parents=True, exist_ok=True)
        trainer = train(ablations[name], options, out)
        found = judge(trainer, windows)
        size = sum(p.numel() for p in trainer.network.parameters()) / 1e6
        step = trainer.progress.seconds / trainer.progress.step
        print(
            f"| {name} | {size:.2f} | {step:.2f} | {found.recall:.3f} | {found.precision:.3f} "
            f"| {found.amino_accuracy:.3f} |",
            flush=True,
        )
        yield name, trainer, found


if __name__ == "__main__":
    for _ in run(ABLATIONS, read_options(__doc__, ABLATIONS)):
        pass  # the rows are printed
