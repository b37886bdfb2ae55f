"""Planted symmetric complexes: candidates with types, among false ones and with some missing."""

from dataclasses import dataclass

import numpy as np
from folds import folded, moved
from scipy.spatial.transform import Rotation

from emodelx.point_groups import rotations_of
from emodelx.records import Candidates, Symmetry

SURE = 0.5
"""Probability of the type that is read."""


@dataclass(frozen=True)
class Complex:
    """Candidates of a complex; copy and residue of each, -1 for a false one."""

    candidates: Candidates
    truth: Symmetry
    copy: np.ndarray
    residue: np.ndarray
    codes: np.ndarray


def plant_complex(group, seed, *, size=1, error=0.4, missing=0.1, false=0.1, accuracy=0.5, alike=1.0):
    """Images of a unit of `size` folded chains under a group at a random place and orientation.

    `alike` is the share of residues whose type is the same in all copies.
    """
    rng = np.random.default_rng(seed)
    rotations = rotations_of(group)
    unit = np.concatenate([moved(rng, folded(seed + i), np.array([0.0, 25 * i, 0])) for i in range(size)])
    radius = 16 + 6 * len(rotations) ** 0.5
    unit = unit + radius * _direction(rng)
    turn, centre = Rotation.random(random_state=seed).as_matrix(), rng.uniform(-50, 200, 3)
    truth = Symmetry(group, turn @ rotations @ turn.T, centre)
    true = truth.images(unit + centre)
    codes = np.tile(rng.integers(0, 20, len(unit)), (len(rotations), 1))
    other = rng.random(codes.shape) >= alike
    codes[other] = rng.integers(0, 20, other.sum())
    points = true.reshape(-1, 3) + rng.normal(0, error / 3**0.5, (true.size // 3, 3))
    kept = rng.random(len(points)) >= missing
    wrong = points[rng.choice(len(points), int(false * len(points)))] + 6 * _direction(rng, int(false * len(points)))
    copy, residue = np.divmod(np.arange(len(points))[kept], len(unit))
    types = np.concatenate([codes.ravel()[kept], rng.integers(0, 20, len(wrong))])
    ones = np.ones(len(types), np.float32)
    candidates = Candidates(np.concatenate([points[kept], wrong]), ones, ones, read(rng, types, accuracy))
    none = np.full(len(wrong), -1)
    return Complex(candidates, truth, np.append(copy, none), np.append(residue, none), codes)


def read(rng, types, accuracy):
    """Types as a network reads them: with errors, and no surer than it is right."""
    seen = np.where(rng.random(len(types)) < accuracy, types, rng.integers(0, 20, len(types)))
    probability = np.full((len(types), 20), (1 - SURE) / 19, np.float32)
    probability[np.arange(len(types)), seen] = SURE
    return probability


def _direction(rng, *count):
    vector = rng.normal(size=(*count, 3))
    return vector / np.linalg.norm(vector, axis=-1, keepdims=True)


def misfit(found, truth):
    """Largest angle in degrees between rotations of two symmetries of one group, and distance in Angstrom of centres.

    What a cyclic group leaves open, the place along its axis, is left out.
    """
    cosine = (np.einsum("gij,hij->gh", found.rotations, truth.rotations).max(axis=1) - 1) / 2
    off = np.mean([rotation @ (found.centre - truth.centre) for rotation in truth.rotations], axis=0)
    return np.degrees(np.arccos(np.clip(cosine.min(), -1, 1))), np.linalg.norm(found.centre - truth.centre - off)
