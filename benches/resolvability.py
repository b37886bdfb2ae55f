"""How well Calphas and types are read, by how well the map shows each residue: simulated beside real maps.

Usage: python benches/resolvability.py STRUCTURES_FOLDER [MAPS_FOLDER] [--count 6] [--resolutions 3 3.5 4]

What a map shows of a residue is measured by Q-scores in the map as the network sees it, so that sharpening does not
count: of its main chain for the Calpha, of its atoms beyond the Cbeta for the type. Where real maps are read worse than
simulated ones at the same Q-score, the network lacks something; where both are read alike, the map does.
"""

import argparse
import csv
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import gemmi
import numpy as np
from numpy.typing import NDArray
from real_maps import NEAR, looked_again
from scipy.spatial import KDTree
from simulated_maps import chosen, simulate

from emodelx import _core
from emodelx.config import CandidateConfig, RunConfig
from emodelx.constants import AMINO_ACIDS
from emodelx.io.maps import read_map
from emodelx.io.sequences import read_sequences
from emodelx.network.device import choose_device
from emodelx.network.predict import prepare, read_density
from emodelx.network.weights import find_weights, read_info
from emodelx.records import Candidates, DensityMap, Points, Sequence
from emodelx.stages.candidates import propose_candidates
from emodelx.stages.composition import correct_composition
from emodelx.training.structures import PROTEIN, Structure, StructurePack

EDGES = (-1.0, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 1.0)
"""Between the classes of Q-scores."""
FEWEST = 15
"""Residues of a class that is shown."""
MAIN_CHAIN = ("N", "CA", "C", "O")
BEYOND_CBETA = 2
"""Bonds from the Calpha."""
BRIGHTEST = 1e6
"""No ceiling: Q-scores are of the values as they are."""

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Atoms:
    """Atoms of a reference model: places, running numbers of their residues, and which are main chain and side chain.

    `types` and `calphas` have an entry per residue.
    """

    positions: Points
    residue: NDArray[np.int64]
    main: NDArray[np.bool_]
    side: NDArray[np.bool_]
    types: NDArray[np.int64]
    calphas: Points


def of_file(path: Path) -> Atoms:
    """Atoms of the residues of a model that have a Calpha and a type."""
    structure = gemmi.read_structure(str(path))
    structure.setup_entities()
    structure.remove_hydrogens()
    structure.remove_alternative_conformations()
    residues = [r for chain in structure[0] for r in chain if r.find_atom("CA", "*") and letter(r) in AMINO_ACIDS]
    atoms = [(atom.pos.tolist(), i, atom.name) for i, r in enumerate(residues) for atom in r]
    names = np.array([name for *_, name in atoms])
    main = np.isin(names, MAIN_CHAIN)
    return Atoms(
        np.array([place for place, *_ in atoms]),
        np.array([i for _, i, _ in atoms]),
        main,
        ~main & (names != "CB"),
        np.array([AMINO_ACIDS.index(letter(r)) for r in residues]),
        np.array([r.find_atom("CA", "*").pos.tolist() for r in residues]),
    )


def letter(residue: gemmi.Residue) -> str:
    """One-letter code."""
    return gemmi.find_tabulated_residue(residue.name).one_letter_code.upper()


def of_structure(structure: Structure) -> Atoms:
    """Atoms of the protein residues of known type of a pack."""
    own = structure.select(np.flatnonzero((structure.kind == PROTEIN) & (structure.amino >= 0)))
    own = own.select(np.isin(own.residue, own.residue[own.calpha]))
    _, number = np.unique(own.residue, return_inverse=True)
    order = np.argsort(number[own.calpha])
    return Atoms(
        own.xyz.astype(np.float64),
        number,
        own.main_chain,
        own.remoteness >= BEYOND_CBETA,
        own.amino[own.calpha][order].astype(np.int64),
        own.xyz[own.calpha][order].astype(np.float64),
    )


@dataclass(frozen=True)
class Seen:
    """Of every residue: Q-scores of main chain and side chain, and whether its Calpha and its type were read.

    The Q-score of a side chain without atoms beyond the Cbeta is NaN; a type is read where the Calpha was.
    """

    main: Values
    side: Values
    found: NDArray[np.bool_]
    typed: NDArray[np.bool_]


