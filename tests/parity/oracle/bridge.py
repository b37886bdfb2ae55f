"""Slow, obvious twin of bridging: the same search, every bridge kept as a list of its points.

Positions are in voxels; chains are (positions (length, 3), expected (length, 3)), NaN where unknown.
"""

from itertools import pairwise

import numpy as np
from oracle.walks import bend

STEP, SLACK, STRETCH = 3.8, 0.8, 0.35
LONGEST = 8
DIRECTIONS, BEAM = 96, 32
CLASH = 3.2
LEAST_CALPHA, LEAST_MAIN_CHAIN = np.float32(0.02), np.float32(0.05)
LEAST_BEND = 0.1
READ_AT = (0.25, 0.5, 0.75)
SYMMETRY_WIDTH, LEAST_SYMMETRY = 1.5, -4.0


def bridge(chains, ca_prob, bb_prob):
    """(chain, first residue, points, support) of every bridge, the shortest first."""
    placed = np.concatenate([points[known(points)] for points, _ in chains])
    found = []
    for c, (points, expected) in enumerate(chains):
        at = np.flatnonzero(known(points))
        for before, after in pairwise(at):
            if 2 <= after - before <= LONGEST + 1:
                search = Search(points, expected, placed, ca_prob, bb_prob)
                way = search.best(before, after)
                if way is not None:
                    found.append((c, before + 1, np.array(way[1:]), search.support([*way, points[after]])))
    kept = []
    for this in sorted(found, key=lambda b: (len(b[2]), b[0], b[1])):
        near = [np.linalg.norm(this[2][:, None] - other[2], axis=2).min() < CLASH for other in kept]
        kept += [] if any(near) else [this]
    return kept


def known(points):
    return np.isfinite(points).all(axis=1)


def directions():
    """Unit vectors on a spiral from pole to pole, each turned by the golden angle."""
    i = np.arange(DIRECTIONS)
    z = 1 - (2 * i + 1) / DIRECTIONS
    angle, radius = np.pi * (3 - np.sqrt(5)) * i, np.sqrt(1 - z * z)
    return np.column_stack([radius * np.cos(angle), radius * np.sin(angle), z])


def read(volume, point):
    voxel = np.rint(point).astype(int)
    inside = (voxel >= 0).all() and (voxel < volume.shape).all()
    return volume[tuple(voxel)] if inside else np.float32(0)


class Search:
    def __init__(self, points, expected, placed, ca_prob, bb_prob):
        self.points, self.expected, self.placed = points, expected, placed
        self.ca_prob, self.bb_prob = ca_prob, bb_prob

    def best(self, before, after):
        """The best way from the residue before the gap to the last one in it."""
        ways = [(0.0, [self.points[before]])]
        for residue in range(before + 1, after):
            longer = [
                (score + gain, [*way, point])
                for score, way in ways
                for gain, point in self.steps(way, before, after, residue)
            ]
            ways = pruned(longer, BEAM)
        closed = [(score + self.closing(way, before, after), way) for score, way in ways]
        return max(closed, key=lambda w: w[0])[1] if closed else None

    def steps(self, way, before, after, residue):
        """Gain and end of every step that goes on from a way."""
        earlier = self.earlier(way, before)
        for point in way[-1] + STEP * directions():
            odds = 1.0 if earlier is None else bend(np.linalg.norm(earlier - point))
            left = np.linalg.norm(point - self.points[after])
            shortest = STEP - SLACK if after - residue == 1 else 0
            reaches = shortest <= left <= STEP * (after - residue) + SLACK
            if odds >= LEAST_BEND and reaches and (np.linalg.norm(self.placed - point, axis=1) >= CLASH).all():
                yield self.gain(odds, way[-1], point, residue), point

    def gain(self, odds, start, point, residue):
        """Log-odds of a bend, of the map along a step, and of where a symmetric chain has its end."""
        calpha = np.log(read(self.ca_prob, point) + LEAST_CALPHA)
        symmetry = 0.0
        if np.isfinite(self.expected[residue]).all():
            squared = ((self.expected[residue] - point) ** 2).sum()
            symmetry = max(-squared / SYMMETRY_WIDTH**2, LEAST_SYMMETRY)
        return np.log(np.float32(odds)) + (float(calpha) + self.main_chain(start, point)) + symmetry

    def closing(self, way, before, after):
        """Log-odds of the last distance and of both bends at the end."""
        last, goal = way[-1], self.points[after]
        total = self.main_chain(last, goal) - 0.5 * ((np.linalg.norm(last - goal) - STEP) / STRETCH) ** 2
        beyond = self.points[after + 1] if after + 1 < len(self.points) else np.full(3, np.nan)
        for a, b in ((self.earlier(way, before), goal), (beyond, last)):
            if a is not None and np.isfinite(a).all():
                total += np.log(np.float32(bend(np.linalg.norm(a - b))))
        return total

    def earlier(self, way, before):
        """The residue before the end of a way; None where it is not placed."""
        if len(way) > 1:
            return way[-2]
        return self.points[before - 1] if before > 0 and np.isfinite(self.points[before - 1]).all() else None

    def main_chain(self, a, b):
        """Mean log-probability of main chain between two points."""
        return float(np.mean([np.log(float(read(self.bb_prob, p) + LEAST_MAIN_CHAIN)) for p in between(a, b)]))

    def support(self, way):
        return np.mean([read(self.bb_prob, p) for a, b in pairwise(way) for p in between(a, b)])


def between(a, b):
    return [a + part * (b - a) for part in READ_AT]


def pruned(ways, beam):
    """The best way to every voxel, and of those the best; of equal ones the first."""
    kept = {}
    for score, way in sorted(ways, key=lambda w: -w[0]):
        voxel = tuple(np.floor(way[-1] + 0.5).astype(int))
        if len(kept) < beam:
            kept.setdefault(voxel, (score, way))
    return list(kept.values())
