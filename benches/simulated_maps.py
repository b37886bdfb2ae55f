"""Read simulated maps of whole `val` structures, and write the table of `docs/accuracy.md`.

Usage: python benches/simulated_maps.py STRUCTURES_FOLDER [--count 12] [--resolutions 2.5 3] [--orientations 4]

STRUCTURES_FOLDER holds `val.npz` (docs/training.md). The first structures of a seeded shuffle that fit a cube of 112 A
and have 150 to 1,000 residues are simulated, each at every resolution with conditions of its own, and read as a user's
map is: with the resolution given, normalised by the rule of the weights, tiled, candidates as in a build.
"""

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from real_maps import Reading, cell, looked_again, read_against

from emodelx.config import CandidateConfig, ReadingConfig, RunConfig
from emodelx.constants import AMINO_ACIDS
from emodelx.io.structures import CalphaChain
from emodelx.network.device import choose_device
from emodelx.network.predict import read_density
from emodelx.network.weights import find_weights
from emodelx.records import DensityMap, HelixTurns
from emodelx.stages.candidates import propose_candidates
from emodelx.stages.hand import count_turns
from emodelx.training.simulate import Scene, draw_conditions
from emodelx.training.structures import Structure, StructurePack

SEED = 5
LARGEST_EDGE = 112
MARGIN = 10.0
"""Angstrom of solvent around the molecule."""
RESIDUES = (150, 1000)
COLUMNS = ("recall", "precision", "recall_paired", "precision_paired", "rms", "top1", "top3", "top1_used")


@dataclass(frozen=True)
class SimulatedMap:
    """A map, and the atoms and Calphas that it shows, in its frame."""

    name: str
    density: DensityMap
    atoms: Structure
    truth: CalphaChain


def chosen(pack: StructurePack, count: int) -> Iterator[tuple[str, Structure]]:
    """Give the structures that are simulated."""
    calphas = pack.calpha_counts()
    for index in np.random.default_rng(SEED).permutation(len(pack)):
        if count == 0 or not RESIDUES[0] <= calphas[index] <= RESIDUES[1]:
            continue
        structure = pack[int(index)]
        if np.ptp(structure.xyz, axis=0).max() + 2 * MARGIN <= LARGEST_EDGE:
            count -= 1
            yield pack.names[int(index)], structure


def simulate(name: str, structure: Structure, resolution: float) -> SimulatedMap:
    """Simulate the map of a whole structure; the same one every time."""
    low, high = structure.xyz.min(axis=0), structure.xyz.max(axis=0)
    size = int(np.ceil((high - low).max() + 2 * MARGIN))
    xyz = (structure.xyz - (low + high) / 2 + (size - 1) / 2).astype(np.float32)
    rng = np.random.default_rng((SEED, sum(name.encode()), round(100 * resolution)))
    moved = structure.select(np.arange(len(structure)), xyz=xyz)
    scene = Scene(moved, draw_conditions(rng, resolution), size, rng, torch.device("cpu"))
    values = np.ascontiguousarray(scene.density().numpy(), np.float32)
    return SimulatedMap(name, DensityMap(values, np.zeros(3), np.ones(3)), moved, calphas_of(moved))


def calphas_of(structure: Structure) -> CalphaChain:
    """All Calphas of a structure in one chain."""
    types = structure.amino[structure.calpha]
    letters = "".join(AMINO_ACIDS[t] if t >= 0 else "X" for t in types)
    return CalphaChain("A", letters, np.arange(1, len(types) + 1), structure.xyz[structure.calpha].astype(np.float64))


def read(made: SimulatedMap, resolution: float, weights: Path, config: ReadingConfig) -> tuple[Reading, HelixTurns]:
    """Read a map and compare with the truth; and the turns of its helices."""
    device = choose_device()
    prediction = read_density(made.density, weights, device, resolution, config)
    candidates = propose_candidates(prediction, CandidateConfig(), RunConfig())
    found = looked_again(candidates, prediction, weights, device)
    return read_against([made.truth], found, prediction), count_turns(candidates)


def main() -> None:
    """Simulate, read and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("structures", type=Path)
    parser.add_argument("--count", type=int, default=12)
    parser.add_argument("--resolutions", type=float, nargs="+", default=[2.5, 3.0, 3.5, 4.0])
    parser.add_argument("--weights")
    parser.add_argument("--orientations", type=int, default=ReadingConfig.orientations)
    parser.add_argument("--each", action="store_true", help="print every map too")
    options = parser.parse_args()
    weights = find_weights(options.weights)
    pack = StructurePack(options.structures / "val.npz")
    structures = list(chosen(pack, options.count))
    print("| A | maps | residues | " + " | ".join(COLUMNS) + " |\n" + "|---" * (3 + len(COLUMNS)) + "|")
    for resolution in options.resolutions:
        readings, residues = [], 0
        for name, structure in structures:
            made = simulate(name, structure, resolution)
            reading, turns = read(made, resolution, weights, ReadingConfig(orientations=options.orientations))
            readings.append(asdict(reading))
            residues += len(made.truth.positions)
            if options.each:
                facts = {"name": name, "resolution": resolution, **asdict(turns), **asdict(reading)}
                print(json.dumps(facts), flush=True)
        means = [float(np.mean([reading[column] for reading in readings])) for column in COLUMNS]
        row = (resolution, len(readings), residues, *means)
        print("| " + " | ".join(cell(value) for value in row) + " |", flush=True)


if __name__ == "__main__":
    main()
