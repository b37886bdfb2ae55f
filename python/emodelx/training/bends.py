"""Train the second network of a weights file: ``python -m emodelx.training.bends WEIGHTS DATA OUT.safetensors``.

Windows are costly and bends cheap: all examples (:mod:`emodelx.training.bend_examples`) are made first and lie in
memory, 6.4 kB each.
"""

from __future__ import annotations

import math
import sys
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from emodelx.errors import EmodelxError, InputError, WeightsError
from emodelx.network.bends import AT_ONCE, FORWARD, BendConfig, BendNetwork, BendOutput
from emodelx.network.device import choose_device, computes_half
from emodelx.network.weights import load_bends, load_nucleic, load_weights, save_weights
from emodelx.training.bend_examples import Examples, WindowReader, make_examples
from emodelx.training.bend_variation import Variation, vary
from emodelx.training.data import WindowConfig
from emodelx.training.descent import Descent
from emodelx.training.structures import NO_TYPE, StructurePack
from emodelx.training.train import VALIDATION_SEED

NEAR = 0.5
"""Angstrom up to which errors of a shift count by their square, beyond by their size."""
REPORTED_STEPS = 1000
NUCLEIC_SHARE = 0.2
"""Windows centred on a nucleic acid."""

Report = Callable[[str], None]


@dataclass(frozen=True)
class BendTraining:
    """Everything that a training is made of.

    Attributes
    ----------
    windows, validation_windows
        Simulated windows of the ``train`` and the ``val`` structures that examples are made of.
    window
        Edge in voxels.
    steps
        Of the optimiser.
    seed
        Of everything random, but for the validation windows.
    batch
        Bends per step.
    learning_rate, least_learning_rate, warmup_steps
        Peak and end of the cosine, and steps of linear rise to the peak.
    weight_decay, gradient_clip
        Of AdamW; largest norm of the gradient.
    average_decay
        Decay per step of the averaged weights (which are the result).
    shift_weight
        Of the loss of shifts, against those of types and courses.
    variation
        How much examples vary.
    network
        Shape; that of the start where there is one.
    go_on
        Start from the second network of the weights file, not from random weights.
    """

    windows: int = 1250
    validation_windows: int = 60
    window: int = 64
    steps: int = 12_000
    seed: int = 1
    batch: int = 384
    learning_rate: float = 1.2e-3
    least_learning_rate: float = 5e-6
    warmup_steps: int = 200
    weight_decay: float = 0.03
    gradient_clip: float = 5.0
    average_decay: float = 0.997
    shift_weight: float = 1.0
    variation: Variation = field(default_factory=Variation)
    network: BendConfig = field(default_factory=BendConfig)
    go_on: bool = False

    def learning_rate_at(self, step: int) -> float:
        """Linear warm-up, then a cosine over the steps."""
        rise = min(1.0, (step + 1) / max(self.warmup_steps, 1))
        cosine = 0.5 * (1 + math.cos(math.pi * step / self.steps))
        return self.least_learning_rate + rise * cosine * (self.learning_rate - self.least_learning_rate)


class Losses(NamedTuple):
    """Of types, courses and shifts."""

    amino: Tensor
    course: Tensor
    shift: Tensor


def bend_losses(said: BendOutput, examples: Examples) -> Losses:
    """Compare what the network says with what is true.

    Cross entropies of types, over bends of a known type, and of courses, over all; Huber's loss of shifts, over those
    of a known Calpha, per axis. 0 where nothing is known.
    """
    typed = (examples.amino >= 0).sum().clamp(min=1)
    amino = functional.cross_entropy(said.amino.float(), examples.amino, ignore_index=NO_TYPE, reduction="sum")
    placed = examples.shift.isfinite().all(dim=1)
    error = functional.smooth_l1_loss(said.shift.float()[placed], examples.shift[placed], beta=NEAR, reduction="sum")
    course = functional.cross_entropy(said.course.float(), examples.course)
    return Losses(amino / typed, course, error / (3 * placed.sum()).clamp(min=1))


def apply_network(network: BendNetwork, examples: Examples) -> BendOutput:
    """Run the network on examples, in bfloat16 where the hardware has it."""
    boxes = examples.boxes.float()
    with torch.autocast(boxes.device.type, torch.bfloat16, enabled=computes_half(boxes.device)):
        return network(boxes, examples.log_types.float(), examples.distances)


def train_network(
    examples: Examples, config: BendTraining, device: torch.device, report: Report, start: BendNetwork | None = None
) -> BendNetwork:
    """Train on shuffled examples; return the averaged network, ready to predict.

    Parameters
    ----------
    examples
        On the CPU.
    config
        The training.
    device
        Where it computes.
    report
        Told how far it is.
    start
        Network to go on with; it is trained itself. None: random weights of the shape in `config`.

    Raises
    ------
    InputError
        When the training diverges.
    """
    torch.manual_seed(config.seed)
    network = (start or BendNetwork(config.network)).to(device).train()
    descent = Descent(network, config)
    for which in islice(_shuffled(len(examples), config), config.steps):
        loss = _loss_of_step(network, examples.select(which, device), config)
        descent.step(loss)
        if descent.steps % REPORTED_STEPS == 0:
            report(f"{descent.steps} of {config.steps} steps, loss {loss.item():.3f}")
    descent.finish()
    return network


