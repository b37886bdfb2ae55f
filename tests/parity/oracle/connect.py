"""Slow, obvious twin of the search for ways: all candidates are asked again and again what makes them cheaper."""

import numpy as np


def costs(steps, end):
    """Lowest cost of reaching every candidate from `end`.

    `steps` is a dense matrix of costs, infinite where there is no step.
    """
    best = np.full(len(steps), np.inf)
    best[end] = 0
    for _ in range(len(steps)):
        best = np.minimum(best, (best[:, None] + steps).min(axis=0))
    return best


def free_steps(positions, H, reference, ends, starts, held):
    """Cost of every step, dense: a link, or a jump over a residue without a candidate, whichever costs less."""
    n = len(positions)
    steps = np.full((n, n), np.inf)
    for i in range(n):
        for j in range(n):
            if (i in held and i not in ends) or (j in held and j not in starts):
                continue
            if H[i, j] > 0:
                log_odds = min(max(32.0 * (H[i, j] - reference), -4.0), 1.5)
                steps[i, j] = np.log(1 + np.exp(-log_odds))
            if 4.7 <= np.linalg.norm(positions[i] - positions[j]) <= 7.6:
                steps[i, j] = min(steps[i, j], 5.0)
    return steps
