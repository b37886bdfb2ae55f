"""Train the second network of a weights file: ``python -m emodelx.training.bends WEIGHTS DATA OUT.safetensors``.

The U-Net of the weights reads simulated windows, candidates are proposed from what it says as the program does, and
the bends that these could make are labelled by the model (:mod:`emodelx.network.bends`). Windows are costly and bends
cheap: all examples are made first and lie in memory, 6.4 kB each.

Candidates and bends are found here with torch and numpy alone, since training runs where the rest of the program is
not; the tests hold them against `_core` and :mod:`emodelx.stages.bends`.
"""

from __future__ import annotations

import math
import sys
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, fields, replace
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from emodelx.constants import AMINO_ACIDS, BEND_SPAN, BEND_STEP
from emodelx.errors import EmodelxError, InputError
from emodelx.network.bends import (
    AT_ONCE,
    BACKWARD,
    CEILING,
    FORWARD,
    WRONG,
    BendConfig,
    BendLogits,
    BendNetwork,
    bend_distances,
    cut_boxes,
    log_types,
)
from emodelx.network.device import choose_device, computes_half
from emodelx.network.orientations import orientations, read_in
from emodelx.network.unet import Cascade, Reading, Trunk, read_logits
from emodelx.network.weights import WeightsInfo, load_weights, save_weights
from emodelx.training.data import SimulatedWindows, WindowConfig
from emodelx.training.structures import NO_TYPE, Structure, StructurePack
from emodelx.training.train import VALIDATION_SEED, AveragedWeights

ORIENTATIONS = 4
"""In which the U-Net reads a window, as where maps are read."""
OWNED = 1.8
"""Angstrom within which a candidate stands for a Calpha."""
LONGEST_BOND = 4.3
"""Angstrom between Calphas; more is a gap of the model."""
MARGIN = 5.0
"""Angstrom from the middle of a bend to the edge of its window, at least: the box is to hold what is there."""
BACKWARD_SHARE, WRONG_SHARE, WRONG_EXTRA = 0.4, 0.8, 3
"""Bends that run backwards and wrong ones, for each that runs forward; and some wrong ones where none does."""
DRAW = 3
"""Keeps the draw of bends apart from the random numbers of their window."""
REPORTED_WINDOWS, REPORTED_STEPS = 50, 1000

Ints = NDArray[np.int64]
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
    brightness
        Standard deviation of the logarithm by which boxes are made brighter or darker.
    network
        Shape.
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
    brightness: float = 0.1
    network: BendConfig = field(default_factory=BendConfig)

    def learning_rate_at(self, step: int) -> float:
        """Linear warm-up, then a cosine over the steps."""
        rise = min(1.0, (step + 1) / max(self.warmup_steps, 1))
        cosine = 0.5 * (1 + math.cos(math.pi * step / self.steps))
        return self.least_learning_rate + rise * cosine * (self.learning_rate - self.least_learning_rate)


@dataclass(frozen=True)
class Examples:
    """Bends with what is to be said of them; every tensor has one entry per bend.

    Attributes
    ----------
    boxes
        ``(n, 2, 11, 12, 12)`` float16.
    log_types
        ``(n, 20)`` float16, of the middle candidate.
    distances
        ``(n, 3)`` float32, less 3.8 A.
    amino
        Type of the residue in the middle where the chain runs forward, else `NO_TYPE`; int64.
    course
        `FORWARD`, `BACKWARD` or `WRONG`; int64.
    """

    boxes: Tensor
    log_types: Tensor
    distances: Tensor
    amino: Tensor
    course: Tensor

    def __len__(self) -> int:
        return len(self.course)

    def select(self, which: Tensor | slice, device: torch.device) -> Examples:
        """Return some of them on a device."""
        return Examples(*(getattr(self, f.name)[which].to(device) for f in fields(self)))

    @classmethod
    def join(cls, parts: list[Examples]) -> Examples:
        """Put examples end to end."""
        return cls(*(torch.cat([getattr(part, f.name) for part in parts]) for f in fields(cls)))


@dataclass(frozen=True)
class FoundCandidates:
    """Positions in voxels, ``(n, 3)`` float64, and types by the U-Net, ``(n, 20)`` float32; both on the CPU."""

    positions: Tensor
    types: Tensor


