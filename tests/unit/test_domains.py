"""Domains by contacts."""

import numpy as np

from emodelx.domains import SMALLEST, split_domains


def globule(rng, count, centre):
    directions = rng.normal(size=(count, 3))
    radius = 14 * rng.uniform(size=(count, 1)) ** (1 / 3)
    return directions / np.linalg.norm(directions, axis=1, keepdims=True) * radius + centre


def test_two_globules_are_two_domains():
    rng = np.random.default_rng(0)
    points = np.concatenate([globule(rng, 100, 0), globule(rng, 80, [40, 0, 0])])
    label = split_domains(points)
    assert len(np.unique(label)) == 2
    assert len(np.unique(label[:95])) == len(np.unique(label[105:])) == 1


def test_small_structures_stay_whole():
    rng = np.random.default_rng(0)
    points = np.concatenate([globule(rng, SMALLEST - 5, 0), globule(rng, SMALLEST - 5, [60, 0, 0])])
    assert not split_domains(points).any()
    assert not split_domains(points[: 2 * SMALLEST - 11]).any()
    assert len(split_domains(points[:1])) == 1