def _shuffled(count: int, config: BendTraining) -> Iterator[Tensor]:
    """Endless whole batches of shuffled numbers of examples."""
    generator = torch.Generator().manual_seed(config.seed)
    batch = min(config.batch, count)
    while True:
        order = torch.randperm(count, generator=generator)
        yield from order[: count // batch * batch].split(batch)


def _loss_of_step(network: BendNetwork, examples: Examples, config: BendTraining) -> Tensor:
    boxes, log_types = vary(examples.boxes.float(), examples.log_types.float(), config.variation)
    varied = replace(examples, boxes=boxes, log_types=log_types)
    losses = bend_losses(apply_network(network, varied), varied)
    return losses.amino + losses.course + config.shift_weight * losses.shift


@torch.no_grad()
def figures(network: BendNetwork, examples: Examples) -> dict[str, float]:
    """Cross entropy and share of right ones: of types where the chain runs forward, and of courses; and of places.

    Parameters
    ----------
    network
        Ready to predict.
    examples
        On any device; bends of a known type among them.

    Returns
    -------
    dict of float
        `distance` and `distance_left` are root mean squares in Angstrom, from the middle candidates of bends that run
        forward to their Calphas, before and after the shift.
    """
    device = next(network.parameters()).device
    parts = [examples.select(slice(first, first + AT_ONCE), device) for first in range(0, len(examples), AT_ONCE)]
    read = [apply_network(network, part) for part in parts]
    said = BendOutput(*(torch.cat(values).float().cpu() for values in zip(*read, strict=True)))
    losses = bend_losses(said, examples)
    right = said.amino.argmax(1) == examples.amino
    forward = examples.course == FORWARD
    return {
        "amino": losses.amino.item(),
        "amino_accuracy": right[examples.amino >= 0].float().mean().item(),
        "course": losses.course.item(),
        "course_accuracy": (said.course.argmax(1) == examples.course).float().mean().item(),
        "distance": _rms(examples.shift[forward]),
        "distance_left": _rms((examples.shift - said.shift)[forward]),
    }


def _rms(shifts: Tensor) -> float:
    return shifts.square().sum(dim=1).mean().sqrt().item()


def train_bends(
    weights: Path, data: Path, out: Path, config: BendTraining, device: torch.device, report: Report
) -> dict[str, float]:
    """Write the weights with a new second network, and return its figures on the ``val`` structures.

    Parameters
    ----------
    weights
        Whose U-Net is kept; a second network that it has is where the training starts, or is left out.
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
        When the weights cannot be used, or have no second network to go on with.
    """
    if not out.parent.is_dir():
        raise InputError(f"{out}: no such folder; make it first")
    unet, info = load_weights(weights)
    start = load_bends(weights) if config.go_on else None
    if config.go_on and start is None:
        raise WeightsError(f"{weights} has no second network to go on with; leave out --go-on")
    train, validation = (StructurePack(data / f"{split}.npz") for split in ("train", "val"))
    reader = WindowReader(unet, info, device)
    drawn = _windows(config)
    fixed = replace(drawn, seed=VALIDATION_SEED)
    held_out = make_examples(validation, reader, fixed, config.validation_windows, report)
    examples = make_examples(train, reader, drawn, config.windows, report)
    network = train_network(examples, config, device, report, start)
    found = figures(network, held_out)
    record = {**info.training, "bends": {"settings": asdict(config), "validation": found}}
    save_weights(out, unet, replace(info, training=record), precision_of(unet), network, load_nucleic(weights))
    return found


def _windows(config: BendTraining) -> WindowConfig:
    """Which windows are drawn: few at the edge of the molecule, where there are fewer bends; no noise."""
    return WindowConfig(config.window, config.seed, nucleic_share=NUCLEIC_SHARE, outer_share=0.05, noise_share=0.0)


def precision_of(network: nn.Module) -> torch.dtype:
    """Half where it stores the network as it is, so that the U-Net never changes."""
    values = [tensor for tensor in network.state_dict().values() if tensor.is_floating_point()]
    exact = all(torch.equal(tensor.half().to(tensor.dtype), tensor) for tensor in values)
    return torch.float16 if exact else torch.float32


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        "python -m emodelx.training.bends", description="Train the second network of a weights file."
    )
    parser.add_argument("weights", type=Path, help="weights file whose U-Net is kept")
    parser.add_argument("data", type=Path, help="folder with train.npz and val.npz")
    parser.add_argument("out", type=Path, help="weights file to write")
    for name in ("windows", "validation_windows", "window", "steps", "batch", "seed"):
        option, default = f"--{name.replace('_', '-')}", getattr(BendTraining, name)
        parser.add_argument(option, type=count, default=default, help=f"default: {default}")
    default = BendTraining.learning_rate
    parser.add_argument("--learning-rate", type=float, default=default, help=f"peak; default: {default}")
    parser.add_argument("--go-on", action="store_true", help="start from the second network of the weights file")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps")
    return parser


def count(text: str) -> int:
    """Read a whole number above 0 from a command line."""
    if not text.isdecimal() or int(text) < 1:
        raise ArgumentTypeError(f"'{text}' is no whole number above 0")
    return int(text)


def main(arguments: list[str]) -> int:
    """Run the command; return its exit code."""
    given = vars(_parser().parse_args(arguments))
    weights, data, out, device = (given.pop(name) for name in ("weights", "data", "out", "device"))
    try:
        found = train_bends(weights, data, out, BendTraining(**given), choose_device(device).torch, print)
    except EmodelxError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    print(f"wrote {out}: " + ", ".join(f"{name} {value:.4f}" for name, value in found.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
