"""Orbits: candidates that the symmetry takes onto each other are averaged, and missing images added."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates
from scipy.spatial import KDTree

from emodelx.config import RunConfig
from emodelx.operators import NEAR
from emodelx.records import Candidates, Floats, Ints, Orbits, Points, Prediction, Symmetry

LEAST_VOTES = 0.4
"""Share of the copies that must have a candidate for all to get it."""
AROUND = 12
"""Candidates around an image that tell how far the copy is off there."""
MOST_SPREAD = 0.8
"""Deviation in Angstrom of the candidates of an orbit, from which they are of loops that differ from copy to copy (what
lies within 2 A by chance deviates by 1.5); a few candidates may deviate more by chance."""
APART = 2.3
"""Angstrom between candidates of different orbits, as between candidates of one copy."""
CONSENT = 0.5
"""Main-chain probability where an image is missing, against the median at candidates, from which it is added."""


def find_orbits(candidates: Candidates, prediction: Prediction, symmetry: Symmetry, _: RunConfig) -> Orbits:
    """Sort candidates into orbits, and average what was read along each.

    A candidate that most copies have is added to the others where main chain is there; the copies keep the positions
    of their own candidates. Candidates that most copies lack stay as they are, in none of the orbits.

    Parameters
    ----------
    candidates : Candidates
    prediction : Prediction
    symmetry : Symmetry

    Returns
    -------
    Orbits
    """
    tree = KDTree(candidates.positions)
    members = _matched(symmetry.images(candidates.positions), tree)
    seeds = _seeds(members, (members >= 0).sum(axis=0), candidates.bb_score)
    unit = candidates.positions[seeds]
    for _again in range(2):  # a mean has images that its first candidate had not
        unit, members = _means(unit, tree, symmetry)
    votes = (members >= 0).sum(axis=0)
    kept = np.flatnonzero(votes >= LEAST_VOTES * len(symmetry))
    kept = kept[_distinct(unit[kept], symmetry)]
    unit, members = unit[kept], members[:, kept]
    expected = _bent(symmetry.images(unit), members, candidates.positions)
    members = _unshared(_matched(expected, tree), candidates.positions, expected)
    alike = _spread(members, candidates.positions, expected) < MOST_SPREAD * (1 + 1 / (members >= 0).sum(axis=0))
    return _gathered(candidates, prediction, unit[alike], expected[:, alike], members[:, alike])


def _means(points: Points, tree: KDTree, symmetry: Symmetry) -> tuple[Points, Ints]:
    """For points the mean of the candidates at their images, taken back, and those candidates; -1 where none is."""
    members = _matched(symmetry.images(points), tree)
    held = members >= 0
    returned = (tree.data[members] - symmetry.centre) @ symmetry.rotations + symmetry.centre
    count = held.sum(axis=0)[:, None]
    mean = (returned * held[..., None]).sum(axis=0) / np.maximum(count, 1)
    return np.where(count > 0, mean, points), members


def _matched(points: Points, tree: KDTree) -> Ints:
    """The candidate at every point; -1 where there is none."""
    distance, nearest = tree.query(points, distance_upper_bound=NEAR)
    return np.where(np.isfinite(distance), nearest, -1)


def _bent(images: Points, members: Ints, candidates: Points) -> Points:
    """The images, moved by what the candidates around them are off: copies differ where a domain leans."""
    held = members.ravel() >= 0
    off = candidates[members.ravel()[held]] - images.reshape(-1, 3)[held]
    _, around = KDTree(images.reshape(-1, 3)[held]).query(images, min(AROUND, int(held.sum())))
    return images + off[around].mean(axis=2)


def _spread(members: Ints, points: Points, expected: Points) -> NDArray[np.float64]:
    """Deviation of the members of every orbit from where they are expected. Shape (m,)."""
    held = members >= 0
    squared = ((points[members] - expected) ** 2).sum(axis=2)
    return np.sqrt((squared * held).sum(axis=0) / np.maximum(held.sum(axis=0) - 1, 1))


def _seeds(members: Ints, votes: NDArray[np.int64], score: Floats) -> Ints:
    """One candidate of every orbit: the one with the most images, then the highest score."""
    taken = np.zeros(members.shape[1] + 1, np.bool_)  # the last stands for -1
    seeds = []
    for k in np.lexsort((-score, -votes)):
        if not taken[k]:
            seeds.append(k)
            taken[members[:, k]] = taken[k] = True
            taken[-1] = False
    return np.array(seeds, np.int64)


def _distinct(unit: Points, symmetry: Symmetry) -> Ints:
    """Indices of the points without those whose orbit is that of an earlier one."""
    images = symmetry.images(unit).reshape(-1, 3)
    near = KDTree(images).sparse_distance_matrix(KDTree(unit), APART, output_type="ndarray")
    first, other = near["i"] % len(unit), near["j"]
    return np.setdiff1d(np.arange(len(unit)), other[first < other])


def _gathered(candidates: Candidates, prediction: Prediction, unit: Points, expected: Points, members: Ints) -> Orbits:
    """Lay out the whole complex: images of the unit, then the candidates of no orbit."""
    held = members >= 0
    averaged = _averaged(candidates, unit, members)
    added = ~held & _consents(expected, prediction, candidates)
    positions = np.where(held[..., None], candidates.positions[members], expected)
    copy, orbit = np.nonzero(held | added)
    rest = np.setdiff1d(np.arange(len(candidates)), members)
    image = np.full(members.shape, -1)
    image[copy, orbit] = np.arange(len(copy))
    whole = Candidates(
        np.concatenate([positions[copy, orbit], candidates.positions[rest]]),
        np.concatenate([averaged.ca_score[orbit], candidates.ca_score[rest]]),
        np.concatenate([averaged.bb_score[orbit], candidates.bb_score[rest]]),
        np.concatenate([averaged.type_prob[orbit], candidates.type_prob[rest]]),
    )
    return Orbits(whole, averaged, image, source=np.concatenate([members[copy, orbit], rest]))


def _unshared(members: Ints, points: Points, expected: Points) -> Ints:
    """The members, each where it is nearest only."""
    distance = np.where(members >= 0, np.linalg.norm(points[members] - expected, axis=2), np.inf).ravel()
    nearest_first = np.argsort(distance, kind="stable")
    _, first = np.unique(members.ravel()[nearest_first], return_index=True)
    kept = np.full(members.size, -1)
    kept[nearest_first[first]] = members.ravel()[nearest_first[first]]
    return kept.reshape(members.shape)


def _averaged(candidates: Candidates, unit: Points, members: Ints) -> Candidates:
    """One candidate per orbit: mean scores, and the mean of the logarithms of the type probabilities."""
    held = (members >= 0)[..., None]
    count = held.sum(axis=0)
    log = np.log(np.maximum(candidates.type_prob, 1e-4))
    mean = np.exp((log[members] * held).sum(axis=0) / count)
    score = np.stack([candidates.ca_score, candidates.bb_score], axis=1)
    ca, bb = ((score[members] * held).sum(axis=0) / count).T.astype(np.float32)
    return Candidates(unit, ca, bb, (mean / mean.sum(axis=1, keepdims=True)).astype(np.float32))


def _consents(expected: Points, prediction: Prediction, candidates: Candidates) -> NDArray[np.bool_]:
    """Whether the map has main chain there. Shape (order, m)."""
    grid = np.moveaxis(expected - prediction.origin, -1, 0)
    return map_coordinates(prediction.bb_prob, grid, order=1, cval=0.0) >= CONSENT * np.median(candidates.bb_score)
