"""Whether the network's probabilities mean what they say: reliability and calibration error, for `docs/accuracy.md`.

Usage: python benches/calibration.py STRUCTURES_FOLDER MAPS_FOLDER [--count 3] [--resolutions 3 4] [--only EMDB ...]

The folders are those of benches/simulated_maps.py and benches/real_maps.py. Calpha: the score of every candidate,
against whether a Calpha lies within 2 A. Voxels: those of simulated maps that are a Calpha's, or main chain, or of
another labelled class, where the network says more than 0.01, with and without the odds of the weights file. Amino
acid: the types of candidates within 2 A of a Calpha, after the second look, and with other temperatures. The expected
calibration error (ECE) is the mean distance between probability and truth over ten bins, weighted by their numbers.
"""

import argparse
import csv
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from real_maps import looked_again
from scipy.spatial import KDTree
from simulated_maps import chosen, simulate

from emodelx.config import CandidateConfig, RunConfig
from emodelx.constants import AMINO_ACIDS
from emodelx.io.maps import read_map
from emodelx.io.structures import CalphaChain, read_calphas
from emodelx.network.device import choose_device
from emodelx.network.predict import read_density
from emodelx.network.weights import find_weights
from emodelx.records import DensityMap, Prediction
from emodelx.stages.candidates import propose_candidates
from emodelx.training.labels import IGNORED, TARGET, make_labels
from emodelx.training.structures import Structure, StructurePack

NEAR = 2.0
LEAST = 0.01
VOXELS = ("Calpha voxels", "Calpha voxels, calibrated", "main-chain voxels", "main-chain voxels, calibrated")
BINS = 10
TEMPERATURES = np.round(np.arange(0.6, 1.81, 0.05), 2)


@dataclass(frozen=True)
class Answers:
    """What was said and what was true, of one map or of several.

    Attributes
    ----------
    calpha, calpha_right
        Score of every candidate, and whether it is one.
    voxels
        What was said of voxels, and whether it is so, by the name of the table; nothing for real maps.
    types, truth
        Probabilities ``(n, 20)`` and the index of the right one.
    """

    calpha: np.ndarray
    calpha_right: np.ndarray
    voxels: dict[str, tuple[np.ndarray, np.ndarray]]
    types: np.ndarray
    truth: np.ndarray

    def cooled(self, temperature: float) -> "Answers":
        """The same with the logits of the types divided by a temperature."""
        powers = np.maximum(self.types, 1e-12) ** (1 / temperature)
        types = powers / powers.sum(axis=1, keepdims=True)
        return replace(self, types=types)

    def loss(self) -> float:
        """Mean cross entropy of the types."""
        return float(-np.log(np.maximum(self.types[np.arange(len(self.truth)), self.truth], 1e-12)).mean())

    def type_bins(self) -> "list[tuple[int, float, float]]":
        """Reliability of the most probable type."""
        return bins(self.types.max(axis=1), self.types.argmax(axis=1) == self.truth)


def joined(parts: list[Answers]) -> Answers:
    """All answers together."""
    names = ("calpha", "calpha_right", "types", "truth")
    voxels = {
        name: tuple(np.concatenate([part.voxels[name][k] for part in parts]) for k in range(2))
        for name in parts[0].voxels
    }
    return Answers(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in names}, voxels=voxels)


def bins(said: np.ndarray, right: np.ndarray) -> list[tuple[int, float, float]]:
    """Number, mean probability and share that is right, of ten bins; empty ones are left out."""
    place = np.minimum((said * BINS).astype(int), BINS - 1)
    found = [place == k for k in range(BINS)]
    return [(int(k.sum()), float(said[k].mean()), float(right[k].mean())) for k in found if k.any()]


def error(reliability: list[tuple[int, float, float]]) -> float:
    """Expected calibration error."""
    counts, said, right = np.array(reliability).T.reshape(3, -1)
    return float((counts * np.abs(said - right)).sum() / max(counts.sum(), 1))


def answers(
    density: DensityMap, resolution: float, truth: list[CalphaChain], weights: Path
) -> tuple[Answers, Prediction]:
    """Read a map and compare its candidates with the truth."""
    device = choose_device()
    prediction = read_density(density, weights, device, resolution)
    found = propose_candidates(prediction, CandidateConfig(), RunConfig())
    candidates = looked_again(found, prediction, weights, device)
    positions = np.concatenate([chain.positions for chain in truth])
    types = np.array([AMINO_ACIDS.find(letter) for chain in truth for letter in chain.residues])
    distance, nearest = KDTree(positions).query(candidates.positions)
    typed = (distance < NEAR) & (types[nearest] >= 0)
    found = Answers(candidates.ca_score, distance < NEAR, {}, candidates.type_prob[typed], types[nearest][typed])
    return found, prediction


