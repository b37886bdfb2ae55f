"""Slow, obvious twins of peak finding and of the refinement of candidates."""

from itertools import product

import numpy as np

CUBE = list(product((-1, 0, 1), repeat=3))


def find_peaks(ca_prob, voxels, radius):
    """Flat indices of the voxels that no voxel within `radius` exceeds; of equal ones the first stays."""
    everywhere = np.argwhere(np.ones(ca_prob.shape, bool))
    values = ca_prob.ravel()
    near = {v: np.flatnonzero(((everywhere - everywhere[v]) ** 2).sum(1) <= radius**2) for v in voxels}
    highest = [v for v in voxels if (values[near[v]] <= values[v]).all()]
    kept = []
    for voxel in highest:
        if not set(near[voxel]) & set(kept):
            kept.append(voxel)
    return np.array(kept, np.int64)


def refine(ca_prob, voxel, type_voxels, type_prob):
    """Centroid (eq. 10) and mean amino-acid probabilities of the 3x3x3 voxels around one flat index."""
    known = dict(zip(type_voxels.tolist(), type_prob.astype(float), strict=True))
    centre = np.array(np.unravel_index(voxel, ca_prob.shape))
    position, types, total = np.zeros(3), np.zeros(20), 0.0
    for shift in CUBE:
        at = centre + shift
        if (at < 0).any() or (at >= ca_prob.shape).any():
            continue
        weight = float(ca_prob[tuple(at)])
        position += weight * at
        types += weight * known.get(int(np.ravel_multi_index(at, ca_prob.shape)), np.full(20, 0.05))
        total += weight
    if total == 0:
        return centre.astype(float), known.get(int(voxel), np.full(20, 0.05))
    return position / total, types / total
