"""Derive what well resolved structures look like, for `emodelx.scoring`.

Usage: python scripts/derive_validation_tables.py STRUCTURES_FOLDER

The folder holds `train.npz` and `manifest.csv` (layout in docs/training.md). `python/emodelx/scoring/tables` gets:

- `ramachandran.txt`: for six classes of residues, the share of residues whose (phi, psi) is rarer than that of a cell;
- `rotamers.txt`: the same of the chi angles of every amino acid with a side chain;
- `covalent.txt`: bonds and angles of every amino acid and of the peptide, with medians and deviations.
"""

import sys
from itertools import combinations
from pathlib import Path

import numpy as np
from scipy import fft
from structure_packs import OTHER, read_facts, read_residues

from emodelx.constants import AMINO_ACIDS, HEAVY_ATOMS
from emodelx.records import AtomicChain
from emodelx.scoring.covalent import cbeta_deviations
from emodelx.scoring.ramachandran import CLASSES, classify
from emodelx.scoring.rarity import RARITY_POWER
from emodelx.scoring.text_tables import write_tables
from emodelx.scoring.torsions import CA, CHI_COUNT, HALF_TURN, C, N, backbone, side_chains
from emodelx.vectors import angle

TABLES = Path(__file__).parents[1] / "python/emodelx/scoring/tables"
SHARPEST = 2.0
"""Structures of a lower resolution in Angstrom are left out, and those whose file does not tell: among these are many
that were built by hand or by homology."""
MOST_CBETA = 0.1
"""Residues with a Cbeta further from its place, in Angstrom, are left out."""
HIGHEST_B = 35.0
"""Residues with an atom above this are left out."""
RAMACHANDRAN_CELLS = 180
ROTAMER_CELLS = {1: 180, 2: 72, 3: 45, 4: 24}
"""Cells per chi, by the number of chis."""
WIDTH = 30.0
"""Degrees; a density of n residues with d angles is first estimated with this width times n ** (-1 / (d + 4))."""
WIDTHS = (0.35, 0.5, 0.7, 1.0, 1.4, 2.0, 2.8)
"""Widths of the second estimate, times the first; rare angles are spread wider (Lovell et al. 2003)."""
BONDED = 1.95
"""Atoms of one residue nearer than this many Angstrom are bonded."""
ROBUST = 1.4826
"""Standard deviations of a normal distribution in one median absolute deviation."""
LEAST_DEVIATION = {"bond": 0.010, "angle": 1.2}
"""Angstrom and degrees; below these data say more of the programs that refined them."""


def main(folder):
    """Write all tables."""
    chains = list(well_resolved(Path(folder)))
    print(f"{sum(map(len, chains))} residues of {len(chains)} chains")
    write_tables(TABLES / "ramachandran.txt", ramachandran(chains))
    write_tables(TABLES / "rotamers.txt", rotamers(chains))
    write_tables(TABLES / "covalent.txt", covalent(chains))


def well_resolved(folder):
    """Every chain of the structures worth learning from; residues that are not keep their place without atoms."""
    wanted = {name for name, row in read_facts(folder, "train").items() if is_well_resolved(row)}
    for entry in read_residues(folder, "train", wanted):
        good = entry.whole & (entry.hottest <= HIGHEST_B)
        atoms = np.where(good[:, None, None], entry.atoms, np.nan)
        for number in np.unique(entry.chain):
            mine = (entry.chain == number) & (entry.types < OTHER)
            if mine.any():
                yield without_odd(entry.types[mine], atoms[mine])


def is_well_resolved(row):
    """Whether an entry is worth learning from."""
    told = row["b_valid"] == "1" and row["status"] in ("deposited", "stripped") and row["resolution"]
    return bool(told) and "ELECTRON" not in row["method"] and float(row["resolution"]) <= SHARPEST


def without_odd(types, atoms):
    """A chain without the residues whose Cbeta is far from its place."""
    n = len(types)
    chain = AtomicChain("A", 0, np.arange(n), types.astype(np.uint8), atoms, np.zeros(n, np.float32))
    with np.errstate(invalid="ignore"):
        chain.atoms[cbeta_deviations(chain) > MOST_CBETA] = np.nan
    return chain


def ramachandran(chains):
    """Rarity of (phi, psi) for every class. Shape (classes, cells, cells)."""
    measured = [backbone(chain) for chain in chains]
    angles = np.concatenate([np.stack([m.phi, m.psi], axis=1) for m in measured])
    classes = np.concatenate([classify(chain, m) for chain, m in zip(chains, measured, strict=True)])
    known = np.isfinite(angles).all(axis=1)
    tables = []
    for index, name in enumerate(CLASSES):
        mine = angles[known & (classes == index)]
        print(name, len(mine))
        tables.append(rarity(mine, RAMACHANDRAN_CELLS))
    return {"rarity": np.stack(tables)}


def rotamers(chains):
    """Rarity of the chi angles by amino acid."""
    chis = np.concatenate([side_chains(chain) for chain in chains])
    types = np.concatenate([chain.types for chain in chains])
    tables = {}
    for code, count in CHI_COUNT.items():
        if count:
            mine = chis[types == AMINO_ACIDS.index(code), :count]
            mine = mine[np.isfinite(mine).all(axis=1)]
            mine = both_halves(mine, HALF_TURN.get(code))
            print(code, len(mine))
            tables[code] = rarity(mine, ROTAMER_CELLS[count])
    return tables


