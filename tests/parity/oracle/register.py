"""Slow, obvious twin of the greedy growth of runs."""

from collections import Counter

import numpy as np


def runs(best, walks, copies, growth):
    """Runs, each a list of (place, candidate), the one with the highest sum of posteriors first.

    best : (place, posterior as float32) of the best match of every candidate
    copies : how often each place may be used
    growth : shortest run, lowest posterior of a match that extends it, lowest mean
    """
    taken, found = set(), []
    for seed in sorted(range(len(best)), key=lambda k: (-best[k][1], k)):
        if seed not in taken and best[seed][1] > 0:
            run = grown(seed, best, walks, taken, growth)
            good = is_good(run, best, growth)
            taken |= {k for _, k in run} if good else {seed}
            found += [run] if good else []
    found.sort(key=lambda run: (-expected(run, best), run[0][0]))
    used = Counter()
    return [piece for run in found for piece in cut(run, best, copies, growth, used)]


def grown(seed, best, walks, taken, growth):
    """The run through the best match of `seed`, as far as it goes in each direction."""
    members = {(best[seed][0], seed)}
    for direction in (1, -1):
        trail = [(best[seed][0], seed)]
        while trail[-1] is not None:
            free = set(range(len(best))) - taken - {k for _, k in members}
            trail.append(following(trail, direction, free, best, walks, growth))
            members |= {trail[-1]} - {None}
    return sorted(members)


def following(trail, direction, free, best, walks, growth):
    """The free candidate that agrees to be next: by the best step and posterior, else the best to jump to."""
    place, k = trail[-1]
    came = trail[-2][1] if len(trail) > 1 and walks.linked[k, trail[-2][1]] else len(best)

    def agreeing(allowed, at):
        return [y for y in free if allowed[y] and best[y][0] == at and best[y][1] >= np.float32(growth[1])]

    if steps := agreeing(walks.linked[k], place + direction):
        return place + direction, max(steps, key=lambda y: (walks.step[k, came, y] * best[y][1], -y))
    if jumps := agreeing(walks.jumps[k], place + 2 * direction):
        return place + 2 * direction, max(jumps, key=lambda y: (best[y][1], -y))
    return None


def expected(run, best):
    """Sum of posteriors, rounded as the core does it."""
    total = np.float32(0)
    for _, k in run:
        total += best[k][1]
    return total


def is_good(run, best, growth):
    shortest, _, lowest_mean = growth
    return len(run) >= shortest and expected(run, best) >= np.float32(lowest_mean) * np.float32(len(run))


def cut(run, best, copies, growth, used):
    """The good pieces of a run between places that are used up; counts what they use."""
    pieces = [[]]
    for place, k in run:
        if used[place] < copies[place]:
            pieces[-1].append((place, k))
        else:
            pieces.append([])
    kept = [piece for piece in pieces if piece and is_good(piece, best, growth)]
    used.update(place for piece in kept for place, _ in piece)
    return kept
