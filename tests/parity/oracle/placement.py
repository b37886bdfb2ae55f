"""Slow twin of what a placed template is worth."""

import numpy as np

REACH, DEVIATION, DENSITY, RECALL, MOST_TYPE = 2.5, 0.9, 0.008, 0.8, 2.0


def log_odds(points, candidates, odds, codes):
    """Log-odds of residues at `points`: of the candidate next to each, or of the lack of one, and of its type."""
    total = 0.0
    for point, code in zip(points, codes, strict=True):
        apart = np.linalg.norm(candidates - point, axis=1)
        k = int(apart.argmin())
        there = 0.0
        if apart[k] < REACH:
            there = RECALL / DENSITY * np.exp(-0.5 * (apart[k] / DEVIATION) ** 2) / (2 * np.pi * DEVIATION**2) ** 1.5
            total += np.clip(np.log(odds[k, code]), -MOST_TYPE, MOST_TYPE)
        total += np.log(there + 1 - RECALL)
    return total
