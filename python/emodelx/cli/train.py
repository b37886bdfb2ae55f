"""`emodelx train`: weights from simulated maps, and from real ones with known models."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from emodelx.cli import options
from emodelx.errors import InputError

if TYPE_CHECKING:
    from emodelx.training.ranks import Ranks

PAIRS_HELP = "Train on real maps too: CSV with the columns map, model, resolution."


def train(
    data: Path = typer.Option(..., "--data", metavar="DIR", help="Folder with train.npz and val.npz (structures)."),
    output: Path = typer.Option(..., "--output", "-o", metavar="DIR", help="Folder of checkpoint, log and weights."),
    hours: float | None = typer.Option(None, "--hours", metavar="H", help="Length of the run in hours."),
    steps: int | None = typer.Option(None, "--steps", metavar="N", help="Length of the run in steps."),
    batch: int = typer.Option(4, "--batch", metavar="N", help="Windows per step (of every process)."),
    workers: int = typer.Option(0, "--workers", metavar="N", help="Processes that simulate; 0: the training's own."),
    pairs: Path | None = typer.Option(None, "--pairs", metavar="CSV", help=PAIRS_HELP),
    real_share: float = typer.Option(0.5, "--real-share", metavar="SHARE", help="Windows of real maps, with --pairs."),
    validate_pairs: Path | None = typer.Option(
        None, "--validate-pairs", metavar="CSV", help="Validate on these real maps too; the same columns."
    ),
    init: Path | None = typer.Option(None, "--init", metavar="FILE", help="Weights to start from."),
    resume: bool = typer.Option(False, "--resume", help="Go on from the checkpoint in the output folder."),
    seed: options.Seed = 1,
    device: options.Device = "auto",
) -> None:
    """Train a network on maps simulated from structures; the result is OUTPUT/weights.safetensors.

    Several GPUs or machines: torchrun --no-python --nproc-per-node N emodelx train ...
    """
    if hours is None and steps is None:
        raise InputError("say how long to train: --hours H or --steps N")
    if init is not None and resume:
        raise InputError("--init starts a new run and --resume goes on with one; give one of them")
    if not 0 < real_share <= 1:
        raise InputError(f"--real-share {real_share:g}: give a share above 0, at most 1")

    import math

    from emodelx.network.device import choose_device
    from emodelx.training.data import WindowConfig
    from emodelx.training.export import export
    from emodelx.training.ranks import join_ranks, own_device
    from emodelx.training.train import ENDLESS, TrainingConfig
    from emodelx.training.train import train as run

    chosen = choose_device(own_device(device))
    with join_ranks(chosen.torch) as ranks:
        config = TrainingConfig(
            data=data,
            out=output,
            hours=math.inf if hours is None else hours,
            steps=ENDLESS if steps is None else steps,
            batch=batch,
            workers=workers,
            pairs=_prepared(pairs, output / "pairs", ranks),
            validation_pairs=_prepared(validate_pairs, output / "validation_pairs", ranks),
            real_share=real_share,
            windows=WindowConfig(seed=seed),
        )
        print(f"training on {chosen}" + (f", process {ranks.rank + 1} of {ranks.count}" if ranks.count > 1 else ""))
        checkpoint = run(config, chosen.torch, init, resume, _print_record, ranks)
        if not ranks.first:
            return
    weights = output / "weights.safetensors"
    info = export(checkpoint, data, weights)
    print(f"{weights}: Calpha threshold {info.calpha_threshold:.2f}, temperature {info.temperature:.2f}")


def _prepared(table: Path | None, folder: Path, ranks: Ranks) -> Path | None:
    """Prepare the maps of a table, in the first process alone, and return their folder."""
    if table is None:
        return None
    from emodelx.network.normalise import SPECTRUM
    from emodelx.pairs import prepare_pairs

    if ranks.first:
        prepare_pairs(table, folder, SPECTRUM, print)
    ranks.wait()
    return folder


def _print_record(record: dict[str, Any]) -> None:
    """One line per log record."""
    cells = (f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}" for name, value in record.items())
    print("  ".join(cells))
