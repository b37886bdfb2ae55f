"""Slow, obvious twin of the walks over candidates: all probabilities in dense arrays."""

from dataclasses import dataclass
from math import exp, log

import numpy as np

LINK_SLOPE = 32.0
LEAST_ODDS = 0.01
DEAD_END = 0.3
UNSEEN = 0.05
BENDS = ((4.2, 0.02), (4.7, 0.5), (6.6, 2.5), (7.3, 1.0), (7.9, 0.3), (np.inf, 0.02))
JUMP_RANGE = (4.7, 7.6)
JUMP_PROBABILITY = 0.05
JUMP_CHOICES = 10


@dataclass(frozen=True)
class Walks:
    """Step probabilities over n candidates.

    step[k, c, y] is that of a walk which came to k from c and goes on to y; c = n is "from nowhere".
    linked[k, y] and jumps[k, y] tell where steps and jumps may lead.
    """

    step: np.ndarray
    linked: np.ndarray
    jumps: np.ndarray

    @property
    def jump(self):
        """Probability of each jump."""
        return self.jumps * JUMP_PROBABILITY / JUMP_CHOICES


def walks(points, H, bends=None):
    """The walks over candidates with the dense likelihood `H`, 0 where there is no link.

    `bends` are the odds of triples (before, middle, after) that were looked at.
    """
    n = len(points)
    distance = np.linalg.norm(points[:, None] - points[None], axis=2)
    reference = reference_likelihood(H)
    least = reference + log(LEAST_ODDS) / LINK_SLOPE
    linked = (H > 0) & (least <= H)
    step = np.zeros((n, n + 1, n))
    for k in range(n):
        around = np.flatnonzero(linked[k])
        for came in [n, *around]:
            weight = {y: exp(LINK_SLOPE * (float(H[k, y]) - reference)) for y in around if y != came}
            if came != n:
                weight = {y: odds * bend(distance[came, y]) for y, odds in weight.items()}
                if bends:
                    weight = {y: odds * bends.get((came, k, y), UNSEEN) for y, odds in weight.items()}
            for y in weight:
                step[k, came, y] = (1 - JUMP_PROBABILITY) * weight[y] / (DEAD_END + sum(weight.values()))
    jumps = (distance >= JUMP_RANGE[0]) & (distance < JUMP_RANGE[1])
    return Walks(step, linked, jumps)


def reference_likelihood(H):
    """The likelihood of the n-th best link of n candidates, or of the last."""
    links = sorted(H[np.triu(H) > 0], reverse=True)
    return float(links[min(len(H), len(links)) - 1]) if links else 0.0


def bend(distance):
    """Odds that candidates at this distance are residues i and i + 2."""
    return next(odds for furthest, odds in BENDS if distance < furthest)
