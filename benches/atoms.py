"""Measure main chains and side chains built on the Calphas of known structures.

Usage: PYTHONPATH=scripts python benches/atoms.py STRUCTURES_FOLDER
       [--split val] [--entries 20] [--noise 0.5] [--only CASE ...]

The folder holds the structure pack `val.npz` and its `manifest.csv` (docs/training.md); the tables were derived from
`train.npz`. Calphas are exact or moved at random (`--noise` is the root mean square of the way); maps are simulated
on a 1 A grid.
"""

import argparse
import itertools
import time
from dataclasses import dataclass, field
from pathlib import Path

import gemmi
import numpy as np
from structure_packs import Run, read_runs

from emodelx import _core
from emodelx.constants import AMINO_ACIDS, HEAVY_ATOMS
from emodelx.vectors import torsion

RESOLUTIONS = (None, 2.5, 3.0, 3.5)
FEWEST, MOST = 100, 1500
"""Residues of an entry that is measured."""
GAMMA = 5
CHI1_TOLERANCE = 40
SYMMETRIC_TURN = {"D": ("OD1", "OD2"), "E": ("OE1", "OE2"), "F": ("CD1", "CD2"), "Y": ("CD1", "CD2")}


@dataclass
class Tally:
    """What was measured of all entries."""

    main_chain: list = field(default_factory=list)
    side_chain: list = field(default_factory=list)
    chi1: list = field(default_factory=list)
    residues: int = 0
    seconds: float = 0.0

    def row(self, name):
        rms = [f"{np.sqrt(np.mean(np.concatenate(part))):.3f}" for part in (self.main_chain, self.side_chain)]
        chi1 = f"{100 * np.mean(np.concatenate(self.chi1)):.1f}"
        return (
            f"| {name} | {self.residues} | {rms[0]} | {rms[1]} | {chi1} | {1000 * self.seconds / self.residues:.2f} |"
        )


def entries(folder, split, count):
    """Runs of the first entries of a fitting size."""
    runs = sorted(read_runs(folder, split), key=lambda run: run.entry)
    grouped = [list(own) for _, own in itertools.groupby(runs, key=lambda run: run.entry)]
    return [own for own in grouped if FEWEST <= sum(len(run.types) for run in own) <= MOST][:count]


def simulated_map(runs: list[Run], resolution):
    """A map of the runs on a 1 A grid, as the core takes it."""
    atoms = np.concatenate([run.atoms for run in runs])
    types = np.concatenate([run.types for run in runs])
    low = np.nanmin(atoms, axis=(0, 1)) - 8
    size = np.ceil(np.nanmax(atoms, axis=(0, 1)) + 8 - low).astype(int)
    chain = gemmi.Chain("A")
    residue = gemmi.Residue()
    for kind, own in zip(types, atoms, strict=True):
        for name, at in zip(HEAVY_ATOMS[AMINO_ACIDS[kind]].split(), own, strict=False):
            if np.isfinite(at[0]):
                atom = gemmi.Atom()
                atom.name, atom.element, atom.pos = name, gemmi.Element(name[0]), gemmi.Position(*(at - low))
                atom.b_iso = 8 * resolution**2
                residue.add_atom(atom)
    chain.add_residue(residue)
    model = gemmi.Model(1)
    model.add_chain(chain)
    calculator = gemmi.DensityCalculatorE()
    calculator.d_min, calculator.rate = resolution, resolution / 2
    calculator.grid.set_unit_cell(gemmi.UnitCell(*map(float, size), 90, 90, 90))
    calculator.grid.set_size(*map(int, size))
    calculator.add_model_density_to_grid(model)
    return cut(np.array(calculator.grid), resolution), low.tolist(), [1.0, 1.0, 1.0]


def cut(values, resolution):
    """The map without what is finer than its resolution."""
    waves = np.fft.rfftn(values)
    axes = [np.fft.fftfreq(n) for n in values.shape[:2]] + [np.fft.rfftfreq(values.shape[2])]
    squared = sum(np.square(f) for f in np.meshgrid(*axes, indexing="ij", sparse=True))
    waves[squared > 1 / resolution**2] = 0
    return np.ascontiguousarray(np.fft.irfftn(waves, values.shape, axes=(0, 1, 2)), np.float32)


def moved(calphas, noise, rng):
    return calphas + rng.normal(0, noise / np.sqrt(3), calphas.shape)


def chi1_right(built, truth):
    """Whether chi1 is within the tolerance, of the residues that have it."""
    own, real = (torsion(a[:, 0], a[:, 1], a[:, 4], a[:, GAMMA]) for a in (built, truth))
    off = np.abs((own - real + 180) % 360 - 180)
    return off[np.isfinite(off)] < CHI1_TOLERANCE


def squared_errors(built, truth, types):
    """Of main-chain atoms N, C and O, and of side-chain atoms beyond Cbeta, those that a half turn swaps either way."""
    off = ((built - truth) ** 2).sum(-1)
    for letter, names in SYMMETRIC_TURN.items():
        order = HEAVY_ATOMS[letter].split()
        one, other = map(order.index, names)
        pairs = [[one, other]] + ([[one + 2, other + 2]] if letter in "FY" else [])
        rows = types == AMINO_ACIDS.index(letter)
        straight, swapped = (
            sum(((built[:, p] - truth[:, q]) ** 2).sum((-2, -1)) for p, q in zip(pairs, to, strict=True))
            for to in (pairs, [p[::-1] for p in pairs])
        )
        for pair in pairs:
            turned = ((built[:, pair] - truth[:, pair[::-1]]) ** 2).sum(-1)
            off[:, pair] = np.where((rows & (swapped < straight))[:, None], turned, off[:, pair])
    side = off[:, GAMMA:]
    return off[:, [0, 2, 3]].ravel(), side[np.isfinite(side)]


def measure(own, density, noise, rng, tally):
    runs = [(moved(run.atoms[:, 1], noise, rng), run.types.astype(np.uint8)) for run in own]
    types = np.concatenate([run.types for run in own]).astype(np.uint8)
    truth = np.concatenate([run.atoms for run in own])
    began = time.process_time()
    main_chains = _core.build_main_chains(runs, density, None)
    middle = time.process_time()
    built = _core.pack_side_chains(np.concatenate(main_chains), types, density)
    tally.seconds += time.process_time() - began
    tally.residues += len(types)
    main_chain, side_chain = squared_errors(built, truth, types)
    tally.main_chain.append(main_chain)
    tally.side_chain.append(side_chain)
    tally.chi1.append(chi1_right(built, truth))
    return middle - began


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("structures", type=Path)
    parser.add_argument("--split", default="val")
    parser.add_argument("--entries", type=int, default=20)
    parser.add_argument("--noise", type=float, nargs="*", default=[0.0, 0.5])
    options = parser.parse_args()
    chosen = entries(options.structures, options.split, options.entries)
    print("| Calphas, map | residues | N, C, O rms A | side-chain rms A | chi1 within 40 degrees % | ms per residue |")
    print("|---|---|---|---|---|---|")
    for noise, resolution in itertools.product(options.noise, RESOLUTIONS):
        tally, rng = Tally(), np.random.default_rng(0)
        for own in chosen:
            measure(own, resolution and simulated_map(own, resolution), noise, rng, tally)
        name = f"{f'{noise:g} A off' if noise else 'exact'}, {f'{resolution:g} A' if resolution else 'no map'}"
        print(tally.row(name), flush=True)


if __name__ == "__main__":
    main()
