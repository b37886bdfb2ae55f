"""How much protein is built in RNA and DNA, for `docs/accuracy.md`: complexes and pieces of ribosomes, simulated.

Usage: python benches/nucleic_acids.py STRUCTURES_FOLDER OUT_FOLDER [--only ENTRY ...] [--resolutions 3 3.6]

Every map is read and built with the network that tells nucleic acids from protein, and without it. In RNA: what lies
within 3 A of an atom of a nucleic acid and not of one of protein. Pieces of ribosomes are boxes of 100 A around the
Calpha, of 60 chosen by chance, where residues and nucleotides are most even. They come from the `train` structures.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rigid_cases import author_numbers, reference, simulate
from scipy.spatial import KDTree
from templates import NoStore

from emodelx.config import BuildConfig, ReadingConfig, RunConfig
from emodelx.errors import EmodelxError
from emodelx.inputs import Inputs, Reader
from emodelx.io.maps import read_map, write_map
from emodelx.io.sequences import read_sequences
from emodelx.io.structures import read_calphas, write_mmcif
from emodelx.network.device import choose_device
from emodelx.network.predict import for_all, predict, prepare
from emodelx.network.weights import find_weights, load_nucleic, load_weights
from emodelx.pipeline import run_stages
from emodelx.progress import SILENT
from emodelx.records import Prediction
from emodelx.report.summary import InputFile
from emodelx.scoring import compare
from emodelx.stepper import Stepper
from emodelx.training.structures import NUCLEIC, PROTEIN, Structure, StructurePack

COMPLEXES = ["9be6", "2du3", "6jdq", "4ato", "2fio", "1ffy", "1n78", "6zdp", "2rfk", "1qne", "3iab", "1bdt"]
RIBOSOMES = {"5no2": 1, "4v5a": 2, "6rw4": 4}
"""Entries, and the seeds of the draw of their pieces."""
EDGE, TRIED = 100, 60
NEAR = 3.0
SEED = 3


def piece(structure: Structure, seed: int) -> Structure:
    """Cut a box out of a ribosome in which there is much of both."""
    calphas = structure.xyz[structure.calpha]

    def inside(centre: NDArray[np.float32]) -> NDArray[np.bool_]:
        return (np.abs(structure.xyz - centre) < EDGE / 2).all(1)

    def evenness(centre: NDArray[np.float32]) -> float:
        here = inside(centre)
        nucleotides = len(np.unique(structure.residue[here & (structure.kind == NUCLEIC)]))
        return min((here & structure.calpha).sum(), 1.5 * nucleotides)

    centres = np.random.default_rng(seed).choice(np.arange(len(calphas)), TRIED)
    return structure.select(np.flatnonzero(inside(max(calphas[centres], key=evenness))))


def write_case(folder: Path, structures: Path, entry: str, resolution: float) -> Structure:
    """Write map, sequences and reference of an entry, and return its atoms."""
    path = structures / ("train.npz" if entry in RIBOSOMES else "val.npz")
    pack = StructurePack(path)
    index = pack.names.index(entry)
    atoms = piece(pack[index], RIBOSOMES[entry]) if entry in RIBOSOMES else pack[index]
    model = reference(atoms, author_numbers(path, index))
    folder.mkdir(parents=True, exist_ok=True)
    write_mmcif(folder / "reference.cif", model)
    names = [[chain.name for chain in model.chains if chain.sequence == i] for i in range(len(model.sequences))]
    records = (f">{i + 1}|Chains {', '.join(names[i])}|\n{s.residues}\n" for i, s in enumerate(model.sequences))
    (folder / "sequences.fasta").write_text("".join(records))
    write_map(folder / "map.mrc", simulate(atoms, resolution, SEED))
    return atoms


def read(folder: Path, resolution: float, apart: bool) -> Prediction:
    """Read a map, with the network for nucleic acids or without it."""
    weights, device = find_weights(), choose_device()
    reading, run = ReadingConfig(), RunConfig()
    network, info = load_weights(weights)
    grid, used, _ = prepare(read_map(folder / "map.mrc").density, for_all(info.normalisation), resolution, run)
    nucleic = load_nucleic(weights) if apart else None
    found = predict(grid, network, info, device, reading, run, nucleic)
    return replace(found, resolution=used, density=grid.values)


def count_in_nucleic(positions: NDArray[np.float64], atoms: Structure) -> int:
    """Positions in nucleic acids and not in protein."""
    placed = positions[np.isfinite(positions).all(1)]
    own, other = (KDTree(atoms.xyz[atoms.kind == kind]).query(placed)[0] for kind in (NUCLEIC, PROTEIN))
    return int(((own < NEAR) & (other > NEAR)).sum())


def row(folder: Path, atoms: Structure, prediction: Prediction) -> list[str]:
    """Build, and return what the table says of it."""
    fasta = folder / "sequences.fasta"
    config = BuildConfig(map=folder / "map.mrc", fasta=fasta, output=folder, run=RunConfig())
    inputs = Inputs(read_sequences(fasta, {}), prediction=prediction, reader=Reader(find_weights(), choose_device()))
    stepper = Stepper(NoStore(folder), config.run, reuse=False, progress=SILENT)
    try:
        traced = run_stages(config, inputs, {"prediction": InputFile("", sha256="")}, stepper)
    except EmodelxError as error:
        return [str(error)]
    model = traced.model.record
    write_mmcif(folder / "model.cif", model.without_side_chains())
    score = compare(read_calphas(folder / "model.cif"), read_calphas(folder / "reference.cif"))
    built = sum(count_in_nucleic(chain.positions, atoms) for chain in model.chains)
    rest = sum(count_in_nucleic(chain.positions, atoms) for chain in traced.rest.record.chains)
    shares = (score.reg_acc, score.reg_precision, score.tm)
    candidates = count_in_nucleic(traced.candidates.positions, atoms)
    return [str(candidates), str(built), str(rest), *(f"{share:.3f}" for share in shares)]


def main() -> None:
    """Make the maps, build twice into each and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("structures", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--only", nargs="+", default=[*COMPLEXES, *RIBOSOMES])
    parser.add_argument("--resolutions", type=float, nargs="+", default=[3.0, 3.6])
    options = parser.parse_args()
    print(
        "| map | nucleotides | apart | candidates in RNA | built in RNA | traced beside | register | precision | TM |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for entry in options.only:
        for resolution in options.resolutions:
            folder = options.out / f"{entry}_{resolution:g}"
            atoms = write_case(folder, options.structures, entry, resolution)
            nucleotides = len(np.unique(atoms.residue[atoms.kind == NUCLEIC]))
            for apart in (False, True):
                cells = row(folder, atoms, read(folder, resolution, apart))
                told = [f"{entry}, {resolution:g} A", str(nucleotides), "yes" if apart else "no", *cells]
                print(f"| {' | '.join(told)} |", flush=True)


if __name__ == "__main__":
    main()
