"""Train the network that tells nucleic acids from protein: ``python -m emodelx.training.nucleic WEIGHTS DATA OUT``.

It starts from the U-Net of the weights, which knows what atoms look like, with a head that says nothing yet.
"""

from __future__ import annotations

import math
import sys
from argparse import ArgumentParser
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

from emodelx.errors import EmodelxError, InputError
from emodelx.network.bends import CEILING
from emodelx.network.device import choose_device, computes_half
from emodelx.network.nucleic import NucleicNetwork
from emodelx.network.unet import Cascade, Trunk
from emodelx.network.weights import load_bends, load_weights, save_weights
from emodelx.training.bends import count, precision_of
from emodelx.training.data import SimulatedWindows, WindowConfig
from emodelx.training.descent import Descent
from emodelx.training.labels import IGNORED
from emodelx.training.structures import NUCLEIC, PROTEIN, Structure, StructurePack
from emodelx.training.train import VALIDATION_SEED

REACH = 2
"""Angstrom from an atom within which a voxel is of its molecule."""
SHARES = {"nucleic_share": 0.55, "outer_share": 0.08, "noise_share": 0.0}
"""Of the windows: more than half show nucleic acid, with what protein is around."""
BRIGHTNESS, GAMMA, NOISE = 0.2, 0.15, 0.08
"""Windows vary: a factor of the density, a power of it, and white noise on half of them."""
VARIATION = 5
"""Keeps how a window varies apart from the random numbers that it is made with."""
REPORTED_STEPS = 100

Report = Callable[[str], None]


@dataclass(frozen=True)
class NucleicTraining:
    """Everything that a training is made of.

    Attributes
    ----------
    steps
        Of the optimiser.
    batch
        Windows per step.
    window
        Edge in voxels.
    validation_windows
        Simulated windows of the ``val`` structures that figures are of.
    workers
        Processes that simulate.
    seed
        Of everything random, but for the validation windows.
    learning_rate, warmup_steps
        Peak of the cosine, and steps of linear rise to it.
    weight_decay, gradient_clip
        Of AdamW; largest norm of the gradient.
    average_decay
        Decay per step of the averaged weights (which are the result).
    """

    steps: int = 900
    batch: int = 6
    window: int = 48
    validation_windows: int = 60
    workers: int = 0
    seed: int = 1
    learning_rate: float = 6e-4
    warmup_steps: int = 50
    weight_decay: float = 0.02
    gradient_clip: float = 2.0
    average_decay: float = 0.995

    def learning_rate_at(self, step: int) -> float:
        """Linear warm-up, then a cosine over the steps."""
        rise = min(1.0, (step + 1) / self.warmup_steps)
        return rise * 0.5 * (1 + math.cos(math.pi * step / self.steps)) * self.learning_rate


def nucleic_labels(atoms: Structure, size: int) -> Tensor:
    """Whose the nearest atom within `REACH` is: 1 a nucleic acid's, 0 a protein's, `IGNORED` without one.

    Parameters
    ----------
    atoms
        In voxel coordinates of the window.
    size
        Edge of the window in voxels.

    Returns
    -------
    Tensor
        int64 ``(size, size, size)``.
    """
    protein, nucleic = (_nearest(atoms.xyz[atoms.kind == kind], size) for kind in (PROTEIN, NUCLEIC))
    labels = (nucleic < protein).long()
    return labels.where(torch.minimum(nucleic, protein).isfinite(), IGNORED)


def _nearest(xyz: object, size: int) -> Tensor:
    """Squared distance of every voxel to the nearest of some points, infinite beyond `REACH`."""
    points = torch.as_tensor(xyz).float()
    step = torch.arange(-REACH, REACH + 1)
    voxels = points.round().long()[:, None] + torch.cartesian_prod(step, step, step)
    squared = (voxels - points[:, None]).square().sum(-1)
    near = ((voxels >= 0) & (voxels < size)).all(-1) & (squared < REACH**2)
    flat = (voxels[near] * torch.tensor([size * size, size, 1])).sum(-1)
    nearest = torch.full((size**3,), torch.inf).scatter_reduce_(0, flat, squared[near], "amin")
    return nearest.view(size, size, size)


class NucleicWindows(Dataset[tuple[Tensor, Tensor]]):
    """Simulated windows, each a density ``(1, size, size, size)`` and the labels of :func:`nucleic_labels`.

    Parameters
    ----------
    pack
        Structures to draw from.
    config
        How to draw.
    number
        Length of the dataset.
    varied
        Whether density varies beyond what the simulation does.
    """

    def __init__(self, pack: StructurePack, config: WindowConfig, number: int, varied: bool) -> None:
        self.windows = SimulatedWindows(pack, config, number, torch.device("cpu"))
        self.varied = varied

    def __len__(self) -> int:
        return len(self.windows)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        """Return window number `index`; always the same."""
        density, atoms = self.windows.molecule(index)
        config = self.windows.config
        if self.varied:
            seed = (config.seed * 1_000_003 + index) * 10 + VARIATION
            density = vary(density, torch.Generator().manual_seed(seed))
        return density.clamp(max=CEILING)[None], nucleic_labels(atoms, config.size)


def vary(density: Tensor, generator: torch.Generator) -> Tensor:
    """Change brightness and contrast of a window and add noise to it, by chance."""
    factor, power, noise = (torch.rand(3, generator=generator) * 2 - 1).tolist()
    varied = density * (1 + BRIGHTNESS * factor)
    varied = varied.clamp(min=0) ** math.exp(GAMMA * power) + varied.clamp(max=0)
    return varied + max(noise, 0.0) * NOISE * torch.randn(density.shape, generator=generator)