def with_voxels(found: Answers, prediction: Prediction, atoms: Structure) -> Answers:
    """Add the probabilities of labelled voxels where the network saw anything."""
    labels = make_labels(atoms, len(prediction.bb_prob), torch.device("cpu"))
    voxels = {}
    for name, label, read, meant in zip(
        ("Calpha voxels", "main-chain voxels"),
        (labels.calpha.numpy(), labels.backbone.numpy()),
        (prediction.ca_prob, prediction.bb_prob),
        prediction.calibrated(),
        strict=True,
    ):
        asked = (label != IGNORED) & (read > LEAST)
        voxels[name] = read[asked], label[asked] == TARGET
        voxels[f"{name}, calibrated"] = meant[asked], label[asked] == TARGET
    return replace(found, voxels=voxels)


def simulated(options: argparse.Namespace, weights: Path) -> Iterator[tuple[float, Answers]]:
    """Give the answers of every resolution."""
    structures = list(chosen(StructurePack(options.structures / "val.npz"), options.count))
    for resolution in options.resolutions:
        parts = []
        for name, structure in structures:
            made = simulate(name, structure, resolution)
            parts.append(with_voxels(*answers(made.density, resolution, [made.truth], weights), made.atoms))
        yield resolution, joined(parts)


def real(options: argparse.Namespace, weights: Path) -> Iterator[tuple[str, Answers]]:
    """Give the answers of every real map."""
    with (options.maps / "manifest.csv").open() as file:
        for row in sorted(csv.DictReader(file), key=lambda row: float(row["resolution"])):
            if options.only and row["emdb"] not in options.only:
                continue
            truth = list(read_calphas(options.maps / row["model"]))
            density = read_map(options.maps / row["map"]).density
            yield f"EMD-{row['emdb']}", answers(density, float(row["resolution"]), truth, weights)[0]


def line(name: object, found: Answers, temperatures: list[float]) -> str:
    """One row of the table of errors."""
    cells = [f"{error(bins(found.calpha, found.calpha_right)):.3f}"]
    cells += [f"{error(bins(*found.voxels[column])):.3f}" if found.voxels else "-" for column in VOXELS]
    for temperature in temperatures:
        cooled = found.cooled(temperature)
        cells.append(f"{error(cooled.type_bins()):.3f}, {cooled.loss():.3f}")
    best = min(TEMPERATURES, key=lambda t: found.cooled(t).loss())
    return f"| {name} | {len(found.truth)} | {' | '.join(cells)} | {best:.2f} |"


def main() -> None:
    """Read everything and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("structures", type=Path)
    parser.add_argument("maps", type=Path)
    parser.add_argument("--count", type=int, default=3)
    parser.add_argument("--resolutions", type=float, nargs="+", default=[2.5, 3.0, 3.5, 4.0])
    parser.add_argument("--only", nargs="*", help="EMDB numbers; all maps without it")
    parser.add_argument("--weights")
    options = parser.parse_args()
    weights = find_weights(options.weights)
    bands = dict(simulated(options, weights))
    pooled = joined(list(bands.values()))
    best = float(min(TEMPERATURES, key=lambda t: pooled.cooled(t).loss()))
    print(f"least cross entropy on simulated maps at temperature {best:.2f} (on top of the weights' own)\n")
    columns = " | ".join(f"{name} ECE" for name in ("Calpha", *VOXELS))
    print(f"| maps | residues | {columns} | amino acid ECE, loss | at {best:.2f} | best T |")
    print("|---" * 10 + "|")
    for resolution, found in bands.items():
        print(line(f"simulated {resolution:g} A", found, [1.0, best]))
    for name, found in real(options, weights):
        print(line(name, found, [1.0, best]), flush=True)
    tables = {
        "Calpha": bins(pooled.calpha, pooled.calpha_right),
        **{name: bins(*pooled.voxels[name]) for name in VOXELS},
        "amino acid": pooled.type_bins(),
        f"amino acid at {best:.2f}": pooled.cooled(best).type_bins(),
    }
    for name, reliability in tables.items():
        print(f"\n{name} (simulated): " + "; ".join(f"{said:.2f}: {right:.2f} ({n})" for n, said, right in reliability))


if __name__ == "__main__":
    main()
