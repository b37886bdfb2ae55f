"""Build every map of a folder of real maps with reference models, and write the table of `docs/accuracy.md`.

Usage: python benches/real_maps.py MAPS_FOLDER OUTPUT_FOLDER [--weights FILE] [--volumes FOLDER] [--given-resolution]
       [--only EMDB ...]

The folder holds `manifest.csv` (columns emdb, resolution, map, model, fasta), as described in docs/accuracy.md. Every
map is built in a process of its own, so that time and memory are its own. `--volumes` holds what another network says
of the maps, `<emdb>.npz`.
"""

import argparse
import csv
import json
import multiprocessing
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.spatial import KDTree

from emodelx import BuildConfig, build
from emodelx.config import ReadingConfig, RunConfig
from emodelx.constants import AMINO_ACIDS
from emodelx.errors import EmodelxError, NothingBuildableError
from emodelx.inputs import Reader
from emodelx.io.atoms import read_model
from emodelx.io.maps import read_map
from emodelx.io.predictions import read_prediction
from emodelx.io.sequences import read_sequences
from emodelx.io.structures import CalphaChain, read_calphas
from emodelx.machine import peak_memory
from emodelx.network.device import Device, choose_device
from emodelx.network.predict import read_density, with_density
from emodelx.network.weights import find_weights
from emodelx.pipeline import BuildResult
from emodelx.records import Candidates, Points, Prediction
from emodelx.scoring import compare
from emodelx.scoring.agreement import Evidence
from emodelx.scoring.card import score_model, summary
from emodelx.second_look import look_again
from emodelx.stages.candidates import propose_candidates
from emodelx.stages.composition import correct_composition

TYPED = ReadingConfig(type_floor=0.0)
"""Types are read at the Calphas of the reference, whether the network sees one there or not."""
NEAR = 2.0
"""Angstrom; a candidate this close to a Calpha of the reference has found it."""


@dataclass(frozen=True)
class Reading:
    """What the network read, against the reference.

    Attributes
    ----------
    recall, precision : float
        Reference Calphas with a candidate within 2 A, and candidates within 2 A of a reference Calpha.
    recall_paired, precision_paired : float
        The same when a candidate and a Calpha may be paired only once.
    rms : float
        Of the pairs, in Angstrom.
    top1, top3 : float
        Reference Calphas whose residue type is the first, or among the first three, of the amino-acid probabilities at
        the nearest voxel; a Calpha where nothing was read counts as wrong.
    top1_used : float
        Reference Calphas with a candidate within 2 A for which the type that the program takes the nearest candidate
        for, after the second look and the correction by composition, is right.
    """

    recall: float
    precision: float
    recall_paired: float
    precision_paired: float
    rms: float
    top1: float
    top3: float
    top1_used: float


def read_against(reference: Sequence[CalphaChain], candidates: Candidates, prediction: Prediction) -> Reading:
    """Compare candidates, with corrected types, and amino-acid probabilities with a reference model."""
    true = np.concatenate([chain.positions for chain in reference])
    types = np.array([AMINO_ACIDS.find(letter) for chain in reference for letter in chain.residues])
    to_candidate, nearest = KDTree(candidates.positions).query(true)
    found = (to_candidate < NEAR) & (types >= 0)
    to_true = KDTree(true).query(candidates.positions)[0]
    paired = pair_distances(true, candidates.positions)
    rank = type_ranks(true, types, prediction)
    return Reading(
        recall=float((to_candidate < NEAR).mean()),
        precision=float((to_true < NEAR).mean()),
        recall_paired=len(paired) / len(true),
        precision_paired=len(paired) / len(candidates),
        rms=float(np.sqrt((paired**2).mean())) if len(paired) else float("nan"),
        top1=float((rank < 1).mean()),
        top3=float((rank < 3).mean()),
        top1_used=float((candidates.type_prob[nearest].argmax(axis=1) == types)[found].mean()),
    )


def pair_distances(true: Points, found: Points) -> np.ndarray:
    """Distances of a one-to-one pairing within 2 A that pairs as many as possible, Angstrom."""
    near = KDTree(true).sparse_distance_matrix(KDTree(found), NEAR, output_type="ndarray")
    rows, row_of = np.unique(near["i"], return_inverse=True)
    columns, column_of = np.unique(near["j"], return_inverse=True)
    gain = np.zeros((len(rows), len(columns)))
    gain[row_of, column_of] = 10 * NEAR - near["v"]
    chosen = linear_sum_assignment(gain, maximize=True)
    distances = 10 * NEAR - gain[chosen]
    return distances[distances < NEAR]


def type_ranks(true: Points, types: np.ndarray, prediction: Prediction) -> np.ndarray:
    """Rank of the right type at every Calpha of known type, 0 = first; 20 where nothing was read."""
    shape = np.array(prediction.ca_prob.shape)
    voxel = np.clip(np.round(true - prediction.origin).astype(int), 0, shape - 1)
    flat = np.ravel_multi_index(tuple(voxel.T), tuple(shape))
    place = np.searchsorted(prediction.type_voxels, flat)
    place = np.minimum(place, len(prediction.type_voxels) - 1)
    read = prediction.type_voxels[place] == flat
    prob = prediction.type_prob[place]
    right = np.take_along_axis(prob, np.maximum(types, 0)[:, None], axis=1)
    rank = np.where(read, (prob > right).sum(axis=1), len(AMINO_ACIDS))
    return rank[types >= 0]


