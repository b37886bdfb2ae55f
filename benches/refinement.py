"""Measure the refinement: simulated maps of known truth, real maps with deposited models, time and memory.

Usage: PYTHONPATH=scripts python benches/refinement.py STRUCTURES_FOLDER MAPS_FOLDER [--only simulated real size]

Simulated: `val` structures of 2.5 A or better (layout in docs/training.md), maps cut at 3 A with noise of half the
map's standard deviation in the same band. Real: the maps of `manifest.csv` up to 4 A with their models. The start is
the true or deposited model, `distorted` (bent smoothly by 0.8 A rms, another 0.3 A on every atom) or `damaged` (also
one peptide in twenty turned by half a turn, and one side chain in five by a third of one).
"""

import argparse
import csv
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import gemmi
import numpy as np
from structure_packs import Residues, read_residues, sharp_entries

from emodelx.config import RefinementConfig, RunConfig
from emodelx.constants import AMINO_ACIDS, HEAVY_ATOMS
from emodelx.io.maps import read_map
from emodelx.io.refinement import read_refinable
from emodelx.machine import peak_memory
from emodelx.records import AtomicChain, AtomicModel, DensityMap, Sequence
from emodelx.stages.refine import refine_model
from emodelx.vectors import torsion

RESOLUTION, NOISE, B_FACTOR = 3.0, 0.5, 40.0
SHARPEST_SIMULATED, SHARPEST_REAL = 2.5, 4.0
ENTRIES = 16
SIZES = (1_000, 10_000, 50_000)
COLUMNS = ("Ca rms", "all rms", "chi1", "favoured", "outliers", "clashes", "correlation", "bonds", "angles")
RUN = RunConfig(threads=1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("structures", type=Path)
    parser.add_argument("maps", type=Path)
    parser.add_argument("--only", nargs="+", default=["simulated", "real", "size"])
    parser.add_argument("--residues", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.residues:
        _measure_size(arguments.structures, arguments.residues)
        return
    if "simulated" in arguments.only:
        _print_table("simulated", simulated(arguments.structures))
    if "real" in arguments.only:
        _print_table("real", real(arguments.maps))
    if "size" in arguments.only:
        for residues in SIZES:  # each in a process of its own, so that memory is its own
            command = [sys.executable, __file__, *map(str, (arguments.structures, arguments.maps))]
            subprocess.run([*command, "--residues", str(residues)], check=True)


def _print_table(title, rows):
    print(f"| {title} | state | {' | '.join(COLUMNS)} |\n|{'---|' * (len(COLUMNS) + 2)}")
    kept = {}
    for name, state, values in rows:
        kept.setdefault(state, []).append(values)
        print(f"| {name} | {state} | {_cells(values)} |", flush=True)
    for state, values in kept.items():
        print(f"| mean | {state} | {_cells(np.nanmean(values, axis=0))} |")


def _cells(values):
    return " | ".join(f"{value:.4f}" if abs(value) < 0.05 and value else f"{value:.2f}" for value in values)


def structures(folder: Path) -> dict[str, AtomicModel]:
    """The first sharp structures of the validation split, by name."""
    sharp = sharp_entries(folder, "val", SHARPEST_SIMULATED)[:ENTRIES]
    return {entry.entry: _model(entry) for entry in read_residues(folder, "val", sharp)}


def _model(entry: Residues) -> AtomicModel:
    """A model of one chain; where the chain ends or breaks, numbers jump."""
    numbers = np.arange(len(entry.types)) + np.append(0, np.cumsum(~entry.follows()))
    kept = np.isfinite(entry.atoms[:, :4]).all(axis=(1, 2))
    parts = (numbers[kept], entry.types[kept].astype(np.uint8), entry.atoms[kept])
    own = AtomicChain("A", 0, *parts, np.zeros(int(kept.sum()), np.float32))
    return AtomicModel((Sequence("s", "X" * int(numbers[-1] + 1)),), (own,))


def simulated(folder: Path) -> Iterator[tuple[str, str, list[float]]]:
    """Name, state and values of the refinement of simulated cases."""
    for seed, (name, truth) in enumerate(structures(folder).items()):
        density = simulate_map(truth, seed)
        yield from _case(name, truth, density, seed)


def real(folder: Path) -> Iterator[tuple[str, str, list[float]]]:
    """The same of deposited models in their maps."""
    for seed, row in enumerate(csv.DictReader((folder / "manifest.csv").open())):
        if float(row["resolution"]) <= SHARPEST_REAL:
            truth = read_refinable(folder / row["model"]).model
            yield from _case(f"EMD-{row['emdb']}", truth, read_map(folder / row["map"]).density, seed)


def _case(name, truth, density, seed):
    """What the truth is worth, then start and result from the distorted, the damaged and the true model."""
    report, _ = _refined(truth, density)
    yield name, "truth", _values(truth, truth, report.before)
    for state, start in (("distorted", distorted(truth, seed)), ("damaged", distorted(damaged(truth, seed), seed))):
        report, model = _refined(start, density)
        yield name, state, _values(start, truth, report.before)
        yield name, f"{state}, refined", _values(model, truth, report.after)
    report, model = _refined(truth, density)
    yield name, "truth, refined", _values(model, truth, report.after)


def _refined(model, density):
    result = refine_model(model, density, None, RefinementConfig(), RUN)
    return result.report, result.model


def _values(model, truth, quality):
    ours, true = _atoms(model), _atoms(truth)
    off = ((ours - true) ** 2).sum(axis=-1)
    turn = (_chi1(ours) - _chi1(true) + 180) % 360 - 180
    known = np.isfinite(turn)
    right = 100 * (np.abs(turn[known]) < 40).mean()
    return [np.sqrt(np.nanmean(off[:, 1])), np.sqrt(np.nanmean(off)), right, quality.favoured, quality.outliers,
            quality.clashscore, quality.correlation, quality.bond_rms, quality.angle_rms]  # fmt: skip


def _atoms(model):
    return np.concatenate([chain.atoms for chain in model.chains])


def _with_atoms(model, atoms):
    parts = np.split(atoms, np.cumsum([len(chain) for chain in model.chains])[:-1])
    chains = (replace(chain, atoms=part) for chain, part in zip(model.chains, parts, strict=True))
    return replace(model, chains=tuple(chains))


def _chi1(atoms):
    return torsion(*(atoms[:, slot] for slot in (0, 1, 4, 5)))


def distorted(model: AtomicModel, seed: int, smooth: float = 0.8, random: float = 0.3) -> AtomicModel:
    """The model bent by long waves, every atom off by a little."""
    rng = np.random.default_rng(seed)
    atoms = _atoms(model)
    waves, phases, ways = rng.normal(0, 1 / 8, (12, 3)), rng.uniform(0, 2 * np.pi, 12), rng.normal(size=(12, 3))
    bend = np.sin(atoms @ waves.T + phases) @ ways
    bend *= smooth / np.sqrt(np.nanmean((bend**2).sum(axis=-1)))
    return _with_atoms(model, atoms + bend + rng.normal(0, random / np.sqrt(3), atoms.shape))


def damaged(model: AtomicModel, seed: int) -> AtomicModel:
    """The model with one peptide in twenty, and one side chain in five, turned."""
    rng = np.random.default_rng(seed + 1000)
    atoms = _atoms(model)
    for r in range(0, len(atoms) - 1, 2):
        if rng.random() < 0.1 and np.linalg.norm(atoms[r, 2] - atoms[r + 1, 0]) < 1.6:
            for residue, slot in ((r, 2), (r, 3), (r + 1, 0)):
                atoms[residue, slot] = _turned(atoms[residue, slot], atoms[r, 1], atoms[r + 1, 1], np.pi)
    for r in np.flatnonzero((rng.random(len(atoms)) < 0.2) & np.isfinite(atoms[:, 5, 0])):
        if np.linalg.norm(atoms[r, 6] - atoms[r, 0]) > 1.7:  # the ring of proline stays
            angle = rng.choice([2, 4]) * np.pi / 3
            atoms[r, 5:] = _turned(atoms[r, 5:], atoms[r, 1], atoms[r, 4], angle)
    return _with_atoms(model, atoms)


def _turned(points, start, end, angle):
    axis = (end - start) / np.linalg.norm(end - start)
    arm = points - start
    along = (arm @ axis)[..., None] * axis
    return start + along + (arm - along) * np.cos(angle) + np.cross(axis, arm) * np.sin(angle)


def simulate_map(model: AtomicModel, seed: int) -> DensityMap:
    """A map at `RESOLUTION` on a 1 A grid, with noise of the same band."""
    atoms = _atoms(model)
    low = np.floor(np.nanmin(atoms, axis=(0, 1)) - 8)
    shape = np.ceil(np.nanmax(atoms, axis=(0, 1)) + 8 - low).astype(int)
    calculator = gemmi.DensityCalculatorE()
    calculator.d_min = RESOLUTION
    calculator.grid.spacegroup = gemmi.SpaceGroup("P1")
    calculator.grid.set_unit_cell(gemmi.UnitCell(*map(float, shape), 90, 90, 90))
    calculator.grid.set_size(*shape.tolist())
    calculator.add_model_density_to_grid(_gemmi_model(model, low))
    noise = np.random.default_rng(seed).normal(size=shape)
    signal, noise = (_cut(values) for values in (np.array(calculator.grid.array), noise))
    values = signal / signal.std() + NOISE * noise / noise.std()
    return DensityMap(values.astype(np.float32), low, np.ones(3))


def _cut(values):
    """Without the terms beyond the resolution."""
    terms = np.fft.rfftn(values)
    frequencies = [np.fft.fftfreq(n) for n in values.shape[:2]] + [np.fft.rfftfreq(values.shape[2])]
    terms[sum(f**2 for f in np.meshgrid(*frequencies, indexing="ij")) > RESOLUTION**-2] = 0
    return np.fft.irfftn(terms, values.shape, axes=(0, 1, 2))


def _gemmi_model(model, low):
    residue = gemmi.Residue()
    for chain in model.chains:
        for amino, atoms in zip(chain.types, chain.atoms, strict=True):
            for name, xyz in zip(HEAVY_ATOMS[AMINO_ACIDS[amino]].split(), atoms, strict=False):
                if np.isfinite(xyz[0]):
                    atom = gemmi.Atom()
                    atom.element, atom.b_iso, atom.occ = gemmi.Element(name[0]), B_FACTOR, 1.0
                    atom.pos = gemmi.Position(*(xyz - low))
                    residue.add_atom(atom)
    chain, made = gemmi.Chain("A"), gemmi.Model(1)
    chain.add_residue(residue)
    made.add_chain(chain)
    return made


def _measure_size(folder, residues):
    """Time and memory of a lattice of copies of one structure with at least so many residues."""
    truth = max(structures(folder).values(), key=lambda model: len(model.chains[0]))
    (chain,) = truth.chains
    extent = np.nanmax(chain.atoms, axis=(0, 1)) - np.nanmin(chain.atoms, axis=(0, 1)) + 4
    edge = int(np.ceil((residues / len(chain)) ** (1 / 3)))
    places = np.stack(np.meshgrid(*[range(edge)] * 3, indexing="ij"), -1).reshape(-1, 3)
    places = places[: int(np.ceil(residues / len(chain)))]
    copies = tuple(replace(chain, atoms=chain.atoms + place * extent) for place in places)
    model = replace(truth, chains=copies)
    density, start = simulate_map(model, 0), distorted(model, 0)
    started = time.process_time()
    result = refine_model(start, density, None, RefinementConfig(), RUN)
    seconds = time.process_time() - started
    count = sum(len(copy) for copy in copies)
    print(f"{count} residues, {density.values.size / 1e6:.0f} million voxels: {seconds:.1f} CPU s, "
          f"{peak_memory() / 1e9:.2f} GB; {result.report.after}", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
