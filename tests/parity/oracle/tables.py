"""The tables of the core, read as text, and atoms from bonds, angles and torsions (radians)."""

import ast
from functools import cache
from pathlib import Path

import numpy as np

from emodelx.constants import AMINO_ACIDS

FOLDER = Path(__file__).resolve().parents[3] / "rust/core/data"
GLYCINE, PROLINE = AMINO_ACIDS.index("G"), AMINO_ACIDS.index("P")


@cache
def table(name):
    return np.array(ast.literal_eval((FOLDER / f"{name}.in").read_text()), np.float32).astype(float)


def wrap(angle):
    return angle - 2 * np.pi * np.round(angle / (2 * np.pi))


def unit(vector):
    return vector / np.linalg.norm(vector, axis=-1, keepdims=True)


def across(vector, axis):
    return unit(vector - (vector * axis).sum(-1, keepdims=True) * axis)


def angle(a, b, c):
    return np.arccos(np.clip((unit(a - b) * unit(c - b)).sum(-1), -1, 1))


def torsion(a, b, c, d):
    axis = unit(c - b)
    p, q = across(a - b, axis), across(d - c, axis)
    return np.arctan2((np.cross(axis, p) * q).sum(-1), (p * q).sum(-1))


def place(a, b, c, bond, bend, twist):
    forward = unit(c - b)
    side = across(a - b, forward)
    out = np.cos(twist) * side + np.sin(twist) * np.cross(forward, side)
    return c + bond * (np.sin(bend) * out - np.cos(bend) * forward)


def ramachandran(own, after, phi, psi):
    """-ln of the density of phi and psi, between the four bins around."""
    kind = 1 if own == GLYCINE else 2 if own == PROLINE else 3 if after == PROLINE else 0
    (i, f), (j, g) = (divmod((np.degrees(a) + 180) / 10 - 0.5, 1) for a in (phi, psi))
    i, j, values = i.astype(int), j.astype(int), table("ramachandran")[kind]
    corner = [values[(i + a) % 36, (j + b) % 36] * abs(1 - a - f) * abs(1 - b - g) for a in (0, 1) for b in (0, 1)]
    return sum(corner)


def read(field, points):
    """Trilinear interpolation; voxels outside are 0."""
    values, origin, spacing = field
    padded = np.pad(values.astype(float), 1)
    grid = (points - origin) / np.asarray(spacing) + 1
    low = np.floor(grid).astype(int)
    total = 0
    for corner in np.ndindex(2, 2, 2):
        voxel = low + corner
        inside = ((voxel >= 0) & (voxel < padded.shape)).all(axis=-1)
        share = np.prod(np.abs(1 - np.array(corner) - (grid - low)), axis=-1)
        total = total + np.where(inside, share * padded[tuple(np.where(inside[..., None], voxel, 0).T)].T, 0)
    return total


def local_scale(values, reach=8):
    values = np.maximum(values, 0)
    around = [values[max(i - reach, 0) : i + reach + 1].mean() for i in range(len(values))]
    return np.maximum(around, max(0.3 * values.mean(), np.sqrt(np.finfo(float).tiny)))
