"""Slow twin of what a pose of a body is worth."""

import numpy as np
from scipy.ndimage import map_coordinates

CALPHA, PEPTIDE, LONGEST_STEP, BISECTOR = 1.0, 3.0, 6.0, 5.0


def sites(numbers, points, sides):
    """Points and weights: Calphas, peptides between consecutive residues, side chains of residues inside a run."""
    found = [(point, CALPHA) for point in points]
    joined = [
        numbers[i + 1] == numbers[i] + 1 and np.linalg.norm(points[i + 1] - points[i]) < LONGEST_STEP
        for i in range(len(points) - 1)
    ]
    found += [((points[i] + points[i + 1]) / 2, PEPTIDE) for i in np.flatnonzero(joined)]
    for i in range(1, len(points) - 1):
        if joined[i - 1] and joined[i] and sides[i, 0] > 0:
            out = (2 * points[i] - points[i - 1] - points[i + 1]) * sides[i, 1] / BISECTOR
            found.append((points[i] + out, sides[i, 0]))
    weights = np.array([weight for _, weight in found])
    return np.array([point for point, _ in found]), weights / weights.sum()


def worth(field, numbers, points, sides):
    """Mean of the field, a cubic spline of its voxels, over the sites."""
    at, weights = sites(numbers, points, sides)
    return float(weights @ map_coordinates(field.astype(np.float64), at.T, order=3, prefilter=False, cval=0.0))
