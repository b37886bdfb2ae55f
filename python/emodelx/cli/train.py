"""`emodelx train`: weights from simulated maps."""

from pathlib import Path
from typing import Any

import typer

from emodelx.cli import options
from emodelx.errors import InputError


def train(
    data: Path = typer.Option(..., "--data", metavar="DIR", help="Folder with train.npz and val.npz (structures)."),
    output: Path = typer.Option(..., "--output", "-o", metavar="DIR", help="Folder of checkpoint, log and weights."),
    hours: float | None = typer.Option(None, "--hours", metavar="H", help="Length of the run in hours."),
    steps: int | None = typer.Option(None, "--steps", metavar="N", help="Length of the run in steps."),
    batch: int = typer.Option(4, "--batch", metavar="N", help="Windows per step."),
    workers: int = typer.Option(0, "--workers", metavar="N", help="Processes that simulate; 0: the training's own."),
    init: Path | None = typer.Option(None, "--init", metavar="FILE", help="Weights to start from."),
    resume: bool = typer.Option(False, "--resume", help="Go on from the checkpoint in the output folder."),
    seed: options.Seed = 1,
    device: options.Device = "auto",
) -> None:
    """Train a network on maps simulated from structures; the result is OUTPUT/weights.safetensors."""
    if hours is None and steps is None:
        raise InputError("say how long to train: --hours H or --steps N")
    if init is not None and resume:
        raise InputError("--init starts a new run and --resume goes on with one; give one of them")

    import math

    from emodelx.network.device import choose_device
    from emodelx.training.data import WindowConfig
    from emodelx.training.export import export
    from emodelx.training.train import ENDLESS, TrainingConfig
    from emodelx.training.train import train as run

    config = TrainingConfig(
        data=data,
        out=output,
        hours=math.inf if hours is None else hours,
        steps=ENDLESS if steps is None else steps,
        batch=batch,
        workers=workers,
        windows=WindowConfig(seed=seed),
    )
    chosen = choose_device(device)
    print(f"training on {chosen}")
    checkpoint = run(config, chosen.torch, init, resume, _print_record)
    weights = output / "weights.safetensors"
    info = export(checkpoint, data, weights)
    print(f"{weights}: Calpha threshold {info.calpha_threshold:.2f}, temperature {info.temperature:.2f}")


def _print_record(record: dict[str, Any]) -> None:
    """One line per log record."""
    cells = (f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}" for name, value in record.items())
    print("  ".join(cells))
