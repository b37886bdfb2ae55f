"""Slow, obvious twin of the tracing of loops: every way kept as a list of its points, every distance to all residues.

Chains are (numbers (n,), points (n, 3)) in voxels; the field is clipped and read between its voxels, and so is what it
costs to come near placed residues.
"""

import itertools

import numpy as np
from oracle.bridge import STEP, directions

LONGEST = 30
BEAM, ALIKE, CELL = 600, 3, 1.5
BENDS = (4.8, 7.3)
APART = 4.2
CROWDED, CROWDING, CLASH, NEAR_END = 4.5, 1.5, 2.9, 4.2
DARK = -1.0
STRAIGHT, SLACK, LAST = 0.97, 0.4, (3.0, 4.3)
TEMPERATURE, AGREE = 3.0, 3.0


def trace(field, chains):
    """(chain, first number, points, agreement) of every loop, the shortest first."""
    placed = [point for _, points in chains for point in points]
    values = sorted(interpolated(lambda v: voxel_of(field, v, 0.0), point) for point in placed)
    bright = max(values[len(values) // 2], 0.0)
    gaps = [
        (int(numbers[i + 1] - numbers[i]) - 1, c, i)
        for c, (numbers, _) in enumerate(chains)
        for i in range(1, len(numbers) - 1)
        if numbers[i - 1] == numbers[i] - 1 and 1 <= numbers[i + 1] - numbers[i] - 1 <= LONGEST
    ]
    found = []
    for missing, c, i in sorted(gaps):
        numbers, points = chains[c]
        loop = one_loop(field, bright, placed, points[i - 1 : i + 2], missing)
        if loop is not None:
            placed = [*placed, *loop[0]]
            found.append((c, int(numbers[i]) + 1, *loop))
    return found


def one_loop(field, bright, placed, ends, missing):
    placed = np.array(placed)
    earlier, start, goal = ends

    def height(voxel):
        return np.clip(voxel_of(field, voxel, DARK), DARK, np.float32(bright))

    def cost(voxel):
        return max(CROWDING * (CROWDED - np.linalg.norm(placed - voxel, axis=1).min()), 0.0)

    ways = [(0.0, [earlier, start])]
    for left in range(missing, 0, -1):
        longer = []
        for score, way in ways:
            for direction in directions():
                point = way[-1] + STEP * direction
                if not BENDS[0] <= np.linalg.norm(point - way[-2]) < BENDS[1] or not reaches(point, goal, left):
                    continue
                if any(np.linalg.norm(point - other) < APART for other in way[1:-1]):
                    continue
                near = min(np.linalg.norm(point - end) for end in (start, goal)) < NEAR_END
                crowd = 0.0 if near else interpolated(cost, point)
                if crowd >= CROWDING * (CROWDED - CLASH):
                    continue
                on_way = [interpolated(height, way[-1] + STEP * part * direction) for part in (1 / 3, 2 / 3)]
                gain = interpolated(height, point) + 0.5 * sum(on_way) - crowd
                longer.append((score + gain, [*way, point]))
        ways = pruned(longer)
    return most_agreed([(score, np.array(way[2:])) for score, way in ways])


def reaches(point, goal, steps):
    shortest = LAST[steps - 1] if steps <= len(LAST) else 0.0
    return shortest <= np.linalg.norm(point - goal) <= STRAIGHT * STEP * steps + SLACK


def voxel_of(volume, voxel, outside):
    inside = all(0 <= v < n for v, n in zip(voxel, volume.shape, strict=True))
    return float(volume[tuple(int(v) for v in voxel)]) if inside else outside


def interpolated(value_of, point):
    low = np.floor(point)
    total = 0.0
    for upper in itertools.product((0, 1), repeat=3):
        share = np.prod(np.where(upper, point - low, 1 - (point - low)))
        total += share * value_of(low + upper)
    return total


def pruned(ways):
    kept, held = [], {}
    for score, way in sorted(ways, key=lambda way: -way[0]):
        cell = tuple(np.rint(way[-1] / CELL).astype(int))
        held[cell] = held.get(cell, 0) + 1
        if held[cell] <= ALIKE and len(kept) < BEAM:
            kept.append((score, way))
    return kept


def most_agreed(ways):
    if not ways:
        return None
    likely = np.exp((np.array([score for score, _ in ways]) - max(score for score, _ in ways)) / TEMPERATURE)
    shares = []
    for _, way in ways:
        agree = np.array([np.linalg.norm(other - way, axis=1) < AGREE for _, other in ways])
        shares.append((likely[:, None] * agree).sum(axis=0) / likely.sum())
    best = max(range(len(ways)), key=lambda i: shares[i].sum())
    return ways[best][1], shares[best]
