"""Derive the tables of restraints from well resolved structures.

Usage: python scripts/derive_restraints.py STRUCTURES_FOLDER

The folder holds `train.npz` and `manifest.csv` (layout in docs/training.md). Written to rust/core/data/refine:

- `geometry.txt`: bonds, distances over two bonds (these fix the angles), over a peptide (these tell cis from trans),
  and signed volumes (these fix hands and planes); medians, and deviations from the median absolute deviation, which a
  few wrong structures do not move;
- `ramachandran.txt`: -ln of the density of (phi, psi) on a periodic grid, and the densities that hold 98 and 99.95 %
  of the residues, for the classes general, glycine, proline and pre-proline;
- `rotamers.txt`: the torsions of every rotamer that at least one residue in two hundred takes.
"""

import sys
from itertools import combinations, product
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter, map_coordinates
from structure_packs import OTHER, read_residues, sharp_entries

from emodelx.constants import AMINO_ACIDS, HEAVY_ATOMS
from emodelx.vectors import torsion

TABLES = Path(__file__).parents[1] / "rust/core/data/refine"
SHARPEST = 2.2
"""Structures of a lower resolution in Angstrom are left out."""
HIGHEST_B = 50.0
BONDED = 2.0
"""Atoms of one residue nearer than this many Angstrom are bonded."""
FLAT = 9.0
"""A torsion whose deviation from 0 or 180 is less than this many degrees is kept flat."""
LIMITS = {"bond": (0.010, 0.025), "angle": (0.018, 0.045), "span": (0.03, 0.05), "volume": (0.06, 0.14)}
"""Least and greatest deviations; beyond them, data tell of the programs that refined them."""
CELLS = 48
"""Cells of the Ramachandran grid along each axis."""
NARROW, WIDE, WIDE_SHARE = 6.0, 35.0, 1e-3
"""Widths in degrees of the two kernels of the Ramachandran density, and the share of the wide one: it leads residues
from where nothing was ever seen to where they belong."""
CHI_ENDS = {"D": 2, "E": 3, "F": 2, "H": 2, "N": 2, "Q": 3, "W": 2, "Y": 2}
"""The chi that turns a flat group."""
SYMMETRIC = "DEFY"
LEAST_SHARE = 0.005


def read_all(folder):
    """Types, atoms (n, 14, 3), whether good, and the index of the next residue in the chain or -1, of all residues."""
    parts = list(read_residues(folder, "train", sharp_entries(folder, "train", SHARPEST)))
    types, atoms = (np.concatenate([getattr(part, name) for part in parts]) for name in ("types", "atoms"))
    good = np.concatenate([(p.types < OTHER) & p.whole & (p.hottest <= HIGHEST_B) for p in parts])
    follows = np.concatenate([np.append(part.follows(), False) for part in parts])
    return types, atoms, good, np.where(follows, np.arange(len(types)) + 1, -1)


def volume(centre, a, b, c):
    """Signed volume of the parallelepiped of the bonds from `centre`."""
    return (np.cross(b - centre, c - centre) * (a - centre)).sum(-1)


def geometry(types, atoms, good, follows):
    """Lines of `geometry.txt`: kind, group, atoms, mean and deviation."""
    lines = []
    for a, letter in enumerate(AMINO_ACIDS):
        lines += _lines(letter, HEAVY_ATOMS[letter].split(), atoms[good & (types == a)])
    linked = np.flatnonzero((follows >= 0) & good & good[np.maximum(follows, 0)])
    after = follows[linked]
    omega = torsion(atoms[linked, 1], atoms[linked, 2], atoms[after, 0], atoms[after, 1])
    proline = types[after] == AMINO_ACIDS.index("P")
    for name, chosen in (
        ("trans", ~proline & (np.abs(omega) > 150)),
        ("trans-proline", proline & (np.abs(omega) > 150)),
        ("cis", ~proline & (np.abs(omega) < 30)),
        ("cis-proline", proline & (np.abs(omega) < 30)),
    ):
        lines += _link(name, atoms[linked[chosen]], atoms[after[chosen]])
    return lines


