"""Which of the bends that candidates could make are likely together: belief propagation over the steps of chains."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from emodelx.records import Floats, Ints

NOWHERE, END = -1.0, -2.0
"""Log-weights of a candidate that is in no chain, and of one that is at an end, against a bend of even odds."""
OUTSIDE, EDGE = np.exp(NOWHERE), np.exp(END)
ROUNDS, DAMPING = 30, 0.5
LEAST, MOST = -12.0, 6.0
"""Bounds of the log-odds of one bend."""
LARGEST_MESSAGE = 15.0
Doubles = NDArray[np.float64]


@dataclass(frozen=True)
class _Messages:
    """What the candidates tell each other about steps from one to the next, as log-odds.

    `onward` is told by the one that a step comes from, `back` by the one that it goes to.
    """

    onward: Doubles
    back: Doubles


class Settled(NamedTuple):
    """Probabilities of the bends, and of the candidates to be in a chain."""

    bends: Doubles
    inside: Doubles


def settle(n: int, triples: Ints, log_odds: Floats) -> Settled:
    """Find how likely every bend is, when a candidate has one at most and neighbours must agree on the step between.

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
    Settled
        Of shapes (m,) and (n,); the bends of a middle candidate sum to 1 at most.
    """
    graph = _Steps.of(n, triples)
    weight = np.exp(np.clip(log_odds.astype(np.float64), LEAST, MOST))
    told = _Messages(np.zeros(len(graph.steps)), np.zeros(len(graph.steps)))
    for _ in range(ROUNDS):
        onward, back = graph.answers(weight, told)
        told = _Messages(_damped(told.onward, onward), _damped(told.back, back))
    sums = graph.sums(weight, told)
    return Settled(sums.bends / sums.here[graph.middle], 1 - OUTSIDE / sums.here)


class _Sums(NamedTuple):
    """Weights of bends, of steps as the last and as the first of a chain, and of all that a candidate can be."""

    bends: Doubles
    last: Doubles
    first: Doubles
    here: Doubles


@dataclass(frozen=True)
class _Steps:
    """Steps from one candidate to the next, the bends that they lead into and out of, and the same steps backward."""

    n: int
    middle: Ints
    steps: Ints
    into: Ints
    out_of: Ints
    reverse: Ints

    @classmethod
    def of(cls, n: int, triples: Ints) -> _Steps:
        """Find the steps of bends."""
        ends = np.concatenate([triples[:, :2], triples[:, 1:]])
        steps, index = np.unique(ends, axis=0, return_inverse=True)
        into, out_of = np.split(index.reshape(-1), 2)
        place = {(a, b): i for i, (a, b) in enumerate(steps.tolist())}
        reverse = np.array([place.get((b, a), -1) for a, b in steps.tolist()], np.int64)
        return cls(n, triples[:, 1], steps, into, out_of, reverse)

    def sums(self, weight: Doubles, told: _Messages) -> _Sums:
        """What every candidate can be, as its neighbours see it."""
        onward, back = np.exp(told.onward), np.exp(told.back)
        bends, last, first = weight * onward[self.into] * back[self.out_of], EDGE * onward, EDGE * back
        ends = np.bincount(self.steps[:, 1], last, self.n) + np.bincount(self.steps[:, 0], first, self.n)
        return _Sums(bends, last, first, OUTSIDE + ends + np.bincount(self.middle, bends, self.n))

    def answers(self, weight: Doubles, told: _Messages) -> tuple[Doubles, Doubles]:
        """Log-odds of every step, against none either way: told by where it begins, and by where it goes."""
        bends, last, first, here = self.sums(weight, told)
        count = len(self.steps)
        leaves = np.bincount(self.out_of, bends, count) + first
        comes = np.bincount(self.into, bends, count) + last
        # The same two candidates cannot follow each other both ways: "not this step" leaves the other way out as well.
        leaves_back, comes_back = (np.where(self.reverse < 0, 0, sums[self.reverse]) for sums in (leaves, comes))
        onward = EDGE + np.bincount(self.out_of, weight * np.exp(told.onward)[self.into], count)
        back = EDGE + np.bincount(self.into, weight * np.exp(told.back)[self.out_of], count)
        return (
            _log_odds(onward, here[self.steps[:, 0]] - leaves - comes_back),
            _log_odds(back, here[self.steps[:, 1]] - comes - leaves_back),
        )


def _log_odds(taken: Doubles, left: Doubles) -> Doubles:
    """Of a step, from the sums over what takes it and what does not."""
    return np.clip(np.log(taken) - np.log(np.maximum(left, 1e-12)), -LARGEST_MESSAGE, LARGEST_MESSAGE)


def _damped(old: Doubles, new: Doubles) -> Doubles:
    return DAMPING * old + (1 - DAMPING) * new