class WindowReader:
    """Reads windows with the U-Net of a weights file, as the program reads maps.

    Parameters
    ----------
    network
        It is moved to the device.
    info
        What the weights file says about it.
    device
        Where it computes.
    """

    def __init__(self, network: Trunk | Cascade, info: WeightsInfo, device: torch.device) -> None:
        self.network = network.eval().to(device).to(memory_format=torch.channels_last_3d)
        self.info, self.device, self.half = info, device, computes_half(device)
        self.around = orientations(ORIENTATIONS)
        self.columns = [info.amino_order.index(letter) for letter in AMINO_ACIDS]

    @torch.no_grad()
    def read(self, density: Tensor) -> Reading:
        """Read a window ``(size, size, size)``; the types are in the order of `AMINO_ACIDS`."""
        ceiling = self.info.normalisation.ceiling
        backbone, calpha, amino = read_in(self.around, self._read_once, density.clamp(max=ceiling)[None, None])
        return Reading(backbone[0], calpha[0], amino[0, self.columns])

    def _read_once(self, windows: Tensor) -> Reading:
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.half):
            logits = self.network(windows.contiguous(memory_format=torch.channels_last_3d))
        return read_logits(logits, self.info.network, self.info.temperature)


def find_peaks(calpha: Tensor, threshold: float) -> Tensor:
    """Voxels above the threshold that none of the 26 around them exceeds; of equal neighbours the first stays.

    Parameters
    ----------
    calpha
        Probability of a Calpha, ``(nx, ny, nz)``.
    threshold

    Returns
    -------
    Tensor
        int64 ``(n, 3)``, in the order of their flat indices.
    """
    highest = functional.max_pool3d(calpha[None, None], 3, 1, 1)[0, 0]
    peaks = ((calpha == highest) & (calpha > threshold)).nonzero()
    taken = np.zeros(np.add(calpha.shape, 2), bool)  # a voxel wider on all sides
    kept = []
    for number, (x, y, z) in enumerate(peaks.tolist()):
        if not taken[x : x + 3, y : y + 3, z : z + 3].any():
            taken[x + 1, y + 1, z + 1] = True
            kept.append(number)
    return peaks[kept]


def find_candidates(reading: Reading, threshold: float) -> FoundCandidates:
    """Propose candidates: peaks of the Calpha probability, moved to the centroid of their 27 voxels.

    Parameters
    ----------
    reading
        Of one window: ``(nx, ny, nz)`` and ``(20, nx, ny, nz)``.
    threshold
        Calpha probability that a peak exceeds.
    """
    peaks = find_peaks(reading.calpha, threshold)
    step = torch.arange(-1, 2, device=peaks.device)
    voxels = peaks[:, None] + torch.cartesian_prod(step, step, step)
    most = torch.tensor(reading.calpha.shape, device=peaks.device) - 1
    inside = ((voxels >= 0) & (voxels <= most)).all(2)
    x, y, z = voxels.clamp(min=0).minimum(most).unbind(2)
    weights = (reading.calpha[x, y, z] * inside).double()
    weights = weights / weights.sum(1, keepdim=True)
    positions = (weights[..., None] * voxels).sum(1)
    types = torch.einsum("nk,tnk->nt", weights, reading.amino[:, x, y, z].double())
    return FoundCandidates(positions.cpu(), types.float().cpu())


def possible_bends(positions: NDArray[np.float64]) -> Ints:
    """All triples of candidates at the distances of three consecutive residues, in both orders, ``(m, 3)``.

    Parameters
    ----------
    positions
        ``(n, 3)`` in Angstrom.
    """
    apart = _distances(positions, positions)
    consecutive = (apart > BEND_STEP[0]) & (apart <= BEND_STEP[1])
    ends = (apart > BEND_SPAN[0]) & (apart < BEND_SPAN[1])
    found = [np.zeros((0, 3), np.int64)]
    for middle, near in enumerate(consecutive):
        around = np.flatnonzero(near)
        before, after = np.nonzero(ends[np.ix_(around, around)])
        found.append(np.column_stack([around[before], np.full(len(before), middle), around[after]]))
    return np.concatenate(found)