def _link(group, atoms, after):
    """Restraints over a peptide bond: those that need atoms of both residues. "+" marks those of the second."""
    names, joined = ["CA", "C", "O", "+N", "+CA"], [atoms[:, 1], atoms[:, 2], atoms[:, 3], after[:, 0], after[:, 1]]
    if "proline" in group:
        names, joined = [*names, "+CD"], [*joined, after[:, 6]]
    lines = _lines(group, names, np.stack(joined, axis=1))
    span = _line("span", group, ["CA", "+CA"], np.linalg.norm(after[:, 1] - atoms[:, 1], axis=1))
    return [line for line in lines if "+" in line and any(word in line.split() for word in ("CA", "C", "O"))] + [span]


def _lines(group, names, atoms):
    """Lines of all restraints within a group of bonded atoms; atoms is (n, slots, 3) without gaps."""
    lines = []
    for kind, slots in _restraints(atoms):
        points = [atoms[:, s] for s in slots]
        values = volume(*points) if kind == "volume" else np.linalg.norm(points[0] - points[-1], axis=1)
        lines.append(_line(kind, group, [names[s] for s in slots], values))
    return lines


def _line(kind, group, names, values):
    middle = np.median(values)
    if kind == "volume" and abs(middle) < 0.5:
        middle = 0.0  # flat
    deviation = np.clip(1.4826 * np.median(np.abs(values - middle)), *LIMITS[kind])
    return f"{kind} {group} {' '.join(names)} {middle:.4f} {deviation:.4f}"


def _restraints(atoms):
    """Kind and slots of every restraint: the bonds, the angles and far ends of peptides, the hands and planes."""
    slots = range(atoms.shape[1])
    length = {p: np.median(np.linalg.norm(atoms[:, p[0]] - atoms[:, p[1]], axis=1)) for p in combinations(slots, 2)}
    bonds = [p for p, d in length.items() if d < BONDED]
    beside = {s: sorted(q for p in bonds for q in p if s in p and q != s) for s in slots}
    paths = [(i, j, k, m) for j, k in bonds for i, m in product(beside[j], beside[k]) if len({i, j, k, m}) == 4]
    flat = [path for path in paths if _is_flat(torsion(*(atoms[:, s] for s in path)))]
    yield from (("bond", p) for p in bonds)
    yield from (("angle", (i, s, j)) for s in slots for i, j in combinations(beside[s], 2))
    yield from (("volume", (s, *three)) for s in slots for three in combinations(beside[s], 3))
    yield from (("volume", path) for path in flat)


def _is_flat(angle):
    return np.median(np.abs((angle + 90) % 180 - 90)) * 1.4826 < FLAT


def ramachandran(types, atoms, good, follows):
    """Lines of `ramachandran.txt`."""
    before = np.full(len(types), -1)
    before[follows[follows >= 0]] = np.flatnonzero(follows >= 0)
    inner = np.flatnonzero((before >= 0) & (follows >= 0) & good)
    inner = inner[good[before[inner]] & good[follows[inner]]]
    previous, after = before[inner], follows[inner]
    phi = torsion(atoms[previous, 2], atoms[inner, 0], atoms[inner, 1], atoms[inner, 2])
    psi = torsion(atoms[inner, 0], atoms[inner, 1], atoms[inner, 2], atoms[after, 0])
    glycine, proline = (types[inner] == AMINO_ACIDS.index(letter) for letter in "GP")
    before_proline = types[after] == AMINO_ACIDS.index("P")
    special = glycine | proline
    classes = {"general": ~special & ~before_proline, "glycine": glycine, "proline": proline,
               "pre-proline": ~special & before_proline}  # fmt: skip
    return [line for name, chosen in classes.items() for line in _map(name, phi[chosen], psi[chosen])]


