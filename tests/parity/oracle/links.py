"""Slow, obvious twin of the connection likelihood: a dense matrix."""

import numpy as np


def likelihood(points, bb_prob, min_distance, max_distance):
    """H of eq. 22 as a dense (n, n) matrix; 0 where the distance is not in [min_distance, max_distance)."""
    n = len(points)
    H = np.zeros((n, n), np.float32)
    for i in range(n):
        for j in range(i + 1, n):
            distance = float(np.sqrt(((points[i] - points[j]) ** 2).sum()))
            if min_distance <= distance < max_distance:
                H[i, j] = H[j, i] = (distance_score(distance) + main_chain_score(points[i], points[j], bb_prob)) / 2
    return H


def distance_score(distance):
    """S_D, eq. 23."""
    return max(min(1 - (abs(distance - 3.8) - 0.5) / 2, 1), 0)


def main_chain_score(a, b, bb_prob):
    """S_B, eq. 24, at the four inner points of five steps."""
    total = 0.0
    for step in (1, 2, 3, 4):
        voxel = np.rint(a + step / 5 * (b - a)).astype(int)
        if (voxel >= 0).all() and (voxel < bb_prob.shape).all():
            total += float(bb_prob[tuple(voxel)])
    return total / 4
