"""Slow, obvious twin of trace sampling: all walks written down, a dense matrix per hop."""

from itertools import pairwise

import numpy as np


def hops(H, count, neighbours, floor):
    """H(1) .. H(count) of eq. 25, shape (count, n, n); entry [n - 1, k', k].

    `H` is a dense symmetric likelihood, 0 where there is no link.
    """
    n = len(H)
    best = np.zeros((count, n, n))
    for walk in (w for start in range(n) for w in walks([start], H, count, neighbours)):
        factors = [max(H[a, b], np.float32(floor)) for a, b in pairwise(walk)]
        links = len(factors) - 1
        best[links, walk[0], walk[-1]] = max(best[links, walk[0], walk[-1]], np.prod(factors, dtype=float))
    total = best.sum(1, keepdims=True)
    return np.divide(best, total, out=np.zeros_like(best), where=total > 0)


def walks(walk, H, count, neighbours):
    """All walks of 1 to `count` links that go on from `walk` along best links and visit no candidate twice."""
    if len(walk) > count:
        return []
    found = []
    for following in best_links(H[walk[-1]], neighbours):
        if following not in walk:
            longer = [*walk, following]
            found += [longer, *walks(longer, H, count, neighbours)]
    return found


def best_links(row, neighbours):
    """Indices of the highest entries of a row of H that are links; equal ones by index."""
    linked = sorted(np.flatnonzero(row), key=lambda j: (-row[j], j))
    return linked[:neighbours]
