"""Candidates that the first network missed: places between two others that the chain runs through.

The first network merges neighbouring Calphas of weak maps into one peak, or sees none. But two candidates that lie as
far apart as every second residue of a chain leave a circle of places for the one between, and the second network
tells of each of them whether the chain runs through it, and where its Calpha is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from emodelx import _core
from emodelx.config import RunConfig
from emodelx.constants import BEND_SPAN, CA_DISTANCE
from emodelx.records import Candidates, Ints, Points, Prediction, SeenBends
from emodelx.settling import settle
from emodelx.vectors import unit

FREE = 0.7
"""A candidate that is likelier than this in the middle of a bend lacks no neighbour."""
NARROWEST = 1.0
"""Angstrom from the line between two candidates to the one between, at least."""
ANGLES, BRIGHTEST = 12, 3
"""Places on a circle, and how many of them with the most main chain are looked at."""
LEAST_MAIN_CHAIN = 0.1
"""Main-chain probability of a place that is looked at."""
APART = 1.6
"""Angstrom between a place and the candidates that there are."""
LEAST_LOG_ODDS = 0.0
"""Of the better direction of the bend at a place that becomes a candidate."""
LEAST_LIKELY = 0.5
"""Probability of a new candidate to be in the middle of a bend, without which it goes again."""


@dataclass(frozen=True)
class Places:
    """Where a candidate may be missing.

    Attributes
    ----------
    candidates : Candidates
        The ones that there are, then one at every place.
    triples : ndarray, dtype=int64, shape=(2 m, 3)
        The candidates on both sides with the place between; the second half is the first the other way round.
    """

    candidates: Candidates
    triples: Ints


def places_between(seen: SeenBends, prediction: Prediction, run: RunConfig) -> Places:
    """Find places where the chain may run between two candidates that lack a neighbour.

    Parameters
    ----------
    seen : SeenBends
    prediction : Prediction
    run : RunConfig

    Returns
    -------
    Places
    """
    points = seen.candidates.positions
    free = np.flatnonzero(_in_the_middle(seen) < FREE)
    ends = free[KDTree(points[free]).query_pairs(BEND_SPAN[1], output_type="ndarray").astype(np.int64)]
    ends = ends[np.linalg.norm(points[ends[:, 0]] - points[ends[:, 1]], axis=1) > BEND_SPAN[0]]
    circles = _circles(points[ends[:, 0]], points[ends[:, 1]])
    main_chain = prediction.bb_prob.ravel()[_voxels(circles, prediction)]
    brightest = np.argsort(-main_chain, axis=1, kind="stable")[:, :BRIGHTEST]
    shown = np.take_along_axis(main_chain, brightest, axis=1) > LEAST_MAIN_CHAIN
    places = np.take_along_axis(circles, brightest[:, :, None], axis=1)[shown]
    ends = np.repeat(ends, shown.sum(axis=1), axis=0)
    alone = KDTree(points).query(places)[0] > APART if len(places) else np.zeros(0, bool)
    return _as_places(seen.candidates, places[alone], ends[alone], prediction, run)


def _as_places(there: Candidates, places: Points, ends: Ints, prediction: Prediction, run: RunConfig) -> Places:
    between = len(there) + np.arange(len(places))
    triples = np.column_stack([ends[:, 0], between, ends[:, 1]])
    return Places(there.joined(at_places(places, prediction, run)), np.concatenate([triples, triples[:, ::-1]]))


def missing_candidates(seen: SeenBends, count: int, prediction: Prediction, run: RunConfig) -> Candidates:
    """Take the places where the chain is likelier to run than not, at the Calphas that they show, the likeliest first.

    Parameters
    ----------
    seen : SeenBends
        The bends of :func:`places_between`.
    count : int
        Candidates that there were.
    prediction : Prediction
    run : RunConfig

    Returns
    -------
    Candidates
        The ones that there were, then the new ones; all of the latter `APART` from each other and from the former.
    """
    both = seen.bends.log_odds.reshape(2, -1)
    better, place = both.argmax(axis=0), np.arange(both.shape[1])
    moved = seen.candidates.positions[count:] + seen.shifts.reshape(2, -1, 3)[better, place]
    there = seen.candidates.select(np.arange(len(seen.candidates)) < count)
    order = np.argsort(-both.max(axis=0, initial=-np.inf), kind="stable")
    likely = order[both.max(axis=0)[order] > LEAST_LOG_ODDS] if len(order) else order
    alone = likely[KDTree(there.positions).query(moved[likely])[0] > APART] if len(likely) else likely
    return there.joined(at_places(_far_apart(moved[alone]), prediction, run))


def are_new(triples: Ints, count: int) -> NDArray[np.bool_]:
    """Tell the bends that hold a candidate beyond the first `count`."""
    return np.any(triples >= count, axis=1)


def only_new_move(seen: SeenBends, count: int) -> SeenBends:
    """Leave the first `count` candidates where they are."""
    shifts = np.where((seen.bends.triples[:, 1] >= count)[:, None], seen.shifts, np.float32(0))
    return SeenBends(seen.candidates, seen.bends, seen.types, shifts)


def likely_ones(seen: SeenBends, count: int) -> SeenBends:
    """Leave out candidates beyond the first `count` that no chain runs through, with their bends."""
    likely = _in_the_middle(seen) > LEAST_LIKELY
    likely[:count] = True
    return seen.among(likely)


def at_places(places: Points, prediction: Prediction, run: RunConfig) -> Candidates:
    """Candidates with what the first network says at places, in Angstrom."""
    voxels, which = np.unique(_voxels(places, prediction), return_inverse=True)
    _, types = _core.refine_candidates(
        prediction.ca_prob, voxels, prediction.type_voxels, prediction.type_prob, threads=run.threads
    )
    ca_score, bb_score = (volume.ravel()[voxels][which] for volume in (prediction.ca_prob, prediction.bb_prob))
    return Candidates(places, ca_score, bb_score, types[which])


def _in_the_middle(seen: SeenBends) -> NDArray[np.float64]:
    """Probability of every candidate to be in the middle of a bend."""
    n, bends = len(seen.candidates), seen.bends
    likely = settle(n, bends.triples, bends.log_odds).bends
    return np.bincount(bends.triples[:, 1], likely, n).astype(np.float64)


def _circles(first: Points, last: Points) -> Points:
    """Places as far from both as neighbours are, or `NARROWEST` from the line between. Shape (m, ANGLES, 3)."""
    along = unit(last - first)
    least = np.eye(3)[np.abs(along).argmin(axis=1)]
    aside = unit(np.cross(along, least))
    across = np.cross(along, aside)
    half = np.linalg.norm(last - first, axis=1) / 2
    radius = np.sqrt(np.maximum(CA_DISTANCE**2 - half**2, NARROWEST**2))[:, None, None]
    angles = 2 * np.pi * np.arange(ANGLES)[:, None] / ANGLES
    around = np.cos(angles) * aside[:, None] + np.sin(angles) * across[:, None]
    return ((first + last) / 2)[:, None] + radius * around


def _voxels(places: Points, prediction: Prediction) -> Ints:
    """Flat index of the voxel at every place, or of the nearest one in the box. Shape (...)."""
    shape = prediction.ca_prob.shape
    voxel = np.clip(np.rint(places - prediction.origin).astype(np.int64), 0, np.array(shape) - 1)
    return np.asarray(np.ravel_multi_index(tuple(np.moveaxis(voxel, -1, 0)), shape), np.int64)


def _far_apart(points: Points) -> Points:
    """Points that lie more than `APART` from all before them that are taken."""
    near = [[] for _ in points]
    for a, b in KDTree(points).query_pairs(APART) if len(points) else ():
        near[max(a, b)].append(min(a, b))
    taken = np.zeros(len(points), bool)
    for k, before in enumerate(near):
        taken[k] = not taken[before].any()
    return points[taken]
