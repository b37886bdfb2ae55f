"""Slow, obvious twin of extension: the same search, every extension kept as a list of its points."""

import numpy as np
from oracle.bridge import CLASH, LEAST_BEND, STEP, Search, directions, known, pruned
from oracle.walks import bend

LONGEST, BEAM = 4, 12
STEP_GAIN, LEAST_GAIN = 4.0, 2.0


def extend(chains, ca_prob, bb_prob):
    """(chain, first residue, points, support) of every extension, the shortest first."""
    placed = np.concatenate([points[known(points)] for points, _ in chains])
    found = []
    for c, (points, expected) in enumerate(chains):
        if not known(points).any():
            continue
        for direction in (1, -1):
            # An end is the last residue of the chain as it stands, or of the chain read backwards.
            search = Search(points[::direction], expected[::direction], placed, ca_prob, bb_prob)
            last = np.flatnonzero(known(search.points))[-1]
            way = beyond(search, last)
            if way is not None:
                first = last + 1 if direction == 1 else len(points) - last - len(way)
                found.append((c, first, np.array(way[1:])[::direction], search.support(way)))
    kept = []
    for this in sorted(found, key=lambda b: (len(b[2]), b[0], b[1])):
        near = [np.linalg.norm(this[2][:, None] - other[2], axis=2).min() < CLASH for other in kept]
        kept += [] if any(near) else [this]
    return kept


def beyond(search, last):
    """The best way on from the last residue; None where nothing is gained."""
    ways, best = [(0.0, [search.points[last]])], (0.0, None)
    for residue in range(last + 1, min(last + 1 + LONGEST, len(search.points))):
        longer = [
            (score + gain + STEP_GAIN, [*way, point])
            for score, way in ways
            for gain, point in steps(search, way, last, residue)
        ]
        ways = pruned(longer, BEAM)
        best = max([best, *ways], key=lambda w: w[0])
    return best[1] if best[0] >= LEAST_GAIN else None


def steps(search, way, last, residue):
    """Gain and end of every step that goes on from a way."""
    earlier = search.earlier(way, last)
    for point in way[-1] + STEP * directions():
        odds = 1.0 if earlier is None else bend(np.linalg.norm(earlier - point))
        taken = np.concatenate([search.placed, way[1:]]) if len(way) > 1 else search.placed
        if odds >= LEAST_BEND and (np.linalg.norm(taken - point, axis=1) >= CLASH).all():
            yield search.gain(odds, way[-1], point, residue), point
