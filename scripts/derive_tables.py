"""Derives the tables of `rust/core/data` from structures: peptide planes, Ramachandran, side chains and rotamers.

Usage: python scripts/derive_tables.py STRUCTURES_FOLDER

The folder holds the structure pack `train.npz` and its `manifest.csv`; entries up to 2.2 A are used. Every table is
an array that the Rust core includes when it is compiled. Angles are in degrees, lengths in Angstrom, energies are
-ln of a probability.
"""

import argparse
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from structure_packs import Run, read_runs, sharp_entries

from emodelx.constants import AMINO_ACIDS, HEAVY_ATOMS
from emodelx.vectors import angle, torsion

Values = NDArray[np.float64]
N, CA, C, CARBONYL_O, CB = range(5)
TABLES = Path(__file__).parents[1] / "rust/core/data"
RESOLUTION = 2.2
LEAST_FREQUENCY = 0.002
"""Rarer rotamers are left out."""
BONDS = {
    "C": "CB-SG",
    "D": "CB-CG CG-OD1 CG-OD2",
    "E": "CB-CG CG-CD CD-OE1 CD-OE2",
    "F": "CB-CG CG-CD1 CG-CD2 CD1-CE1 CD2-CE2 CE1-CZ",
    "H": "CB-CG CG-ND1 CG-CD2 ND1-CE1 CD2-NE2",
    "I": "CB-CG1 CB-CG2 CG1-CD1",
    "K": "CB-CG CG-CD CD-CE CE-NZ",
    "L": "CB-CG CG-CD1 CG-CD2",
    "M": "CB-CG CG-SD SD-CE",
    "N": "CB-CG CG-OD1 CG-ND2",
    "P": "CB-CG CG-CD",
    "Q": "CB-CG CG-CD CD-OE1 CD-NE2",
    "R": "CB-CG CG-CD CD-NE NE-CZ CZ-NH1 CZ-NH2",
    "S": "CB-OG",
    "T": "CB-OG1 CB-CG2",
    "V": "CB-CG1 CB-CG2",
    "W": "CB-CG CG-CD1 CG-CD2 CD1-NE1 CD2-CE2 CD2-CE3 CE2-CZ2 CE3-CZ3 CZ2-CH2",
    "Y": "CB-CG CG-CD1 CG-CD2 CD1-CE1 CD2-CE2 CE1-CZ CZ-OH",
}
"""The bond by which every atom beyond Cbeta is built."""
CHI = {
    "C": 1, "D": 2, "E": 3, "F": 2, "H": 2, "I": 2, "K": 4, "L": 2, "M": 3,
    "N": 2, "P": 2, "Q": 3, "R": 4, "S": 1, "T": 1, "V": 1, "W": 2, "Y": 2,
}  # fmt: skip
SYMMETRIC = "DEFY"
LAST_WELL = {"D": 30, "E": 60, "F": 30, "H": 30, "N": 30, "Q": 60, "W": 30, "Y": 30}
"""Width in degrees of the wells of a last chi that turns about a planar group; all others have three of 120."""


# ---- angles ----


def wrap(degrees: Values, period: float = 360) -> Values:
    """Bring angles within half a period around 0."""
    return (degrees + period / 2) % period - period / 2


def mean_angle(degrees: Values, period: float = 360) -> float:
    """Return the circular mean."""
    turns = np.exp(2j * np.pi * degrees / period)
    return float(np.angle(turns.mean()) * period / (2 * np.pi))


# ---- peptide planes ----

BEND_BINS, TURN_BINS = 6, 24
LOWEST_BEND, BEND_STEP, TURN_STEP = 80, 11, 15


