"""Slow, obvious twin of the Q-score: one atom, one sphere and one point after the other."""

import math

import numpy as np


def q_scores(values, spacing, atoms):
    """Q of every atom; NaN outside."""
    return np.array([q_score(values, spacing, atoms, i) for i in range(len(atoms))], np.float32)


def q_score(values, spacing, atoms, index):
    atom = atoms[index]
    if trilinear(values, atom / spacing) is None:
        return math.nan
    seen, ideal = [trilinear(values, atom / spacing)] * 8, [1.0] * 8
    for shell in range(1, 21):
        radius = shell * 0.1
        for point in own_points(atoms, index, radius):
            value = trilinear(values, point / spacing)
            seen.append(0.0 if value is None else value)
            ideal.append(math.exp(-0.5 * (radius / 0.6) ** 2))
    if np.ptp(seen) < 1e-9:
        return 0.0
    return np.corrcoef(seen, ideal)[0, 1]


def own_points(atoms, index, radius):
    for count in range(8, 8 + 2 * 96, 2):
        points = [atoms[index] + radius * np.array(direction) for direction in spiral(count)]
        others = np.delete(atoms, index, axis=0)
        own = [p for p in points if all(np.linalg.norm(p - other) >= 0.9 * radius for other in others)]
        if len(own) >= 8:
            break
    return own


def spiral(count):
    turn = 0.0
    for k in range(1, count + 1):
        height = -1 + 2 * (k - 1) / (count - 1)
        turn = 0.0 if k in (1, count) else turn + 3.6 / math.sqrt(count * (1 - height**2))
        across = math.sqrt(max(0.0, 1 - height**2))
        yield across * math.cos(turn), across * math.sin(turn), height


def trilinear(values, place):
    low = np.floor(place).astype(int)
    part = place - low
    total = 0.0
    for corner in np.ndindex(2, 2, 2):
        weight = math.prod(p if up else 1 - p for p, up in zip(part, corner, strict=True))
        if weight > 0:
            voxel = low + corner
            if (voxel < 0).any() or (voxel >= values.shape).any():
                return None
            total += weight * float(values[tuple(voxel)])
    return total
