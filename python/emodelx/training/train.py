"""The training loop: AdamW, warm-up and cosine schedule, averaged weights, checkpoints that resume to the step."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import Tensor, nn

from emodelx.errors import InputError
from emodelx.network.device import computes_half
from emodelx.network.unet import Logits, NetworkConfig, build_network
from emodelx.network.weights import load_weights
from emodelx.training.data import SimulatedWindows, WindowConfig, Windows, batches
from emodelx.training.loss import LossConfig, Targets, TaskLosses, task_losses
from emodelx.training.pairs import load_pairs
from emodelx.training.ranks import ALONE, Ranks
from emodelx.training.real_windows import MixedWindows, RealWindows
from emodelx.training.structures import StructurePack

CHECKPOINT = "checkpoint.pt"
LOG = "log.jsonl"
ENDLESS = 2**40  # windows; the budget ends a run, not the data
VALIDATION_SEED = 20_240_901

Report = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class TrainingConfig:
    """Everything that a run is made of.

    Attributes
    ----------
    data
        Folder with ``train.npz`` and ``val.npz``.
    out
        Folder of the checkpoint and the log.
    hours, steps
        Budget; the run ends at whichever comes first.
    batch
        Windows per step.
    learning_rate, least_learning_rate
        Peak and end of the cosine.
    warmup_steps
        Steps of linear rise to the peak.
    weight_decay, gradient_clip
        Of AdamW; largest norm of the gradient.
    average_decay
        Decay per step of the averaged weights (which are the result).
    validation_windows
        Fixed windows of the ``val`` structures that every validation reads, and as many of real maps.
    log_steps, validation_minutes, checkpoint_minutes
        How often.
    workers
        Processes that simulate; 0 simulates in the training process.
    pairs, validation_pairs
        Folders of prepared real maps to train on, and to validate on; None: simulated ones alone.
    real_share
        Windows that are of real maps, where there are `pairs`.
    """

    data: Path
    out: Path
    hours: float = math.inf
    steps: int = ENDLESS
    batch: int = 4
    learning_rate: float = 4e-4
    least_learning_rate: float = 4e-6
    warmup_steps: int = 100
    weight_decay: float = 1e-4
    gradient_clip: float = 2.0
    average_decay: float = 0.995
    validation_windows: int = 48
    log_steps: int = 25
    validation_minutes: float = 10.0
    checkpoint_minutes: float = 5.0
    workers: int = 0
    pairs: Path | None = None
    validation_pairs: Path | None = None
    real_share: float = 0.5
    windows: WindowConfig = field(default_factory=WindowConfig)
    network: NetworkConfig = field(default_factory=NetworkConfig)
    loss: LossConfig = field(default_factory=LossConfig)


@dataclass
class Progress:
    """How far a run is: finished steps and the seconds they took, over all its resumptions."""

    step: int = 0
    seconds: float = 0.0

    def fraction(self, config: TrainingConfig) -> float:
        """Part of the budget that is used up, 0..1."""
        return min(1.0, max(self.step / config.steps, self.seconds / 3600 / config.hours))


class AveragedWeights:
    """Exponential moving average of a network's parameters and statistics."""

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay = decay
        self.values = {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        """Move towards the network; early steps count for more, so that the start is forgotten."""
        decay = min(self.decay, (1 + step) / (10 + step))
        for name, tensor in network.state_dict().items():
            if tensor.is_floating_point():
                self.values[name].lerp_(tensor, 1 - decay)
            else:
                self.values[name].copy_(tensor)


class Trainer:
    """One run: network, optimiser, averages and how far they are.

    Parameters
    ----------
    config
        The run.
    device
        Where it computes; in bfloat16 autocast where the hardware has it.
    init
        Weights to start from (``.safetensors`` of the same shape).
    ranks
        The processes that train together; each takes `batch` windows per step. BatchNorm sees those of its own process.
    """

    def __init__(
        self, config: TrainingConfig, device: torch.device, init: Path | None = None, ranks: Ranks = ALONE
    ) -> None:
        torch.manual_seed(config.windows.seed)
        self.config, self.device, self.ranks = config, device, ranks
        self.half = computes_half(device)
        self.network = build_network(config.network)
        if init is not None:
            self._start_from(init)
        self.network.to(device).to(memory_format=torch.channels_last_3d)
        self.parallel = ranks.together(self.network, device)
        self.averaged = AveragedWeights(self.network, config.average_decay)
        self.optimiser = torch.optim.AdamW(self.network.parameters(), weight_decay=config.weight_decay)
        self.progress = Progress()
        self.windows = self._training_windows()
        self.validation = self._validation_batches() if ranks.first else {}

    def _start_from(self, init: Path) -> None:
        network, info = load_weights(init)
        if info.network != self.config.network:
            raise InputError(f"{init} holds a network of another shape; leave out the start weights or the shape")
        self.network.load_state_dict(network.state_dict())

    def _training_windows(self) -> Windows:
        config, windows = self.config, self.config.windows
        simulated = SimulatedWindows(StructurePack(config.data / "train.npz"), windows, ENDLESS, self.device)
        if config.pairs is None:
            return simulated
        real = RealWindows(load_pairs(config.pairs), windows, ENDLESS, self.device)
        return MixedWindows(simulated, real, config.real_share, windows.seed)

    def _validation_batches(self) -> dict[str, list[tuple[Tensor, Targets]]]:
        """Fixed windows by what their figures are called: simulated, and of real maps."""
        config, windows = self.config, replace(self.config.windows, seed=VALIDATION_SEED)
        count = config.validation_windows
        fixed: dict[str, Windows] = {
            "": SimulatedWindows(StructurePack(config.data / "val.npz"), windows, count, self.device)
        }
        if config.validation_pairs is not None:
            real = load_pairs(config.validation_pairs)
            fixed["real_"] = RealWindows(real, windows, count, self.device, varied=False)
        return {name: list(batches(drawn, config.batch, 0, 0)) for name, drawn in fixed.items()}

    def run(self, report: Report) -> None:
        """Train until the budget is used up, then save; `report` receives every log record."""
        config, progress = self.config, self.progress
        stream = batches(self.windows, config.batch, progress.step, config.workers, self.ranks)
        start = time.monotonic() - progress.seconds
        checkpoint = Every(config.checkpoint_minutes * 60, progress.seconds)
        validation = Every(config.validation_minutes * 60, progress.seconds)
        running = RunningMean()
        while progress.fraction(config) < 1:
            running.add(self.step(*next(stream)))
            progress.seconds = self.ranks.of_first(time.monotonic() - start, self.device)
            if not self.ranks.first:
                continue
            if progress.step % config.log_steps == 0:
                report({"kind": "train", **self._where(), **running.take()})
            if validation.due(progress.seconds):
                report({"kind": "validation", **self._where(), **self.validate()})
            if checkpoint.due(progress.seconds):
                self.save()
        if self.ranks.first:
            report({"kind": "validation", **self._where(), **self.validate()})
            self.save()
        self.ranks.wait()

    def _where(self) -> dict[str, Any]:
        rate = self.optimiser.param_groups[0]["lr"]
        return {"step": self.progress.step, "seconds": round(self.progress.seconds, 1), "learning_rate": rate}

    def step(self, density: Tensor, targets: Targets) -> dict[str, float]:
        """Take one optimiser step and return its figures."""
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(self.config, self.progress)
        self.network.train()
        logits, losses = self._losses(self.parallel, density, targets, self.ranks)
        self.optimiser.zero_grad(set_to_none=True)
        losses.total.backward()
        self._require_number(nn.utils.clip_grad_norm_(self.network.parameters(), self.config.gradient_clip))
        self.optimiser.step()
        self.progress.step += 1
        self.averaged.update(self.network, self.progress.step)
        return figures(logits, losses, targets)

    def _require_number(self, gradient: Tensor) -> None:
        """Stop before a single bad window makes nothing of all weights."""
        if not gradient.isfinite():
            raise InputError(
                f"the gradient of step {self.progress.step + 1} is not a number; the weights before it are in the last "
                "checkpoint: check the maps of --pairs, or start from it (--init) with another --seed"
            )

    def _losses(
        self, network: nn.Module, density: Tensor, targets: Targets, ranks: Ranks = ALONE
    ) -> tuple[Logits, TaskLosses]:
        density = density.to(self.device, memory_format=torch.channels_last_3d)
        targets = Targets(*(volume.to(self.device) for volume in targets))
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.half):
            logits = network(density)
        return logits, task_losses(logits, targets, self.config.loss, ranks)

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Figures of the averaged weights over the validation windows."""
        network = build_network(self.config.network).to(self.device).to(memory_format=torch.channels_last_3d)
        network.load_state_dict(self.averaged.values)
        network.eval()
        mean = RunningMean()
        for name, fixed in self.validation.items():
            for density, targets in fixed:
                found = figures(*self._losses(network, density, targets), targets)
                mean.add({name + figure: value for figure, value in found.items()})
        return mean.take()

    def save(self) -> None:
        """Write the checkpoint; it appears only when it is whole."""
        path = self.config.out / CHECKPOINT
        state = {
            "network": self.network.state_dict(),
            "averaged": self.averaged.values,
            "optimiser": self.optimiser.state_dict(),
            "progress": asdict(self.progress),
            "config": json.loads(json.dumps(asdict(self.config), default=str)),
        }
        torch.save(state, path.with_suffix(".partial"))
        path.with_suffix(".partial").replace(path)

    def resume(self) -> None:
        """Go on from the checkpoint in the output folder.

        Raises
        ------
        InputError
            When there is none, or it belongs to another network.
        """
        state = read_checkpoint(self.config.out / CHECKPOINT)
        if network_of(state) != self.config.network:
            raise InputError(f"{self.config.out / CHECKPOINT} holds a network of another shape; choose another folder")
        self.network.load_state_dict(state["network"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.averaged.values = {name: value.to(self.device) for name, value in state["averaged"].items()}
        self.progress = Progress(**state["progress"])


class Every:
    """Says when a number of seconds has passed since it last said so."""

    def __init__(self, seconds: float, now: float) -> None:
        self.seconds, self.last = seconds, now

    def due(self, now: float) -> bool:
        """Is it time again."""
        if now - self.last < self.seconds:
            return False
        self.last = now
        return True


class RunningMean:
    """Mean of figures, each over the times it was a number."""

    def __init__(self) -> None:
        self.sums: dict[str, float] = {}
        self.counts: dict[str, int] = {}

    def add(self, values: dict[str, float]) -> None:
        """Count one set of figures."""
        for name, value in values.items():
            if math.isfinite(value):
                self.sums[name] = self.sums.get(name, 0.0) + value
                self.counts[name] = self.counts.get(name, 0) + 1

    def take(self) -> dict[str, float]:
        """Return the means and start anew."""
        means = {name: round(total / self.counts[name], 5) for name, total in self.sums.items()}
        self.sums, self.counts = {}, {}
        return means


def learning_rate(config: TrainingConfig, progress: Progress) -> float:
    """Linear warm-up, then a cosine over the budget."""
    rise = min(1.0, (progress.step + 1) / max(config.warmup_steps, 1))
    cosine = 0.5 * (1 + math.cos(math.pi * progress.fraction(config)))
    return config.least_learning_rate + rise * cosine * (config.learning_rate - config.least_learning_rate)


@torch.no_grad()
def figures(logits: Logits, losses: TaskLosses, targets: Targets) -> dict[str, float]:
    """Losses and the share of typed voxels whose amino acid is right (not a number where there are none)."""
    typed = targets.amino >= 0
    right = logits.amino.argmax(dim=1).cpu()[typed.cpu()] == targets.amino.cpu()[typed.cpu()]
    accuracy = right.float().mean().item() if len(right) else math.nan
    return {**{name: value.item() for name, value in losses._asdict().items()}, "amino_accuracy": accuracy}


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint.

    Raises
    ------
    InputError
        When the file is missing or is not a checkpoint.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        return {name: state[name] for name in ("network", "averaged", "optimiser", "progress", "config")}
    except (OSError, EOFError, KeyError, TypeError, RuntimeError, ValueError, UnpicklingError) as error:
        raise InputError(f"{path} is not a training checkpoint; check the folder") from error


def network_of(state: dict[str, Any]) -> NetworkConfig:
    """Return the network shape that a checkpoint was made with."""
    return NetworkConfig.from_fields(state["config"]["network"])


def train(
    config: TrainingConfig,
    device: torch.device,
    init: Path | None,
    resume: bool,
    report: Report,
    ranks: Ranks = ALONE,
) -> Path:
    """Train as `config` says and return the checkpoint.

    Parameters
    ----------
    config
        The run.
    device
        Where it computes.
    init
        Weights to start from, or None.
    resume
        Go on from the checkpoint in ``config.out``.
    report
        Also receives every log record.
    ranks
        The processes that train together; the first of them writes.
    """
    config.out.mkdir(parents=True, exist_ok=True)
    trainer = Trainer(config, device, init, ranks)
    if resume:
        trainer.resume()
    if not ranks.first:
        trainer.run(report)
        return config.out / CHECKPOINT
    with (config.out / LOG).open("a" if resume else "w") as log:

        def record(entry: dict[str, Any]) -> None:
            log.write(json.dumps(entry) + "\n")
            log.flush()
            report(entry)

        trainer.run(record)
    return config.out / CHECKPOINT
