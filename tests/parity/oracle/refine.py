"""Slow, obvious twins of what the refinement measures; atoms are (n, 14, 3), NaN where absent."""

from pathlib import Path

import numpy as np
from scipy.ndimage import map_coordinates

from emodelx.constants import AMINO_ACIDS, HEAVY_ATOMS

TABLES = Path(__file__).resolve().parents[3] / "rust/core/data/refine"
CLASSES = ("general", "glycine", "proline", "pre-proline")
MASK = 2.5


def rows(kind):
    """Group, atom names, mean of the table's lines of a kind."""
    for line in (TABLES / "geometry.txt").read_text().splitlines():
        first, group, *names, mean, _ = line.split()
        if first == kind:
            yield group, names, float(mean)


def found(types, atoms, kind):
    """Positions of the atoms of every line of a kind, for one chain of trans peptides, with its mean."""
    for group, names, mean in rows(kind):
        for r in range(len(types)):
            proline = r + 1 < len(types) and AMINO_ACIDS[types[r + 1]] == "P"
            link = group == ("trans-proline" if proline else "trans") and r + 1 < len(types)
            if link or group == AMINO_ACIDS[types[r]]:
                places = [(r + name.startswith("+"), name.lstrip("+")) for name in names]
                points = [atoms[i, HEAVY_ATOMS[AMINO_ACIDS[types[i]]].split().index(name)] for i, name in places]
                if np.isfinite(points).all():
                    yield points, mean


def bond_rms(types, atoms):
    """Of all bonds, in Angstrom."""
    off = [np.linalg.norm(a - b) - mean for (a, b), mean in found(types, atoms, "bond")]
    return np.sqrt(np.mean(np.square(off)))


def torsion(a, b, c, d):
    """In degrees."""
    n1, n2 = np.cross(b - a, c - b), np.cross(c - b, d - c)
    axis = (c - b) / np.linalg.norm(c - b)
    return np.degrees(np.arctan2(np.cross(n1, n2) @ axis, n1 @ n2))


def ramachandran(types, atoms):
    """Number of residues with phi and psi, of favoured ones and of outliers."""
    lines = (TABLES / "ramachandran.txt").read_text().splitlines()
    maps = {}
    for start in range(0, len(lines), 49):
        name, favoured, allowed = lines[start].split()
        grid = np.array([line.split() for line in lines[start + 1 : start + 49]], float) / 100
        maps[name] = grid, float(favoured), float(allowed)
    counts = np.zeros(3, int)
    for r in range(1, len(types) - 1):
        own, after = AMINO_ACIDS[types[r]], AMINO_ACIDS[types[r + 1]]
        name = {"G": "glycine", "P": "proline"}.get(own, "pre-proline" if after == "P" else "general")
        n, ca, c = atoms[r, :3]
        angles = torsion(atoms[r - 1, 2], n, ca, c), torsion(n, ca, c, atoms[r + 1, 0])
        grid, favoured, allowed = maps[name]
        at = (np.array(angles) + 180) / 7.5
        energy = map_coordinates(grid, at[:, None], order=3, prefilter=False, mode="grid-wrap")[0]
        counts += [1, energy <= favoured, energy > allowed]
    return tuple(counts.tolist())


def correlation(points, weights, values, spacing, blur):
    """Of a map with Gaussian atoms over the voxels near them; the atoms are cut off nowhere."""
    axes = np.meshgrid(*(np.arange(n) * s for n, s in zip(values.shape, spacing, strict=True)), indexing="ij")
    voxels = np.stack(axes, axis=-1)
    model, near = np.zeros(values.shape), np.zeros(values.shape, bool)
    for point, weight in zip(points, weights, strict=True):
        squared = ((voxels - point) ** 2).sum(axis=-1)
        model += weight * np.exp(-squared / (2 * blur**2))
        near |= squared < MASK**2
    return np.corrcoef(model[near], values[near])[0, 1]
