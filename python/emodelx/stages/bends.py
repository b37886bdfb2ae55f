"""A second look at the map, along the bends that chains could make: better types, and which way chains run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from emodelx.config import RunConfig
from emodelx.records import Bends, Candidates, Floats, Ints, Links, Points, Prediction, SecondLook

if TYPE_CHECKING:
    from emodelx.inputs import Reader

NEXT = 2.7, 4.9
"""Angstrom between candidates that may be consecutive residues: what the network was trained on."""
NEXT_BUT_ONE = 4.4, 7.8
"""Angstrom between the ends of a bend, likewise."""
NOWHERE, END = -1.0, -2.0
"""Log-weights of a candidate that is in no chain, and of one that is at an end, against a bend of even odds."""
ROUNDS, DAMPING = 30, 0.5
LEAST, MOST = -12.0, 6.0
"""Bounds of the log-odds of one bend."""
LARGEST_MESSAGE = 15.0
FEWEST = 3
"""Candidates that make a bend."""

Doubles = NDArray[np.float64]


def look_again(
    candidates: Candidates, links: Links, prediction: Prediction, reader: Reader | None, run: RunConfig
) -> SecondLook:
    """Read types again in the frame of the chain, and tell which way it runs.

    A candidate has the types that its most likely bends show; how likely they are, every candidate tells its
    neighbours, because it has one bend only (:func:`settle`). What is in no bend keeps what the first network said.

    Parameters
    ----------
    candidates : Candidates
    links : Links
    prediction : Prediction
        With the density that the network saw.
    reader : Reader or None
    run : RunConfig

    Returns
    -------
    SecondLook
        The same candidates and links, unchanged where the prediction holds no density or the weights have no
        second network.
    """
    if prediction.density is None or reader is None or len(candidates) < FEWEST:
        return SecondLook(candidates, links)
    from emodelx.network.second_look import look_at_bends  # torch takes seconds to load

    triples = possible_bends(candidates.positions)
    seen = look_at_bends(candidates, prediction, triples, reader, run)
    if seen is None:
        return SecondLook(candidates, links)
    types, log_odds = seen
    likely = settle(len(candidates), triples, log_odds)
    return SecondLook(
        replace(candidates, type_prob=mixed_types(candidates.type_prob, triples, types, likely)),
        replace(links, bends=Bends(triples, log_odds)),
    )


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
    pairs = KDTree(positions).query_pairs(NEXT[1], output_type="ndarray").astype(np.int64)
    apart = np.linalg.norm(positions[pairs[:, 0]] - positions[pairs[:, 1]], axis=1)
    pairs = pairs[apart > NEXT[0]]
    pairs = np.concatenate([pairs, pairs[:, ::-1]])
    pairs = pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]
    found = np.concatenate([np.zeros((0, 3), np.int64), *_pairs_of_neighbours(pairs)])
    apart = np.linalg.norm(positions[found[:, 0]] - positions[found[:, 2]], axis=1)
    found = found[(apart > NEXT_BUT_ONE[0]) & (apart < NEXT_BUT_ONE[1])]
    return np.concatenate([found, found[:, ::-1]])


def _pairs_of_neighbours(pairs: Ints) -> Iterator[Ints]:
    """Two neighbours of the same candidate with it between them; `pairs` are sorted."""
    step = 1
    while len(middle := np.flatnonzero(pairs[:-step, 0] == pairs[step:, 0])):
        yield np.column_stack([pairs[middle, 1], pairs[middle, 0], pairs[middle + step, 1]])
        step += 1


@dataclass(frozen=True)
class _Messages:
    """What the candidates tell each other about steps from one to the next, as log-odds.

    `onward` is told by the one that a step comes from, `back` by the one that it goes to.
    """

    onward: Doubles
    back: Doubles


def settle(n: int, triples: Ints, log_odds: Floats) -> Doubles:
    """Probability of every bend, when a candidate has one bend at most and neighbours must agree on the step between.

    Belief propagation: every candidate sums over its bends, over being an end and over being in no chain, with what
    its neighbours think of the steps that these take, and tells its neighbours what it thinks of the step to them.

    Parameters
    ----------
    n : int
        Number of candidates.
    triples : ndarray, dtype=int64, shape=(m, 3)
    log_odds : ndarray, dtype=float32, shape=(m,)

    Returns
    -------
    ndarray, dtype=float64, shape=(m,)
        Sums to 1 at most over the bends of a middle candidate.
    """
    steps, index = np.unique(np.concatenate([triples[:, :2], triples[:, 1:]]), axis=0, return_inverse=True)
    into, out_of = np.split(index.reshape(-1), 2)
    weight, end, nowhere = np.exp(np.clip(log_odds.astype(np.float64), LEAST, MOST)), np.exp(END), np.exp(NOWHERE)
    middle = triples[:, 1]

    def sums(told: _Messages) -> tuple[Doubles, Doubles, Doubles, Doubles]:
        """Weights of bends, of steps as the last and as the first of a chain, and of all that a candidate can be."""
        onward, back = np.exp(told.onward), np.exp(told.back)
        bends, last, first = weight * onward[into] * back[out_of], end * onward, end * back
        here = np.bincount(middle, bends, n) + np.bincount(steps[:, 1], last, n) + np.bincount(steps[:, 0], first, n)
        return bends, last, first, here + nowhere

    told = _Messages(np.zeros(len(steps)), np.zeros(len(steps)))
    for _ in range(ROUNDS):
        bends, last, first, here = sums(told)
        taken = end + np.bincount(out_of, weight * np.exp(told.onward)[into], len(steps))
        onward = _log_odds(taken, here[steps[:, 0]] - np.bincount(out_of, bends, len(steps)) - first)
        taken = end + np.bincount(into, weight * np.exp(told.back)[out_of], len(steps))
        back = _log_odds(taken, here[steps[:, 1]] - np.bincount(into, bends, len(steps)) - last)
        told = _Messages(_damped(told.onward, onward), _damped(told.back, back))
    bends, *_, here = sums(told)
    return bends / here[middle]


def _log_odds(taken: Doubles, left: Doubles) -> Doubles:
    """Of a step, from the sums over what takes it and what does not."""
    return np.clip(np.log(taken) - np.log(np.maximum(left, 1e-12)), -LARGEST_MESSAGE, LARGEST_MESSAGE)


def _damped(old: Doubles, new: Doubles) -> Doubles:
    return DAMPING * old + (1 - DAMPING) * new


def mixed_types(first: Floats, triples: Ints, types: Floats, likely: Doubles) -> Floats:
    """Types of the candidates: of their bends as far as these are likely, else of the first look.

    Parameters
    ----------
    first : ndarray, dtype=float32, shape=(n, 20)
    triples : ndarray, dtype=int64, shape=(m, 3)
    types : ndarray, dtype=float32, shape=(m, 20)
        In the bends.
    likely : ndarray, dtype=float64, shape=(m,)

    Returns
    -------
    ndarray, dtype=float32, shape=(n, 20)
    """
    middle, n = triples[:, 1], len(first)
    rest = np.maximum(1 - np.bincount(middle, likely, n), 0)
    mixed = np.column_stack([np.bincount(middle, likely * of_type, n) for of_type in types.T])
    return (mixed + rest[:, None] * first).astype(np.float32)
