"""Bends: three candidates at the distances of consecutive residues."""

from collections.abc import Iterator

import numpy as np
from scipy.spatial import KDTree

from emodelx.constants import BEND_SPAN, BEND_STEP
from emodelx.records import Bends, Ints, Points


def possible_bends(positions: Points) -> Ints:
    """All triples of candidates at the distances of three consecutive residues, in both orders.

    Parameters
    ----------
    positions : ndarray, dtype=float64, shape=(n, 3)

    Returns
    -------
    ndarray, dtype=int64, shape=(m, 3)
        Candidates before, in the middle and after; the second half is the first the other way round.
    """
    pairs = KDTree(positions).query_pairs(BEND_STEP[1], output_type="ndarray").astype(np.int64)
    apart = np.linalg.norm(positions[pairs[:, 0]] - positions[pairs[:, 1]], axis=1)
    pairs = pairs[apart > BEND_STEP[0]]
    pairs = np.concatenate([pairs, pairs[:, ::-1]])
    pairs = pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]
    found = np.concatenate([np.zeros((0, 3), np.int64), *_pairs_of_neighbours(pairs)])
    apart = np.linalg.norm(positions[found[:, 0]] - positions[found[:, 2]], axis=1)
    found = found[(apart > BEND_SPAN[0]) & (apart < BEND_SPAN[1])]
    return np.concatenate([found, found[:, ::-1]])


def averaged_bends(bends: Bends | None, image: Ints, positions: Points) -> Bends | None:
    """Give the bends of a unit of a symmetric complex the mean log-odds of those of their copies that were looked at.

    Parameters
    ----------
    bends : Bends or None
        Of the whole complex; None where nothing was looked at.
    image : ndarray, dtype=int64, shape=(order, m)
        Candidate of the whole complex for each one of the unit, in every copy; -1 where there is none.
    positions : ndarray, dtype=float64, shape=(m, 3)
        Of the unit.

    Returns
    -------
    Bends or None
        Those of which a copy was looked at.
    """
    if bends is None or not len(bends):
        return bends
    triples = possible_bends(positions)
    size = max(int(bends.triples.max()), int(image.max(initial=0))) + 1
    number = _one_number(bends.triples, size)
    order = np.argsort(number)
    total, count = np.zeros((2, len(triples)))
    for copy in image:
        sought = np.where((copy[triples] >= 0).all(axis=1), _one_number(copy[triples], size), -1)
        place = order[np.minimum(np.searchsorted(number, sought, sorter=order), len(order) - 1)]
        looked = number[place] == sought
        total += np.where(looked, bends.log_odds[place], 0)
        count += looked
    seen = count > 0
    return Bends(triples[seen], (total[seen] / count[seen]).astype(np.float32))


def _one_number(triples: Ints, size: int) -> Ints:
    """A number for every triple of numbers below `size`."""
    return (triples[:, 0] * size + triples[:, 1]) * size + triples[:, 2]


def _pairs_of_neighbours(pairs: Ints) -> Iterator[Ints]:
    """Two neighbours of the same candidate with it between them; `pairs` are sorted."""
    step = 1
    while len(middle := np.flatnonzero(pairs[:-step, 0] == pairs[step:, 0])):
        yield np.column_stack([pairs[middle, 1], pairs[middle, 0], pairs[middle + step, 1]])
        step += 1