def run_map(row: dict[str, str], options: argparse.Namespace) -> dict:
    """Build one map and return its row of the table."""
    maps: Path = options.maps
    reference = read_calphas(maps / row["model"])
    facts = {"emdb": row["emdb"], "resolution": float(row["resolution"])}
    config = BuildConfig(
        map=maps / row["map"],
        fasta=maps / row["fasta"],
        prediction=options.volumes / f"{row['emdb']}.npz" if options.volumes else None,
        output=options.output / f"emd_{row['emdb']}",
        weights=options.weights,
        resolution=float(row["resolution"]) if options.given_resolution else None,
    )
    wall, cpu = time.perf_counter(), time.process_time()
    try:
        result = build(config)
    except NothingBuildableError as error:
        return facts | asdict(read_again(config, reference)) | {"error": str(error)}
    except EmodelxError as error:
        return facts | {"error": str(error)}
    cost = {"wall_s": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu, "peak_gb": peak_memory() or 0}
    return facts | {
        **asdict(read_again(config, reference)),
        **asdict(compare(read_calphas(result.files.model), reference)),
        **quality(result, maps, row),
        **(cost | {"peak_gb": cost["peak_gb"] / 1e9}),
    }


def quality(result: BuildResult, maps: Path, row: dict[str, str]) -> dict[str, float]:
    """Geometry and fit of the built model, and of the deposited one in the same map."""
    evidence = Evidence(read_map(maps / row["map"]).density, float(row["resolution"]))
    found = {}
    for whose, path in (("", result.files.model), ("deposited_", maps / row["model"])):
        scores = summary(score_model(read_model(path), evidence=evidence, prediction=result.prediction))
        found |= {whose + name: scores[name] for name in QUALITY}
    return found


def read_again(config: BuildConfig, reference: Sequence[CalphaChain]) -> Reading:
    """Read the map once more, with types everywhere, and compare the candidates with the reference."""
    assert config.map is not None
    assert config.fasta is not None
    weights, device = find_weights(config.weights), choose_device(config.device)
    density = read_map(config.map).density
    if config.prediction is None:
        prediction = read_density(density, weights, device, config.resolution, TYPED)
    else:
        prediction = with_density(read_prediction(config.prediction), density, weights, config.resolution)
    found = looked_again(propose_candidates(prediction, config.candidates, config.run), prediction, weights, device)
    return read_against(reference, correct_composition(found, read_sequences(config.fasta).sequences), prediction)


def looked_again(candidates: Candidates, prediction: Prediction, weights: Path, device: Device) -> Candidates:
    """Candidates with the types that the second look reads."""
    return look_again(candidates, prediction, Reader(weights, device), RunConfig()).candidates


READING_COLUMNS = ("recall", "precision", "recall_paired", "precision_paired", "rms", "top1", "top3", "top1_used")
MODEL_COLUMNS = (
    "n_true",
    "n_model",
    "ca_recall",
    "ca_precision",
    "seq_recall",
    "reg_acc",
    "reg_precision",
    "tm",
    "coverage",
)
COST_COLUMNS = ("wall_s", "cpu_s", "peak_gb")
QUALITY = (
    "cc_mask",
    "cc_box",
    "q_score",
    "ramachandran_favoured",
    "ramachandran_outliers",
    "rotamer_outliers",
    "clashscore",
)
TABLES = (
    ("emdb", "resolution", *READING_COLUMNS, *MODEL_COLUMNS, *COST_COLUMNS),
    ("emdb", "resolution", *(whose + name for name in QUALITY for whose in ("", "deposited_"))),
)


def table(rows: list[dict], columns: Sequence[str]) -> str:
    """Rows as a Markdown table."""
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    lines += ["| " + " | ".join(cell(row.get(column)) for column in columns) + " |" for row in rows]
    return "\n".join(lines)


def cell(value: object) -> str:
    """One value as text."""
    return "-" if value is None else f"{value:.3f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


def main() -> None:
    """Run all maps and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("maps", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--weights")
    parser.add_argument("--volumes", type=Path, help="predictions of another network")
    parser.add_argument("--given-resolution", action="store_true", help="pass the manifest's resolution to the build")
    parser.add_argument("--only", nargs="*")
    options = parser.parse_args()
    with (options.maps / "manifest.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if not options.only or row["emdb"] in options.only]
    spawn = multiprocessing.get_context("spawn")
    results = []
    for row in sorted(rows, key=lambda row: float(row["resolution"])):
        with spawn.Pool(1) as pool:
            results.append(pool.apply(run_map, (row, options)))
        print(json.dumps(results[-1]), flush=True)
    for columns in TABLES:
        print(f"\n{table(results, columns)}")
    for row in results:
        if "error" in row:
            print(f"\nEMD-{row['emdb']}: {row['error']}")


if __name__ == "__main__":
    main()