def plane_bin(before: Values, after: Values, turn: Values) -> NDArray[np.int64]:
    """Bin of two angles between Calphas and the torsion between them."""
    bends = [np.clip((a - LOWEST_BEND) // BEND_STEP, 0, BEND_BINS - 1).astype(int) for a in (before, after)]
    return (bends[0] * BEND_BINS + bends[1]) * TURN_BINS + ((turn + 180) // TURN_STEP).astype(int) % TURN_BINS


def plane_angles(run: Run) -> tuple[NDArray[np.int64], Values]:
    """Bins of the inner peptide planes, and the torsion of their C=O to the Calpha before, less half the turn."""
    a, b, c, d = (run.atoms[i : len(run.atoms) - 3 + i, CA] for i in range(4))
    turn = torsion(a, b, c, d)
    carbonyl = run.atoms[1:-2, CARBONYL_O] - run.atoms[1:-2, C]
    return plane_bin(angle(a, b, c), angle(b, c, d), turn), wrap(torsion(a, b, c, c + carbonyl) - turn / 2)


def two_modes(angles: Values) -> list[float]:
    """Fit two normal distributions on the circle; share of the first, both means, both deviations.

    A handful of made-up observations keeps shares and deviations sane where there are few real ones.
    """
    means = mean_angle(angles) + np.array([0, 180])
    share, deviation = np.array([0.8, 0.2]), np.array([12.0, 30.0])
    for _ in range(40):
        off = wrap(angles[:, None] - means)
        belongs = share * np.exp(-0.5 * (off / deviation) ** 2) / deviation + 1e-9
        belongs /= belongs.sum(axis=1, keepdims=True)
        share = (belongs.sum(axis=0) + np.array([1, 0.2])) / (len(angles) + 1.2)
        means = means + (belongs * off).sum(axis=0) / (belongs.sum(axis=0) + np.array([0.5, 0.1]))
        variance = ((belongs * off**2).sum(axis=0) + 3 * np.array([9, 23]) ** 2) / (belongs.sum(axis=0) + 3)
        deviation = np.clip(np.sqrt(variance), 3, 70)
    return [share[0], *wrap(means), *deviation]


def planes(runs: list[Run]) -> Values:
    """Rows of `two_modes` by `plane_bin`."""
    bins, angles = map(np.concatenate, zip(*map(plane_angles, runs), strict=True))
    empty = [0.5, 100, 100, 60, 60]
    own = (angles[bins == k] for k in range(BEND_BINS * BEND_BINS * TURN_BINS))
    return np.array([two_modes(a) if len(a) >= 4 else empty for a in own])


# ---- main-chain torsions ----

PHI_PSI_BINS = 36


def phi_psi(atoms: Values) -> tuple[Values, Values]:
    """Torsions of the inner residues of a run."""
    n, ca, c = atoms[1:-1, N], atoms[1:-1, CA], atoms[1:-1, C]
    return torsion(atoms[:-2, C], n, ca, c), torsion(n, ca, c, atoms[2:, N])


def residue_class(types: NDArray[np.int64]) -> NDArray[np.int64]:
    """0 any other, 1 glycine, 2 proline, 3 before proline; of the inner residues of a run."""
    glycine, proline = AMINO_ACIDS.index("G"), AMINO_ACIDS.index("P")
    own, after = types[1:-1], types[2:]
    return np.select([own == glycine, own == proline, after == proline], [1, 2, 3], 0)


def ramachandran(runs: list[Run]) -> Values:
    """-ln of the density of phi, psi by class, relative to an even one."""
    torsions = np.concatenate([np.stack([residue_class(r.types), *phi_psi(r.atoms)], axis=1) for r in runs])
    energies = []
    for k in range(4):
        own = torsions[torsions[:, 0] == k, 1:]
        counts, _, _ = np.histogram2d(*own.T, bins=PHI_PSI_BINS, range=[[-180, 180]] * 2)
        smooth = gaussian_filter(counts, 0.8, mode="wrap") / len(own) + 0.02 / counts.size
        energies.append(-np.log(smooth / smooth.mean()))
    return np.array(energies)


# ---- side chains ----


def names_of(letter: str) -> list[str]:
    """Atom names of an amino acid by slot."""
    return HEAVY_ATOMS[letter].split()


def ancestry(letter: str, name: str) -> list[str]:
    """Three atoms from which an atom beyond Cbeta is built, and the atom."""
    before = {"CB": "CA", "CA": "N"} | {b: a for a, b in (bond.split("-") for bond in BONDS[letter].split())}
    line = [name]
    while len(line) < 4:
        line.insert(0, before[line[0]])
    return line


def chi_atoms(letter: str) -> list[list[str]]:
    """Atoms of every chi: along the first atom of each step outwards."""
    line = ["N", "CA", "CB"]
    for _ in range(CHI.get(letter, 0)):
        line.append(next(n for n in names_of(letter) if n not in ("C", "O") and ancestry_ends(letter, line[-1], n)))
    return [line[i : i + 4] for i in range(len(line) - 3)]


def ancestry_ends(letter: str, atom: str, after: str) -> bool:
    """Whether `after` is built on `atom`."""
    return f"{atom}-{after}" in BONDS[letter].split()


class SideChains:
    """All complete residues of one amino acid: atoms (n, 14, 3), torsions chi (n, k), phi and psi (n, NaN at ends)."""

    def __init__(self, letter: str, runs: list[Run]) -> None:
        self.letter, self.slot = letter, {name: i for i, name in enumerate(names_of(letter))}
        atoms, around = [], []
        for run in runs:
            ends = [np.concatenate([[np.nan], t, [np.nan]]) for t in phi_psi(run.atoms)]
            whole = np.isfinite(run.atoms[:, : len(self.slot)]).all(axis=(1, 2))
            own = (run.types == AMINO_ACIDS.index(letter)) & whole
            atoms.append(run.atoms[own])
            around.append(np.stack(ends, axis=1)[own])
        self.atoms, self.phi_psi = np.concatenate(atoms), np.concatenate(around)
        self.chi = np.array([torsion(*map(self.of, four)) for four in chi_atoms(letter)]).T
        if letter in SYMMETRIC:
            self.chi[:, -1] = wrap(self.chi[:, -1], 180)

    def of(self, name: str) -> Values:
        """Positions of one atom, (n, 3)."""
        return self.atoms[:, self.slot[name]]

    def placement(self, name: str) -> list[float]:
        """Slots of an atom and the three before it, bond, angle, number of the chi it turns with or 0, torsion."""
        line = ["N", "C", "CA", "CB"] if name == "CB" else ancestry(self.letter, name)
        a, b, c, d = map(self.of, line)
        turns = [i + 1 for i, four in enumerate(chi_atoms(self.letter)) if four[:3] == line[:3]]
        chi = turns[0] if turns else 0
        twist = torsion(a, b, c, d) - (torsion(*map(self.of, chi_atoms(self.letter)[chi - 1])) if chi else 0)
        bond = float(np.median(np.linalg.norm(d - c, axis=1)))
        return [
            self.slot[name],
            *(self.slot[n] for n in line[:3]),
            bond,
            float(np.median(angle(b, c, d))),
            chi,
            mean_angle(twist),
        ]

    def placements(self) -> Iterator[list[float]]:
        """Rows of `placement` in the order in which atoms can be built."""
        return (self.placement(name) for name in names_of(self.letter)[CB:])

    def wells(self) -> NDArray[np.int64]:
        """Well of every chi, (n, k)."""
        widths = np.full(CHI[self.letter], 120)
        widths[-1] = LAST_WELL.get(self.letter, 120)
        return ((self.chi % 360) // widths).astype(int)

    def rotamers(self) -> Iterator[tuple[float, Values, Values]]:
        """Frequency, mean chis and their deviations, the commonest first."""
        wells, count = np.unique(self.wells(), axis=0, return_counts=True)
        for k in np.argsort(-count, kind="stable"):
            own = self.chi[(self.wells() == wells[k]).all(axis=1)]
            if len(own) >= LEAST_FREQUENCY * len(self.chi):
                mean = np.array([mean_angle(chi) for chi in own.T])
                spread = np.sqrt((wrap(own - mean) ** 2).mean(axis=0) + 4)
                yield len(own) / len(self.chi), wrap(mean), spread

    def chi1_energies(self) -> Values:
        """-ln of the share of the three wells of chi1 by phi and psi in steps of 30 degrees, (12, 12, 3)."""
        well = ((self.chi[:, 0] % 360) // 120).astype(int)
        overall = np.bincount(well, minlength=3) / len(well) + 1e-3
        known = np.isfinite(self.phi_psi).all(axis=1)
        bins = ((self.phi_psi[known] + 180) // 30).astype(int) % 12
        counts = np.zeros((12, 12, 3))
        np.add.at(counts, (*bins.T, well[known]), 1)
        shares = (counts + 10 * overall) / (counts.sum(axis=-1, keepdims=True) + 10)
        return -np.log(shares)


# ---- files ----


def literal(value: Any) -> str:  # nested lists of numbers
    """Write nested sequences of numbers as an array that Rust and Python read alike; one innermost list per line."""
    rows = list(value)
    if isinstance(rows[0], (int, float)):
        return f"[{', '.join(map(number, rows))}]"
    return "[\n" + ",\n".join(map(literal, rows)) + "\n]"


def number(value: float) -> str:
    """Two decimals, three below ten."""
    text = f"{value:.2f}" if abs(value) >= 10 else f"{value:.3f}"
    return text.rstrip("0").ljust(text.index(".") + 2, "0")


def padded(values: Iterable[float]) -> list[float]:
    """Fill up to four."""
    return [*map(float, values), 0.0, 0.0, 0.0, 0.0][:4]


def main() -> None:
    """Write all tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("structures", type=Path)
    folder = parser.parse_args().structures
    runs = read_runs(folder, "train", sharp_entries(folder, "train", RESOLUTION))
    sides = [(k, SideChains(letter, runs)) for k, letter in enumerate(AMINO_ACIDS) if letter != "G"]
    turning = [(k, side) for k, side in sides if side.letter in CHI]
    rotamers = [[float(k), p, *padded(m), *padded(s)] for k, side in turning for p, m, s in side.rotamers()]
    tables = {
        "planes": planes(runs).tolist(),
        "ramachandran": ramachandran(runs).tolist(),
        "side_chains": [[float(k), *row] for k, side in sides for row in side.placements()],
        "rotamers": rotamers,
        "chi1": [side.chi1_energies().tolist() for _, side in turning],
    }
    for name, table in tables.items():
        (TABLES / f"{name}.in").write_text(literal(table) + "\n")
        print(f"{name}: {np.shape(table)}")


if __name__ == "__main__":
    main()