def both_halves(angles, index):
    """Angles that half a turn does not change, once as they are and once turned."""
    if index is None:
        return angles
    turned = angles.copy()
    turned[:, index] = (turned[:, index] + 360) % 360 - 180
    return np.concatenate([angles, turned])


def rarity(angles, cells):
    """Share of the residues that lie where the density is lower than in a cell; see `RARITY_POWER`."""
    density = adaptive_density(angles, cells)
    own = np.sort(density[cell_of(angles, cells)])
    share = np.searchsorted(own, density, side="right") / len(own)
    return np.round(share**RARITY_POWER * 255).astype(np.uint8)


def adaptive_density(angles, cells):
    """Density on a periodic grid, smoothed the wider the rarer the angles are. Shape (cells,) * dimensions."""
    dimensions = angles.shape[1]
    width = WIDTH * len(angles) ** (-1 / (dimensions + 4))
    pilot = smoothed(angles, cells, width)
    own = np.maximum(pilot[cell_of(angles, cells)], pilot.max() * 1e-9)
    wanted = (own / np.exp(np.log(own).mean())) ** (-1 / dimensions)
    group = np.abs(np.log(wanted)[:, None] - np.log(WIDTHS)).argmin(axis=1)
    return sum(smoothed(angles[group == k], cells, width * times) for k, times in enumerate(WIDTHS))


def cell_of(angles, cells):
    """The grid cell of every row, as an index."""
    return tuple((((angles + 180) / 360 * cells).astype(int) % cells).T)


def smoothed(angles, cells, width):
    """A histogram on a periodic grid convolved with a Gaussian of a width in degrees."""
    dimensions = angles.shape[1]
    counts = np.zeros((cells,) * dimensions)
    np.add.at(counts, cell_of(angles, cells), 1)
    frequency = 2 * np.pi * np.fft.fftfreq(cells) * cells / 360
    damping = np.exp(-0.5 * (frequency * width) ** 2)
    terms = fft.fftn(counts)
    for axis in range(dimensions):
        terms *= damping.reshape([-1 if k == axis else 1 for k in range(dimensions)])
    return np.maximum(fft.ifftn(terms).real, 0)


def covalent(chains):
    """Medians and deviations of bonds (Angstrom) and angles (degrees), by residue type, and of the peptide."""
    types = np.concatenate([chain.types for chain in chains])
    atoms = np.concatenate([chain.atoms for chain in chains])
    rows = {"bond": [], "angle": []}
    for index, letter in enumerate(AMINO_ACIDS):
        mine = atoms[(types == index) & np.isfinite(atoms[:, 0, 0])]
        bonds = bonded_pairs(mine, len(HEAVY_ATOMS[letter].split()))
        for a, b in bonds:
            rows["bond"].append((index, a, b, *spread(np.linalg.norm(mine[:, a] - mine[:, b], axis=1), "bond")))
        for a, b, c in angles_of(bonds):
            rows["angle"].append((index, a, b, c, *spread(angle(mine[:, a], mine[:, b], mine[:, c]), "angle")))
    return {kind: np.array(found, np.float32) for kind, found in rows.items()} | peptide(chains)


def peptide(chains):
    """C-N, CA-C-N, O-C-N and C-N-CA between residues, apart for the one before proline."""
    pairs = [np.stack([chain.atoms[:-1], chain.atoms[1:]], axis=1) for chain in chains]
    next_types = np.concatenate([chain.types[1:] for chain in chains])
    pairs, proline = np.concatenate(pairs), next_types == AMINO_ACIDS.index("P")
    with np.errstate(invalid="ignore"):
        bonded = np.linalg.norm(pairs[:, 0, C] - pairs[:, 1, N], axis=1) < BONDED
    rows = []
    for mine in (pairs[bonded & ~proline], pairs[bonded & proline]):
        one, other = mine[:, 0], mine[:, 1]
        measured = {
            "bond": [np.linalg.norm(one[:, C] - other[:, N], axis=1)],
            "angle": [
                angle(one[:, CA], one[:, C], other[:, N]),
                angle(one[:, 3], one[:, C], other[:, N]),
                angle(one[:, C], other[:, N], other[:, CA]),
            ],
        }
        rows.append([spread(values, kind) for kind, sets in measured.items() for values in sets])
    return {"peptide": np.array(rows, np.float32)}


def bonded_pairs(atoms, count):
    """Pairs of slots that are bonded in the typical residue."""
    apart = {
        (a, b): np.nanmedian(np.linalg.norm(atoms[:, a] - atoms[:, b], axis=1))
        for a, b in combinations(range(count), 2)
    }
    return [pair for pair, distance in apart.items() if distance < BONDED]


def angles_of(bonds):
    """Triples of slots around every atom with two bonds."""
    partners = {}
    for a, b in bonds:
        partners.setdefault(a, []).append(b)
        partners.setdefault(b, []).append(a)
    return [(a, centre, c) for centre, others in sorted(partners.items()) for a, c in combinations(sorted(others), 2)]


def spread(values, kind):
    """Median and robust standard deviation."""
    values = values[np.isfinite(values)]
    middle = np.median(values)
    return float(middle), max(LEAST_DEVIATION[kind], ROBUST * float(np.median(np.abs(values - middle))))


if __name__ == "__main__":
    main(sys.argv[1])