def _distances(points: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of all to all, ``(n, m)``; by differences, since products of coordinates would lose digits."""
    a, b = torch.from_numpy(points), torch.from_numpy(others)
    return torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist").numpy()


def find_owners(positions: NDArray[np.float64], calphas: NDArray[np.float32]) -> Ints:
    """Calpha that every candidate stands for, -1 for none: of those to which it is the nearest, the nearest.

    Parameters
    ----------
    positions
        Of candidates, ``(n, 3)``.
    calphas
        ``(m, 3)``.
    """
    owner = np.full(len(positions), -1)
    if len(positions) == 0:
        return owner
    apart = _distances(calphas.astype(np.float64), positions)
    nearest, distance = apart.argmin(1), apart.min(1)
    farthest_first = np.argsort(-distance, kind="stable")
    claims = farthest_first[distance[farthest_first] < OWNED]
    owner[nearest[claims]] = claims  # of several claims to a candidate the last is kept
    return owner


def label_bends(triples: Ints, owner: Ints, calphas: Structure) -> tuple[Ints, Ints]:
    """Say of bends which way the chain runs, and where it runs forward the type in the middle.

    Parameters
    ----------
    triples
        Candidates before, in the middle and after, ``(m, 3)``.
    owner
        Calpha of every candidate, or -1.
    calphas
        The Calphas of the window.

    Returns
    -------
    course
        `FORWARD`, `BACKWARD` or `WRONG`, ``(m,)``.
    amino
        ``(m,)``, `NO_TYPE` where the chain does not run forward or the residue is of no known type.
    """
    course, amino = np.full(len(triples), WRONG), np.full(len(triples), NO_TYPE)
    known = np.flatnonzero((owner[triples] >= 0).all(1))
    owned = owner[triples[known]]
    step, chain = np.diff(calphas.residue[owned]), calphas.chain[owned]
    bond = np.linalg.norm(np.diff(calphas.xyz[owned], axis=1), axis=2)
    bonded = (chain == chain[:, :1]).all(1) & (bond < LONGEST_BOND).all(1)
    forward = bonded & (step == 1).all(1)
    course[known[forward]] = FORWARD
    course[known[bonded & (step == -1).all(1)]] = BACKWARD
    amino[known[forward]] = calphas.amino[owned[forward, 1]]
    return course, amino


def draw_bends(course: Ints, rng: np.random.Generator) -> Ints:
    """Choose the bends of a window to learn from: all forward ones, and some of the others.

    There are many more wrong ones, which would take most of the time and are the easier ones.
    """
    forward, backward, wrong = (rng.permutation(np.flatnonzero(course == kind)) for kind in (FORWARD, BACKWARD, WRONG))
    count = len(forward)
    backward, wrong = backward[: int(BACKWARD_SHARE * count)], wrong[: int(WRONG_SHARE * count) + WRONG_EXTRA]
    return np.concatenate([forward, backward, wrong])


def examples_of_window(density: Tensor, atoms: Structure, reader: WindowReader, rng: np.random.Generator) -> Examples:
    """Make the examples of a window, on the CPU.

    Parameters
    ----------
    density
        ``(size, size, size)``, scaled, on the device of the reader.
    atoms
        In voxel coordinates of the window.
    reader
    rng
        Of the choice of bends.
    """
    reading = reader.read(density)
    found = find_candidates(reading, reader.info.calpha_threshold)
    positions, calphas = found.positions.numpy(), atoms.select(atoms.calpha)
    triples = possible_bends(positions)
    middle = positions[triples[:, 1]]
    triples = triples[((middle > MARGIN) & (middle < len(density) - 1 - MARGIN)).all(1)]
    course, amino = label_bends(triples, find_owners(positions, calphas.xyz), calphas)
    drawn = draw_bends(course, rng)
    bends = found.positions.float()[torch.from_numpy(triples[drawn])]
    volume = torch.stack([density.clamp(max=CEILING), reading.backbone])
    return Examples(
        cut_boxes(volume, bends.to(volume.device)).half().cpu(),
        log_types(found.types[torch.from_numpy(triples[drawn, 1])]).half(),
        bend_distances(bends),
        torch.from_numpy(amino[drawn]),
        torch.from_numpy(course[drawn]),
    )


def make_examples(
    pack: StructurePack, reader: WindowReader, drawn: WindowConfig, count: int, report: Report
) -> Examples:
    """Simulate windows and make the examples of all of them.

    Parameters
    ----------
    pack
        Structures to draw from.
    reader
    drawn
        How windows are drawn.
    count
        Number of windows.
    report
        Told how far it is.

    Raises
    ------
    InputError
        When the windows show no bend that runs forward: there is nothing to learn.
    """
    windows = SimulatedWindows(pack, drawn, count, reader.device)
    parts: list[Examples] = []
    for index in range(count):
        rng = np.random.default_rng((drawn.seed, index, DRAW))
        parts.append(examples_of_window(*windows.molecule(index), reader, rng))
        if (index + 1) % REPORTED_WINDOWS == 0:
            report(f"{index + 1} of {count} windows, {sum(map(len, parts))} bends")
    examples = Examples.join(parts)
    if not (examples.amino >= 0).any():
        raise InputError(
            f"in {count} simulated windows the weights find no three Calphas in a row; "
            "give more windows, or weights of a network that is trained"
        )
    return examples


def bend_losses(logits: BendLogits, examples: Examples) -> tuple[Tensor, Tensor]:
    """Cross entropies of types, over bends of a known type (0 where there are none), and of courses, over all."""
    known = (examples.amino >= 0).sum().clamp(min=1)
    amino = functional.cross_entropy(logits.amino.float(), examples.amino, ignore_index=NO_TYPE, reduction="sum")
    return amino / known, functional.cross_entropy(logits.course.float(), examples.course)


def apply_network(network: BendNetwork, examples: Examples, boxes: Tensor) -> BendLogits:
    """Run the network on boxes of examples, in bfloat16 where the hardware has it."""
    with torch.autocast(boxes.device.type, torch.bfloat16, enabled=computes_half(boxes.device)):
        return network(boxes, examples.log_types.float(), examples.distances)


def train_network(examples: Examples, config: BendTraining, device: torch.device, report: Report) -> BendNetwork:
    """Train on shuffled examples; return the averaged network, ready to predict.

    Raises
    ------
    InputError
        When the training diverges.
    """
    torch.manual_seed(config.seed)
    network = BendNetwork(config.network).to(device).train()
    averaged = AveragedWeights(network, config.average_decay)
    optimiser = torch.optim.AdamW(network.parameters(), weight_decay=config.weight_decay)
    for step, which in enumerate(islice(_shuffled(len(examples), config), config.steps)):
        for group in optimiser.param_groups:
            group["lr"] = config.learning_rate_at(step)
        loss = _loss_of_step(network, examples.select(which, device), config.brightness)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        if not nn.utils.clip_grad_norm_(network.parameters(), config.gradient_clip).isfinite():
            raise InputError(f"the gradient of step {step + 1} is not a number; try another --seed")
        optimiser.step()
        averaged.update(network, step + 1)
        if (step + 1) % REPORTED_STEPS == 0:
            report(f"{step + 1} of {config.steps} steps, loss {loss.item():.3f}")
    network.load_state_dict(averaged.values)
    return network.eval()


def _shuffled(count: int, config: BendTraining) -> Iterator[Tensor]:
    """Endless whole batches of shuffled numbers of examples."""
    generator = torch.Generator().manual_seed(config.seed)
    batch = min(config.batch, count)
    while True:
        order = torch.randperm(count, generator=generator)
        yield from order[: count // batch * batch].split(batch)


def _loss_of_step(network: BendNetwork, examples: Examples, brightness: float) -> Tensor:
    boxes = examples.boxes.float()
    boxes = boxes * (brightness * torch.randn(len(boxes), 1, 1, 1, 1, device=boxes.device)).exp()
    amino, course = bend_losses(apply_network(network, examples, boxes), examples)
    return amino + course


@torch.no_grad()
def figures(network: BendNetwork, examples: Examples) -> dict[str, float]:
    """Cross entropy and share of right ones: of types where the chain runs forward, and of courses.

    Parameters
    ----------
    network
        Ready to predict.
    examples
        On any device; bends of a known type among them.
    """
    device = next(network.parameters()).device
    parts = [examples.select(slice(first, first + AT_ONCE), device) for first in range(0, len(examples), AT_ONCE)]
    read = [apply_network(network, part, part.boxes.float()) for part in parts]
    logits = BendLogits(*(torch.cat(values).float().cpu() for values in zip(*read, strict=True)))
    amino, course = bend_losses(logits, examples)
    right = logits.amino.argmax(1) == examples.amino
    return {
        "amino": amino.item(),
        "amino_accuracy": right[examples.amino >= 0].float().mean().item(),
        "course": course.item(),
        "course_accuracy": (logits.course.argmax(1) == examples.course).float().mean().item(),
    }


def train_bends(
    weights: Path, data: Path, out: Path, config: BendTraining, device: torch.device, report: Report
) -> dict[str, float]:
    """Write the weights with a new second network, and return its figures on the ``val`` structures.

    Parameters
    ----------
    weights
        Whose U-Net is kept; a second network that it has is left out.
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
    unet, info = load_weights(weights)
    train, validation = (StructurePack(data / f"{split}.npz") for split in ("train", "val"))
    reader = WindowReader(unet, info, device)
    drawn = _windows(config)
    fixed = replace(drawn, seed=VALIDATION_SEED)
    held_out = make_examples(validation, reader, fixed, config.validation_windows, report)
    network = train_network(make_examples(train, reader, drawn, config.windows, report), config, device, report)
    found = figures(network, held_out)
    record = {**info.training, "bends": {"settings": asdict(config), "validation": found}}
    save_weights(out, unet, replace(info, training=record), _precision_of(unet), network)
    return found


def _windows(config: BendTraining) -> WindowConfig:
    """Which windows are drawn: those of proteins, few of them at the edge, where there are fewer bends."""
    return WindowConfig(config.window, config.seed, nucleic_share=0.0, outer_share=0.05, noise_share=0.0)


def _precision_of(network: nn.Module) -> torch.dtype:
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
        parser.add_argument(option, type=_count, default=default, help=f"default: {default}")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps")
    return parser


def _count(text: str) -> int:
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
