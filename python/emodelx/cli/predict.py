"""`emodelx predict`."""

from __future__ import annotations

import os
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Annotated

import typer

from emodelx.cli import options
from emodelx.config import ReadingConfig, RunConfig
from emodelx.errors import InputError

if TYPE_CHECKING:
    from emodelx.records import DensityMap, Prediction

Map = Annotated[Path, typer.Option("--map", "-v", metavar="MAP", help="Density map, .mrc/.map/.ccp4, plain or .gz.")]
Output = Annotated[Path, typer.Option("--output", "-o", metavar="NPZ", help="File of the probabilities.")]


def predict(
    map: Map,
    output: Output,
    mask: options.Mask = None,
    device: options.Device = "auto",
    weights: options.Weights = None,
    resolution: options.Resolution = None,
    orientations: options.Orientations = ReadingConfig.orientations,
    threads: options.Threads = 0,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,  # noqa: ARG001 - read by main, which prints the traceback
) -> None:
    """Write what the network reads in a map: Calpha, main-chain and amino-acid probabilities.

    A build can start from the file: emodelx build --prediction NPZ.
    """
    options.require_resolution(resolution)
    _check_output(output)
    run = RunConfig(threads=threads)
    from dataclasses import replace

    from emodelx.cli.console import show_progress
    from emodelx.inputs import tell_reading
    from emodelx.io.maps import read_map
    from emodelx.io.predictions import write_prediction
    from emodelx.network.device import choose_device
    from emodelx.network.predict import read_density
    from emodelx.network.weights import find_weights, verify_weights

    found = read_map(map)
    density = _inside(mask, found.density)
    file = find_weights(weights)
    verify_weights(file)
    chosen = choose_device(device)
    with show_progress(quiet) as progress:
        for line in found.warnings:
            progress.warn(f"map: {line}")
        progress.note(f"weights: {file}")
        progress.note(f"device: {chosen}")
        progress.start("prediction")
        started = monotonic()
        reading, listening = ReadingConfig(orientations=orientations), replace(run, progress=progress.advance)
        prediction = read_density(density, file, chosen, resolution, reading, listening)
        progress.finish(monotonic() - started, reused=False)
        tell_reading(prediction, resolution, progress)
    write_prediction(output, prediction)
    if not quiet:
        _print_summary(output, prediction)


def _check_output(output: Path) -> None:
    """Refuse a file that cannot be written before the heavy work."""
    folder = output.absolute().parent
    if output.suffix != ".npz":
        raise InputError(f"{output}: the probabilities are written as .npz; give a name that ends so")
    if not folder.is_dir():
        raise InputError(f"{output}: no folder {folder}; make it first")
    if output.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        raise InputError(f"{output}: cannot be written; give another name")


def _inside(mask: Path | None, density: DensityMap) -> DensityMap:
    from emodelx.io.masks import read_mask
    from emodelx.network.predict import masked

    return density if mask is None else masked(density, read_mask(mask, density))


def _print_summary(output: Path, prediction: Prediction) -> None:
    shape = " x ".join(str(n) for n in prediction.ca_prob.shape)
    count = int((prediction.ca_prob > prediction.threshold).sum())
    print(f"{output}: {shape} voxels of 1 A, {count} above the Calpha threshold {prediction.threshold:g}")