def train_network(
    start: NucleicNetwork, windows: NucleicWindows, config: NucleicTraining, device: torch.device, report: Report
) -> NucleicNetwork:
    """Train a network; return it with the averaged weights, ready to predict.

    Raises
    ------
    InputError
        When the training diverges.
    """
    network = start.to(device).to(memory_format=torch.channels_last_3d).train()
    descent = Descent(network, config)
    loader = DataLoader(windows, config.batch, num_workers=config.workers)
    for density, labels in islice(loader, config.steps):
        loss = loss_of(log_odds_of(network, density.to(device)), labels.to(device))
        descent.step(loss)
        if descent.steps % REPORTED_STEPS == 0:
            report(f"{descent.steps} of {config.steps} steps, loss {loss.item():.3f}")
    descent.finish()
    return network


def log_odds_of(network: NucleicNetwork, density: Tensor) -> Tensor:
    """Run the network on windows, in bfloat16 where the hardware has it."""
    with torch.autocast(density.device.type, torch.bfloat16, enabled=computes_half(density.device)):
        return network(density.contiguous(memory_format=torch.channels_last_3d)).float()


def loss_of(log_odds: Tensor, labels: Tensor) -> Tensor:
    """Cross entropy over the labelled voxels; 0 where there are none."""
    known = labels != IGNORED
    total = functional.binary_cross_entropy_with_logits(log_odds[known], labels[known].float(), reduction="sum")
    return total / known.sum().clamp(min=1)


@torch.no_grad()
def figures(network: NucleicNetwork, windows: NucleicWindows) -> dict[str, float]:
    """Cross entropy, and the shares of voxels of protein and of nucleic acid that are taken for the other."""
    device = next(network.parameters()).device
    said, truth = [], []
    for density, labels in DataLoader(windows, 1):
        known = labels != IGNORED
        said.append(log_odds_of(network, density.to(device)).cpu()[known])
        truth.append(labels[known])
    log_odds, labels = torch.cat(said), torch.cat(truth)
    nucleic = labels == 1
    return {
        "loss": loss_of(log_odds, labels).item(),
        "protein_lost": (log_odds[~nucleic] > 0).float().mean().item(),
        "nucleic_kept": (log_odds[nucleic] < 0).float().mean().item(),
    }


def train_nucleic(
    weights: Path, data: Path, out: Path, config: NucleicTraining, device: torch.device, report: Report
) -> dict[str, float]:
    """Write the weights with a new network for nucleic acids, and return its figures on the ``val`` structures.

    Parameters
    ----------
    weights
        Where the training starts; their other networks are kept.
    data
        Folder with ``train.npz`` and ``val.npz``.
    out
        Weights file to write.
    config
        The training.
    device
        Where it computes.
    report
        Told how far it is.

    Raises
    ------
    InputError
        When data are missing or damaged, there is no folder for the result, or there is nothing to learn from.
    WeightsError
        When the weights cannot be used.
    """
    if not out.parent.is_dir():
        raise InputError(f"{out}: no such folder; make it first")
    first, info = load_weights(weights)
    train, validation = (StructurePack(data / f"{split}.npz") for split in ("train", "val"))
    if not train.nucleotide_counts().any():
        raise InputError(f"{data / 'train.npz'} holds no nucleic acids; there is nothing to tell from protein")
    drawn = WindowConfig(config.window, config.seed, **SHARES)
    windows = NucleicWindows(train, drawn, config.steps * config.batch, varied=True)
    network = train_network(starting_at(first), windows, config, device, report)
    held_out = NucleicWindows(validation, replace(drawn, seed=VALIDATION_SEED), config.validation_windows, varied=False)
    found = figures(network, held_out)
    record = {**info.training, "nucleic": {"settings": asdict(config), "validation": found}}
    kept = load_bends(weights)
    save_weights(out, first, replace(info, training=record), precision_of(first), kept, network)
    return found


def starting_at(first: Trunk | Cascade) -> NucleicNetwork:
    """Give a network with what a U-Net has learned, that takes everything for protein and nucleic acid alike."""
    known = (first.unet if isinstance(first, Trunk) else first.backbone).state_dict()
    network = NucleicNetwork(first.config)
    own = network.unet.state_dict()
    zeroed = {name: torch.zeros_like(value) for name, value in own.items() if name.startswith("head")}
    network.unet.load_state_dict(known | zeroed)
    return network


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        "python -m emodelx.training.nucleic", description="Train the network that tells nucleic acids from protein."
    )
    parser.add_argument("weights", type=Path, help="weights file; its other networks are kept")
    parser.add_argument("data", type=Path, help="folder with train.npz and val.npz")
    parser.add_argument("out", type=Path, help="weights file to write")
    for name in ("steps", "batch", "window", "validation_windows", "seed"):
        option, default = f"--{name.replace('_', '-')}", getattr(NucleicTraining, name)
        parser.add_argument(option, type=count, default=default, help=f"default: {default}")
    parser.add_argument("--workers", type=int, default=0, help="processes that simulate; default: 0, in this one")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps")
    return parser


def main(arguments: list[str]) -> int:
    """Run the command; return its exit code."""
    given = vars(_parser().parse_args(arguments))
    weights, data, out, device = (given.pop(name) for name in ("weights", "data", "out", "device"))
    try:
        found = train_nucleic(weights, data, out, NucleicTraining(**given), choose_device(device).torch, print)
    except EmodelxError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    print(f"wrote {out}: " + ", ".join(f"{name} {value:.4f}" for name, value in found.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
