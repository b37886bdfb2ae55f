"""Build into maps of pure noise, and write the table of `docs/accuracy.md`: nothing should come out.

Usage: python benches/noise_maps.py OUTPUT_FOLDER [--edge 80]

White noise, and noise with the amplitudes of proteins at 3 and at 4 A, in the whole box and inside a ball; each with a
sequence of 300 random residues.
"""

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from emodelx import BuildConfig, build
from emodelx.config import CandidateConfig, RunConfig
from emodelx.constants import AMINO_ACIDS
from emodelx.errors import EmodelxError, NothingBuildableError
from emodelx.io.predictions import write_prediction
from emodelx.network.device import choose_device
from emodelx.network.predict import read_density
from emodelx.network.spectrum import soft_cut, target_log_amplitude
from emodelx.network.weights import find_weights
from emodelx.records import DensityMap, HelixTurns
from emodelx.stages.candidates import propose_candidates
from emodelx.stages.hand import count_turns
from emodelx.training.simulate import fourier_grid

SEED = 3


def noises(edge: int) -> Iterator[tuple[str, np.ndarray]]:
    """Give the noise maps by what they are."""
    grid = fourier_grid(edge, torch.device("cpu"))
    radius = torch.from_numpy(np.linalg.norm(np.indices((edge,) * 3) - (edge - 1) / 2, axis=0)).float()
    ball = torch.sigmoid(0.38 * edge - radius)
    generator = torch.Generator().manual_seed(SEED)
    white = torch.randn((edge,) * 3, generator=generator)
    for where, mask in (("in the box", torch.ones(())), ("in a ball", ball)):
        yield f"white, {where}", (white * mask).numpy()
        for resolution in (3.0, 4.0):
            curve = 10 ** target_log_amplitude(grid.shell_radius) * soft_cut(grid.shell_radius, resolution)
            coloured = grid.volume(grid.transform(white) * curve[grid.shell])
            yield f"as proteins at {resolution:g} A, {where}", (coloured * mask).numpy()


def outcome(density: DensityMap, fasta: Path, folder: Path) -> str:
    """Cells of the table: candidates, their density, and how a build ends."""
    prediction = read_density(density, find_weights(), choose_device())
    try:
        candidates = propose_candidates(prediction, CandidateConfig(), RunConfig())
        count, turns = len(candidates), count_turns(candidates)
    except NothingBuildableError:
        count, turns = 0, HelixTurns(0, 0)
    write_prediction(folder / "read.npz", prediction)
    config = BuildConfig(prediction=folder / "read.npz", fasta=fasta, output=folder / "model")
    said = [said_by(config), said_by(replace(config, fasta=None, no_sequence=True))]
    share = f"{1000 * count / density.values.size:.2f}"
    return f"{count} | {share} | {turns.right}, {turns.left} | {' | '.join(said)}"


def said_by(config: BuildConfig) -> str:
    """How a build ends."""
    try:
        result = build(config)
    except EmodelxError as error:
        return str(error).partition(";")[0]
    warned = "; warns" if any("noise" in line for line in result.report.warnings) else ""
    return f"{result.model.placed_count()} residues built{warned}"


def main() -> None:
    """Build into every map and print what happened."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path)
    parser.add_argument("--edge", type=int, default=80)
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    fasta = options.output / "random.fasta"
    letters = "".join(np.random.default_rng(SEED).choice(list(AMINO_ACIDS), 300))
    fasta.write_text(f">random\n{letters}\n")
    print("| noise | candidates | per 1,000 A^3 | turns (right, left) | `emodelx build` | `--no-sequence` |")
    print("|---|---|---|---|---|---|")
    for name, values in noises(options.edge):
        density = DensityMap(np.ascontiguousarray(values, np.float32), np.zeros(3), np.ones(3))
        print(f"| {name} | {outcome(density, fasta, options.output)} |", flush=True)


if __name__ == "__main__":
    main()
