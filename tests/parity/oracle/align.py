"""Slow, obvious twins of the alignment: dense forward and backward sums, and all walks written down.

`emission[k, j]` is the odds of candidate k at place j, 0 where it cannot be it.
"""

import numpy as np

CERTAIN = 5e4
KNOWN_ODDS = 10.0
MARGIN = 36
LANES, LEAST_WINDOW, WINDOW = 8, 16, 64
SEPARATION = 2
UNKNOWN, OUTSIDE = 20, 21


def layout(sequences):
    """Codes of all places, each sequence followed by two places outside, and the place where each begins."""
    codes, starts = [], []
    for sequence in sequences:
        starts.append(len(codes))
        codes += [UNKNOWN if c < 0 else int(c) for c in sequence] + [OUTSIDE] * SEPARATION
    return np.array(codes), starts


def emissions(odds, codes, known=(), full=()):
    """Odds of every candidate at every place, shape (n, places).

    `known` pairs (place, candidate) leave a candidate no other place; `full` places take no other candidate.
    """
    by_code = np.column_stack([odds.astype(float), np.ones(len(odds)), np.zeros(len(odds))])
    emission = by_code[:, codes]
    emission[:, list(full)] = 0
    for place, k in known:
        emission[k] = KNOWN_ODDS * (np.arange(len(codes)) == place)
    return emission


def posterior(walks, emission):
    """Posterior of every candidate at every place, shape (n, places), window by window."""
    places = emission.shape[1]
    window = int(np.clip(-(-places // LANES), LEAST_WINDOW, WINDOW))
    through = np.zeros_like(emission)
    for first in range(0, places, window):
        core = slice(first, min(first + window, places))
        before = forward(walks, emission, range(max(first - MARGIN, 0), core.stop))
        onward = backward(walks, emission, range(first, min(first + window + MARGIN, places)))
        through[:, core] = (before[core] * onward[core]).sum(2).T
    return through / (through.sum(1, keepdims=True) + places)


def forward(walks, emission, places):
    """F[j, k, c]: sum over the walks that begin in `places` and arrive at k from c at place j."""
    n, count = emission.shape
    F = np.zeros((count + 2, n, n + 1))  # F[-1] and F[-2] stay 0: nothing comes from before the first place
    for j in places:
        F[j, :, :n] = np.einsum("kc,kcy->yk", F[j - 1], walks.step)
        F[j, :, n] = 1 + walks.jump @ F[j - 2].sum(1)
        F[j] = np.minimum(F[j] * emission[:, j, None], CERTAIN)
    return F


def backward(walks, emission, places):
    """G[j, k, c]: sum over the ways on, within `places`, of a walk that arrived at k from c at place j."""
    n, count = emission.shape
    G = np.zeros((count, n, n + 1))
    B = np.zeros((count + 2, n, n + 1))  # the same with the odds of k at j, bounded
    for j in reversed(places):
        G[j] = 1 + (walks.jump @ B[j + 2, :, n])[:, None] + np.einsum("yk,kcy->kc", B[j + 1, :, :n], walks.step)
        B[j] = np.minimum(G[j] * emission[:, j, None], CERTAIN)
    return G


def posterior_by_walks(walks, emission):
    """The same, without bounds and windows, from every single walk."""
    n, places = emission.shape
    through = np.zeros_like(emission)
    for k in range(n):
        for j in range(places):
            for weight, path in all_walks(walks, emission, [(k, j)], n, 1.0):
                for at in path:
                    through[at] += weight
    return through / (through.sum(1, keepdims=True) + places)


def all_walks(walks, emission, path, came, weight):
    """Weight and path of `path`, which came to its end from `came`, and of every walk that goes on from it."""
    n, places = emission.shape
    k, j = path[-1]
    weight *= emission[k, j]
    found = [(weight, path)]
    for reach, probabilities, onward_came in ((1, walks.step[k, came], k), (2, walks.jump[k], n)):
        if j + reach < places:
            for y in np.flatnonzero(probabilities):
                longer = [*path, (y, j + reach)]
                found += all_walks(walks, emission, longer, onward_came, weight * probabilities[y])
    return found
