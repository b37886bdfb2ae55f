"""Trace chains without sequences, search a database with their profiles, and write the tables of `docs/accuracy.md`.

Usage: python benches/no_sequence.py DATABASE_FASTA OUTPUT_FOLDER --cases CASES_FOLDER PREDICTIONS_FOLDER
       python benches/no_sequence.py DATABASE_FASTA OUTPUT_FOLDER --maps MAPS_FOLDER [--only EMDB ...]

The folders of cases and maps are those of `benches/cases.py` and `benches/real_maps.py`; PREDICTIONS_FOLDER holds
simulated probabilities, `NAME_LEVEL.npz`. The database holds sequences that have nothing to do with the maps; the true
ones are added.
"""

import argparse
import csv
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import gemmi
import numpy as np
from confidence import NEAR, Judged, table
from scipy.spatial import KDTree

from emodelx import BuildConfig, build
from emodelx.config import RunConfig
from emodelx.io.sequences import read_sequences
from emodelx.io.structures import read_calphas
from emodelx.scoring import compare
from emodelx.search import search_profiles

PAIRED = 2.0
"""Angstrom within which a Calpha and one of the reference are of one residue."""
SAME = 0.5
"""Sequences that share this part of their stretches of six residues are one protein."""


@dataclass(frozen=True)
class Task:
    """What a chain is traced in, and its truth."""

    name: str
    source: dict[str, object]
    fasta: Path
    reference: Path


def cases(folder: Path, predictions: Path) -> Iterator[Task]:
    """Simulated probabilities of known truth."""
    for prediction in sorted(predictions.glob("*_*.npz")):
        name = prediction.stem.rpartition("_")[0]
        yield Task(
            prediction.stem, {"prediction": prediction}, folder / f"{name}.fasta", folder / f"{name}_truth.pdb.gz"
        )


def maps(folder: Path, only: list[str]) -> Iterator[Task]:
    """Real maps, read at the resolution of the manifest."""
    with (folder / "manifest.csv").open() as file:
        for row in csv.DictReader(file):
            if not only or row["emdb"] in only:
                source = {"map": folder / row["map"], "resolution": float(row["resolution"])}
                yield Task(f"EMD-{row['emdb']}", source, folder / row["fasta"], folder / row["model"])


def measure(task: Task, database: Path, output: Path) -> dict[str, object]:
    """Trace, compare with the truth, search."""
    run = RunConfig(threads=1)
    started = time.process_time()
    result = build(BuildConfig(output / task.name, no_sequence=True, run=run, **task.source))
    seconds = time.process_time() - started
    lengths = [chain.built for chain in result.report.chains]
    against = compare(read_calphas(result.files.model), read_calphas(task.reference))
    searched = time.process_time()
    found = search_profiles(with_truth(database, task, output), result.files.profiles, threads=1)
    true = [sequence.residues for sequence in read_sequences(task.fasta).sequences]
    chosen = [which(record.letters, true) for record in found.sequences()]
    right = [which(found.database[hit.record].letters, true) is not None for hit in found.best()]
    return {
        "name": task.name,
        "reference": against.n_true,
        "built": sum(lengths),
        "chains": len(lengths),
        "mean": round(sum(lengths) / len(lengths), 1),
        "longest": max(lengths),
        "CA recall": round(against.ca_recall, 3),
        "CA precision": round(against.ca_precision, 3),
        "forward": round(against.forward_rate, 3),
        "seq. recall": round(against.seq_recall, 3),
        **main_chain(result.files.model, task.reference),
        "Rama. favoured": result.report.scores.get("ramachandran_favoured"),
        "first is true": bool(chosen) and chosen[0] is not None,
        "true found": f"{len(set(chosen) - {None})} of {len(true)}",
        "others found": chosen.count(None),
        "chains with a hit": len(right),
        "of them right": sum(right),
        "best E": f"{min((hit.e_value for hit in found.hits), default=1):.0e}",
        "CPU s": round(seconds, 1),
        "search CPU s": round(time.process_time() - searched, 1),
    }


def judge(model: Path, reference: Path) -> Judged:
    """Confidence of the residues, and whether the reference has a Calpha near theirs."""
    built, true = read_calphas(model), np.concatenate([chain.positions for chain in read_calphas(reference)])
    apart = KDTree(true).query(np.concatenate([chain.positions for chain in built]))[0]
    return np.concatenate([chain.b_factors for chain in built]), apart < NEAR


def main_chain(model: Path, reference: Path) -> dict[str, object]:
    """Residues with a main chain, and how far N, C and O are from the reference where it has their Calpha."""
    built, true = backbones(model), backbones(reference)
    if len(built) == 0 or len(true) == 0:
        return {"main chains": len(built), "N, C, O rms": None, "O within 1 A": None}
    apart, nearest = KDTree(true[:, 1]).query(built[:, 1])
    off = np.linalg.norm(built - true[nearest], axis=2)[apart < PAIRED][:, [0, 2, 3]]
    within = (off[:, 2] < 1).mean()
    return {
        "main chains": len(built),
        "N, C, O rms": round(float(np.sqrt((off**2).mean())), 2),
        "O within 1 A": round(float(within), 3),
    }


def backbones(path: Path) -> np.ndarray:
    """N, CA, C and O of all residues that have them, (n, 4, 3)."""
    found = []
    for chain in gemmi.read_structure(str(path))[0]:
        for residue in chain:
            atoms = [residue.find_atom(name, "*") for name in ("N", "CA", "C", "O")]
            if all(atoms):
                found.append([atom.pos.tolist() for atom in atoms])
    return np.array(found).reshape(-1, 4, 3)


def which(sequence: str, true: list[str]) -> int | None:
    """The true sequence that this one is, up to point mutations and missing stretches; None for another protein."""
    own = words(sequence)
    shared = [len(own & words(other)) / max(min(len(own), len(words(other))), 1) for other in true]
    best = max(range(len(true)), key=shared.__getitem__)
    return best if shared[best] > SAME else None


def words(sequence: str) -> set[str]:
    """All stretches of a sequence of six residues."""
    return {sequence[i : i + 6] for i in range(len(sequence) - 5)}


def with_truth(database: Path, task: Task, output: Path) -> Path:
    """The database and the true sequences in one file, the true ones last."""
    joined = output / f"{task.name}.fasta"
    joined.write_text(database.read_text() + task.fasta.read_text())
    return joined


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("database", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--cases", type=Path, nargs=2, metavar=("CASES", "PREDICTIONS"))
    parser.add_argument("--maps", type=Path)
    parser.add_argument("--only", nargs="*", default=[])
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    tasks = cases(*options.cases) if options.cases else maps(options.maps, options.only)
    rows, judged = [], []
    for task in tasks:
        rows.append(measure(task, options.database, options.output))
        judged.append(judge(options.output / task.name / f"{task.name}.cif", task.reference))
        print(json.dumps(rows[-1]), flush=True)
    print("| " + " | ".join(rows[0]) + " |\n|" + "---|" * len(rows[0]))
    for row in rows:
        print("| " + " | ".join(map(str, row.values())) + " |")
    print(table(judged))


if __name__ == "__main__":
    main()