def look(density: DensityMap, atoms: Atoms, resolution: float, sequences: tuple[Sequence, ...]) -> Seen:
    """Read a map, and hold what was read against its model."""
    weights, device, run = find_weights(None), choose_device("cpu"), RunConfig()
    prediction = read_density(density, weights, device, resolution, run=run)
    candidates = looked_again(propose_candidates(prediction, CandidateConfig(), run), prediction, weights, device)
    candidates = correct_composition(candidates, sequences)
    rule = replace(read_info(weights).normalisation, ceiling=BRIGHTEST)
    normalised = prepare(density, rule, resolution, run).density
    scores = _core.q_scores(normalised.values, [1.0] * 3, atoms.positions - normalised.origin)
    return Seen(mean_of(scores, atoms.main, atoms), mean_of(scores, atoms.side, atoms), *read(candidates, atoms))


def mean_of(scores: Values, which: NDArray[np.bool_], atoms: Atoms) -> Values:
    """Mean of the chosen atoms of every residue; NaN without any."""
    which = which & np.isfinite(scores)
    count = len(atoms.types)
    with np.errstate(invalid="ignore"):
        return np.bincount(atoms.residue[which], scores[which], count) / np.bincount(atoms.residue[which], None, count)


def read(candidates: Candidates, atoms: Atoms) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which residues have a candidate, and which of these the right type."""
    away, nearest = KDTree(candidates.positions).query(atoms.calphas)
    found = away < NEAR
    return found, found & (candidates.type_prob[nearest].argmax(axis=1) == atoms.types)


def tables(rows: dict[str, list[Seen]]) -> str:
    """Share of the Calphas found by the main chain's Q-score, and of the types right by the side chain's."""
    classes = " | ".join(f"{low:.1f} to {high:.1f}" for low, high in pairwise(EDGES))
    head = f"| map | median | all | {classes} |\n" + "|---" * (len(EDGES) + 2) + "|"
    calphas, types = [head], [head]
    for name, maps in rows.items():
        main, side = (np.concatenate([getattr(seen, which) for seen in maps]) for which in ("main", "side"))
        found, typed = (np.concatenate([getattr(seen, which) for seen in maps]) for which in ("found", "typed"))
        calphas.append(row(name, main, found, np.isfinite(main)))
        types.append(row(name, side, typed, found & np.isfinite(side)))
    return "\n".join([*calphas, "", *types])


def row(name: str, scores: Values, good: NDArray[np.bool_], among: NDArray[np.bool_]) -> str:
    """Share of the good ones, of all and in every class."""
    classes = [share(good, among & (scores >= low) & (scores < high)) for low, high in pairwise(EDGES)]
    return "| " + " | ".join([name, f"{np.median(scores[among]):.2f}", share(good, among), *classes]) + " |"


def share(good: NDArray[np.bool_], which: NDArray[np.bool_]) -> str:
    """Share of the chosen that are good, and how many were chosen."""
    return f"{good[which].mean():.2f} ({which.sum()})" if which.sum() >= FEWEST else "-"


def real_maps(maps: Path) -> Iterator[tuple[str, Seen]]:
    """All maps of the folder, the sharpest first."""
    with (maps / "manifest.csv").open() as file:
        rows = sorted(csv.DictReader(file), key=lambda entry: float(entry["resolution"]))
    for entry in rows:
        density = read_map(maps / entry["map"]).density
        atoms = of_file(maps / entry["model"])
        seen = look(density, atoms, float(entry["resolution"]), read_sequences(maps / entry["fasta"]).sequences)
        yield f"EMD-{entry['emdb']}, {entry['resolution']} A", seen


def simulated_maps(structures: Path, resolution: float, count: int) -> Iterator[Seen]:
    """Simulated `val` structures."""
    for name, structure in chosen(StructurePack(structures / "val.npz"), count):
        drawn = simulate(name, structure, resolution)
        atoms = of_structure(drawn.atoms)
        sequence = Sequence(name, "".join(AMINO_ACIDS[t] for t in atoms.types), copies=1)
        yield look(drawn.density, atoms, resolution, (sequence,))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("structures", type=Path)
    parser.add_argument("maps", type=Path, nargs="?")
    parser.add_argument("--count", type=int, default=6)
    parser.add_argument("--resolutions", type=float, nargs="*", default=[3.0, 3.5, 4.0])
    options = parser.parse_args()
    rows = {
        f"simulated, {resolution:g} A": list(simulated_maps(options.structures, resolution, options.count))
        for resolution in options.resolutions
    }
    if options.maps:
        rows |= {name: [seen] for name, seen in real_maps(options.maps)}
    print(tables(rows))


if __name__ == "__main__":
    main()
