"""Slow, obvious twin of chains without sequences: beliefs in dictionaries, and all covers of a line written down."""

from itertools import combinations, pairwise

import numpy as np
from oracle.walks import JUMP_RANGE, LINK_SLOPE, UNSEEN, bend, reference_likelihood, walks

END, ALONE, JUMP = 0.05, 0.02, 0.01
MOST_ODDS = 1e4
ROUNDS = 40
LEAST_LINK, MOST_LINK = -4.0, 1.5


def trace(points, H, least_step, least_length, bends=None):
    """(candidates, -1 where one is passed over; probabilities; log-odds of the way) of every path, the longest first.

    `bends` are the odds of triples (before, middle, after) that were looked at.
    """
    probability = steps(points, H, bends)
    taken = {k: [] for k in range(len(points))}
    group = {k: {k} for k in range(len(points))}
    for (a, b), p in sorted(probability.items(), key=lambda s: -s[1]):
        if p >= least_step and len(taken[a]) < 2 and len(taken[b]) < 2 and b not in group[a]:
            taken[a].append(b)
            taken[b].append(a)
            joined = group[a] | group[b]
            group.update(dict.fromkeys(joined, joined))
    jumps = jumped(points, H)
    found, seen = [], set()
    for end, beside in taken.items():
        if len(beside) == 1 and end not in seen:
            found.append(strung(end, taken, probability, jumps))
            seen |= set(found[-1][0])
    found = [path for path in found if sum(k >= 0 for k in path[0]) >= least_length]
    return [turned(*path, bends) for path in sorted(found, key=lambda path: -len(path[0]))]


def turned(members, sure, bends):
    """The path as most of its bends run."""
    triples = [t for t in zip(members, members[1:], members[2:], strict=False) if min(t) >= 0]
    forward = sum(np.log(bends.get(t, UNSEEN) / bends.get(t[::-1], UNSEEN)) for t in triples) if bends else 0.0
    return (members, sure, forward) if forward >= 0 else (members[::-1], sure[::-1], -forward)


def strung(end, taken, probability, jumps):
    """The path that begins at `end`."""
    order = [end]
    while beside := [y for y in taken[order[-1]] if y not in order]:
        order.append(beside[0])
    members, sure = [], []
    for k, after in [*pairwise(order), (order[-1], None)]:
        members.append(k)
        sure.append(np.mean([probability[min(k, y), max(k, y)] for y in taken[k]]))
        if after is not None and jumps[k, after]:
            members.append(-1)
            sure.append(probability[min(k, after), max(k, after)])
    return members, sure


def jumped(points, H):
    """Which pairs are steps over a missing candidate."""
    graph = walks(points, H)
    return graph.jumps & ~graph.linked


def prior(points, H):
    """Odds of every step before its surroundings are known, by pair; both orders."""
    linked, jumps = walks(points, H).linked, jumped(points, H)
    reference = np.float32(reference_likelihood(H))
    odds = {}
    for a in range(len(points)):
        for b in range(len(points)):
            if linked[a, b]:
                odds[a, b] = np.exp(
                    float(np.clip(np.float32(LINK_SLOPE) * (H[a, b] - reference), LEAST_LINK, MOST_LINK))
                )
            elif jumps[a, b]:
                odds[a, b] = JUMP
    return odds


def weight(points, jumps, k, chosen, bends=None):
    """Weight of candidate k when it takes the steps to `chosen`, at most two."""
    if len(chosen) < 2:
        return (ALONE, END)[len(chosen)]
    a, b = chosen
    if jumps[k, a] or jumps[k, b]:
        return 1.0
    looked = np.mean([bends.get(t, UNSEEN) for t in ((a, k, b), (b, k, a))]) if bends else 1.0
    return float(np.float32(bend(np.linalg.norm(points[a] - points[b])) * looked))


def steps(points, H, bends=None):
    """Probability of every step (a, b), a < b, by what candidates tell each other in rounds."""
    odds, jumps = prior(points, H), jumped(points, H)
    around = {k: [b for a, b in odds if a == k] for k in range(len(points))}
    said = dict.fromkeys(odds, 1.0)
    for _ in range(ROUNDS):
        new = {}
        for k, y in odds:
            others = [f for f in around[k] if f != y]
            heard = {f: bounded(odds[k, f] * said[f, k]) for f in others}

            def of(*chosen, k=k):
                return weight(points, jumps, k, chosen, bends)

            with_step = of(y) + sum(of(y, f) * heard[f] for f in others)
            without = of() + sum(of(f) * heard[f] for f in others)
            without += sum(of(f, g) * heard[f] * heard[g] for f, g in combinations(others, 2))
            new[k, y] = bounded(np.sqrt(with_step / without * said[k, y]))
        said = new
    total = {(a, b): odds[a, b] * said[a, b] * said[b, a] for a, b in odds if a < b}
    return {pair: o / (1 + o) for pair, o in total.items()}


def bounded(odds):
    return min(max(odds, 1 / MOST_ODDS), MOST_ODDS)


def exact(points, H):
    """Probability of every step, by all sets of steps that leave each candidate at most two."""
    odds, jumps = prior(points, H), jumped(points, H)
    pairs = [(a, b) for a, b in odds if a < b]
    total, of_pair = 0.0, dict.fromkeys(pairs, 0.0)
    for size in range(len(pairs) + 1):
        for chosen in combinations(pairs, size):
            beside = {k: [b if a == k else a for a, b in chosen if k in (a, b)] for k in range(len(points))}
            if max(map(len, beside.values())) <= 2:
                w = np.prod([odds[pair] for pair in chosen]) * np.prod(
                    [weight(points, jumps, k, beside[k]) for k in beside]
                )
                total += w
                for pair in chosen:
                    of_pair[pair] += w
    return {pair: w / total for pair, w in of_pair.items()}


assert JUMP_RANGE[1] < 2 * 3.85, "the line of the exact test has no jumps"