def _map(name, phi, psi):
    """A class: its name, the levels that hold 98 and 99.95 %, and the rows of the grid, in hundredths of -ln p."""
    fine = 360
    counts = np.histogram2d(phi, psi, bins=fine, range=[(-180, 180)] * 2)[0]
    if name == "glycine":
        counts = (counts + counts[::-1, ::-1]) / 2  # it has no hand
    narrow, wide = (gaussian_filter(counts / counts.sum(), w, mode="wrap") for w in (NARROW, WIDE))
    energy = -np.log((1 - WIDE_SHARE) * narrow + WIDE_SHARE * wide)
    energy -= energy.min()
    step = 360 / CELLS
    grid = _at(energy, np.arange(CELLS) * step).round(2)
    # the potential is the spline whose coefficients the grid holds
    own = map_coordinates(grid, (np.stack([phi, psi]) + 180) / step, order=3, prefilter=False, mode="grid-wrap")
    levels = np.quantile(own, [0.98, 0.9995])
    rows = [" ".join(str(round(100 * value)) for value in row) for row in grid]
    return [f"{name} {levels[0]:.3f} {levels[1]:.3f}", *rows]


def _at(energy, angles):
    """Values at -180 + angles, on both axes; the centre of cell i of `energy` is at i + 1/2 degrees."""
    mean = (energy + np.roll(energy, 1, 0) + np.roll(energy, 1, 1) + np.roll(energy, (1, 1), (0, 1))) / 4
    below = np.floor(angles).astype(int)
    part = (angles - below)[:, None]
    above = (below + 1) % len(mean)
    rows = (1 - part) * mean[below] + part * mean[above]
    return (1 - part.T) * rows[:, below] + part.T * rows[:, above]


def chi_paths(letter):
    """Slots of every chi of an amino acid: along the first branch of the side chain."""
    names = HEAVY_ATOMS[letter].split()
    order = "BGDEZ"
    first = {}
    for slot, name in enumerate(names):
        if len(name) > 1 and name[1] in order and (len(name) == 2 or name[2] == "1"):
            first[name[1]] = slot
    chain = [0, 1, *(first[step] for step in order if step in first)]
    count = {"R": 4, "K": 4, "M": 3, "E": 3, "Q": 3, "A": 0, "G": 0, "C": 1, "S": 1, "T": 1, "V": 1}.get(letter, 2)
    return [chain[i : i + 4] for i in range(count)]


def rotamers(types, atoms, good):
    """Lines of `rotamers.txt`: amino acid, share, torsions and their deviations in degrees."""
    lines = []
    for a, letter in enumerate(AMINO_ACIDS):
        paths = chi_paths(letter)
        if paths:
            own = atoms[good & (types == a)]
            chi = np.stack([torsion(*(own[:, s] for s in path)) for path in paths], axis=1)
            lines += _wells(letter, chi)
    return lines


def _wells(letter, chi):
    end = CHI_ENDS.get(letter, 0) - 1
    turn = np.full(chi.shape[1], 360.0)
    if letter in SYMMETRIC:
        turn[end] = 180.0
    width = np.full(chi.shape[1], 120.0)
    if end >= 0:
        width[end] = 60.0
    key = ((chi % turn) // width).astype(int)
    lines = []
    for well in np.unique(key, axis=0):
        inside = chi[(key == well).all(axis=1)]
        share = len(inside) / len(chi)
        if share >= LEAST_SHARE:
            middle = (well + 0.5) * width
            off = (inside - middle + turn / 2) % turn - turn / 2
            mean = middle + np.median(off, axis=0)
            spread = np.clip(1.4826 * np.median(np.abs(off - np.median(off, axis=0)), axis=0), 6, 25)
            angles = " ".join(f"{m:.0f} {s:.0f}" for m, s in zip((mean + 180) % 360 - 180, spread, strict=True))
            lines.append((share, f"{letter} {share:.4f} {angles}"))
    return [line for _, line in sorted(lines, reverse=True)]


def main() -> None:
    """Write all tables."""
    types, atoms, good, follows = read_all(Path(sys.argv[1]))
    print(f"{good.sum()} residues")
    for name, lines in (
        ("geometry", geometry(types, atoms, good, follows)),
        ("ramachandran", ramachandran(types, atoms, good, follows)),
        ("rotamers", rotamers(types, atoms, good)),
    ):
        (TABLES / f"{name}.txt").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
