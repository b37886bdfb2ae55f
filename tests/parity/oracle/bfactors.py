"""Slow, obvious twin of the fit of B factors: every voxel and every atom, and gradients by small steps."""

import numpy as np


def density(density, atoms, profiles, b_factors):
    """The model's density at the voxels that count. Shape (m,)."""
    _, inside, spacing = density
    positions, kinds, residues = atoms
    table, b_step, square_step = profiles
    places = np.argwhere(inside) * np.array(spacing)
    total = np.zeros(len(places))
    for position, kind, residue in zip(positions, kinds, residues, strict=True):
        square = ((places - position) ** 2).sum(axis=1) / square_step
        row = b_factors[residue] / b_step
        low = min(int(row), table.shape[1] - 2)
        profile = table[kind, low] + (row - low) * (table[kind, low + 1] - table[kind, low])
        grid = np.arange(table.shape[2])
        total += np.where(square < grid[-1], np.interp(square, grid, profile), 0)
    return total


def correlation(given, atoms, profiles, b_factors):
    return np.corrcoef(given[0][given[1]], density(given, atoms, profiles, b_factors))[0, 1]


def slopes(given, atoms, profiles, b_factors, step=0.01):
    """Change of the correlation with every B factor."""
    found = []
    for residue in range(len(b_factors)):
        up, down = b_factors.copy(), b_factors.copy()
        up[residue] += step
        down[residue] -= step
        ends = [correlation(given, atoms, profiles, b) for b in (up, down)]
        found.append((ends[0] - ends[1]) / (2 * step))
    return np.array(found)
