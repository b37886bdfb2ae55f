"""Slow, obvious twin of threading: every thread is written down and scored, no beam and no front.

A thread is a list of (residue, candidate) that begins at a placed residue, which is not part of what it places.
"""

from dataclasses import dataclass
from itertools import product
from math import inf, log

import numpy as np
from oracle.walks import LINK_SLOPE, bend, reference_likelihood

LEAST_LINK, MOST_LINK = -4.0, 1.5
LONGEST_SKIP, SKIP_COST = 3, 2.0
NEAREST = 4.5
ON_SYMMETRIC, SYMMETRY_WIDTH, LEAST_SYMMETRY = 2.0, 1.4, -4.0


def reach(steps):
    return 3.8 * steps + 1.5


@dataclass(frozen=True)
class Ground:
    """Candidates at `points` with the dense likelihood `H`, which of them are `used`, and the chain to thread.

    odds[k, j] is that of candidate k at residue j, held[j] the candidate of residue j or -1, expected[j] where a
    symmetric chain has it or NaN.
    """

    points: np.ndarray
    H: np.ndarray
    odds: np.ndarray
    used: set
    held: np.ndarray
    expected: np.ndarray

    def apart(self, a, b):
        return np.linalg.norm(self.points[a] - self.points[b])


def fill(ground, before, after, least_closed, least_open):
    """Candidate of every residue that is placed between residues `before` and `after`; either may be None."""
    found = [([], -inf, False)]
    if before is not None and after is not None:
        starts = threads(ground, [(before, ground.held[before])], after, 1)
        ends = threads(ground, [(after, ground.held[after])], before, -1)
        found += [meeting(ground, f, b) for f, b in product(starts, ends) if disjoint(f, b)]
    elif before is not None:
        found += [(f[1:], score(ground, f), False) for f in threads(ground, [(before, ground.held[before])], None, 1)]
    else:
        found += [(b[1:], score(ground, b), False) for b in threads(ground, [(after, ground.held[after])], None, -1)]
    placed, total, closed = max(found, key=lambda f: f[1])
    return dict(placed) if total >= (least_closed if closed else least_open) else {}


def threads(ground, thread, to, direction):
    """`thread` and all that go on from it towards residue `to`, which they can still reach."""
    residue, candidate = thread[-1]
    found = [thread]
    for steps in range(1, LONGEST_SKIP + 2):
        onward = residue + direction * steps
        inside = 0 <= onward < len(ground.held) and ground.held[onward] < 0 and (to is None or onward != to)
        if not inside or (to is not None and (to - onward) * direction < 0):
            break
        for k in range(len(ground.points)):
            taken = k in ground.used or k in [member for _, member in thread]
            if not taken and fits(ground, candidate, k, steps) and can_reach(ground, onward, k, to):
                found += threads(ground, [*thread, (onward, k)], to, direction)
    return found


def fits(ground, a, b, steps):
    return ground.H[a, b] > 0 if steps == 1 else NEAREST <= ground.apart(a, b) < reach(steps)


def can_reach(ground, residue, candidate, to):
    return to is None or ground.apart(candidate, ground.held[to]) <= reach(abs(to - residue))


def disjoint(f, b):
    return not {k for _, k in f} & {k for _, k in b} and f[-1][0] < b[-1][0]


def score(ground, thread):
    """Log-odds of the links, bends, types and symmetry of a thread (eq. 28)."""
    total = 0.0
    for i in range(1, len(thread)):
        residue, b = thread[i]
        steps = abs(residue - thread[i - 1][0])
        total += link(ground, thread[:i], b) if steps == 1 else -SKIP_COST * steps
        total += log(ground.odds[b, residue]) + symmetry(ground, residue, b)
    return total


def link(ground, thread, candidate):
    """Log-odds of the link from the end of a thread to `candidate`, and of the bend there."""
    odds = LINK_SLOPE * (ground.H[thread[-1][1], candidate] - reference_likelihood(ground.H))
    bent = len(thread) > 1 and abs(thread[-1][0] - thread[-2][0]) == 1
    return min(max(odds, LEAST_LINK), MOST_LINK) + (log(bend(ground.apart(thread[-2][1], candidate))) if bent else 0)


def symmetry(ground, residue, candidate):
    if np.isnan(ground.expected[residue]).any():
        return 0.0
    squared = ((ground.expected[residue] - ground.points[candidate]) ** 2).sum()
    return max(ON_SYMMETRIC - squared / SYMMETRY_WIDTH**2, LEAST_SYMMETRY)


def meeting(ground, f, b):
    """What two threads place together, their score, and whether no residue is left between them."""
    steps, ends = b[-1][0] - f[-1][0], (f[-1][1], b[-1][1])
    if steps == 1:
        joint = link(ground, f, ends[1]) if ground.H[ends] > 0 else -inf
    else:
        joint = 0.0 if NEAREST <= ground.apart(*ends) <= reach(steps) else -inf
    return f[1:] + b[1:], score(ground, f) + score(ground, b) + joint, steps == 1
