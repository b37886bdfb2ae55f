"""Fragments that follow each other in one chain: main chain leads from the end of one to the start of the next."""

from collections.abc import Iterator
from collections.abc import Sequence as Sequences
from typing import NamedTuple

import numpy as np
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import dijkstra
from scipy.spatial import KDTree

from emodelx.config import RunConfig
from emodelx.records import Candidates, Connected, Connection, Floats, Fragment, Ints, Links, Sequence

LONGEST_GAP = 70
"""Residues from the end of a fragment to the start of the next; ways over more lead anywhere."""
LINK_SLOPE, LINK_BOUNDS = 32.0, (-4.0, 1.5)
"""Slope of the log-odds of a link in its likelihood, and their bounds, as in threading."""
JUMP_RANGE = 4.7, 7.6
"""Angstrom between residues of which the one between them has no candidate."""
JUMP_COST = 5.0
"""What passing it costs."""
MOST_COST = 50.0
"""Ways that cost more are not looked for."""
MOST_PER_STEP = 2.0
"""Mean cost of the steps of a way that is believed."""
STEPS = 0.3, 1.5
"""Fewest and most steps of such a way, as a part of the residues of the gap: it may take short cuts."""
MARGIN = 6.0
"""By how much other ways from the same end, or to the same start, must cost more."""


class Way(NamedTuple):
    """The cheapest way from the end of one fragment to the start of another, by their indices."""

    first: int
    second: int
    cost: float
    steps: int
    gap: int

    def is_plausible(self) -> bool:
        """Whether a chain may have taken it."""
        least, most = STEPS
        return least * self.gap <= self.steps <= most * self.gap + 1 and self.cost <= MOST_PER_STEP * self.steps


def connect_fragments(
    fragments: Sequences[Fragment],
    candidates: Candidates,
    links: Links,
    sequences: Sequences[Sequence],
    _: RunConfig,
) -> Connected:
    """Find the fragments, of sequences with several copies, that follow each other in one chain.

    The paper threads every fragment to every chain. Here the cheapest way is sought from the end of each fragment to
    the starts of those that may come next, along links, over candidates that no fragment holds. Distances do not tell
    copies apart that wind around each other; a way does where those to other copies cost much more.

    Parameters
    ----------
    fragments : sequence of Fragment
    candidates : Candidates
    links : Links
    sequences : sequence of Sequence

    Returns
    -------
    Connected
        The cheapest connections first.
    """
    several = [fragment for fragment in fragments if sequences[fragment.sequence].copies > 1]
    if len(several) < 2:
        return Connected(tuple(fragments))
    ways = list(find_ways(several, free_steps(several, candidates, links)))
    found = sorted((way for way in ways if way.is_plausible()), key=lambda way: way.cost)
    rivals = _Rivals(ways)
    sure = (way for way in found if rivals.least(way) - way.cost >= MARGIN)
    ends = ((several[way.first].candidates[-1], several[way.second].candidates[0]) for way in sure)
    return Connected(tuple(fragments), tuple(Connection(int(end), int(start)) for end, start in ends))


class _Rivals:
    """The two lowest costs of all ways from every end, and to every start."""

    def __init__(self, ways: Sequences[Way]) -> None:
        self.leaving: dict[int, list[float]] = {}
        self.arriving: dict[int, list[float]] = {}
        for way in ways:
            none = [np.inf, np.inf]
            for costs in (self.leaving.setdefault(way.first, none[:]), self.arriving.setdefault(way.second, none[:])):
                costs[:] = sorted([*costs, way.cost])[:2]

    def least(self, way: Way) -> float:
        """Lowest cost of another way from the same end or to the same start."""
        both = self.leaving[way.first], self.arriving[way.second]
        return min(second if first == way.cost else first for first, second in both)


def free_steps(fragments: Sequences[Fragment], candidates: Candidates, links: Links) -> csr_array:
    """Cost of every step that leaves a fragment at its end, goes over free candidates, or arrives at a start.

    Returns
    -------
    csr_array, dtype=float64, shape=(candidates, candidates)
        A few per candidate.
    """
    free = np.ones(len(candidates), np.bool_)
    for fragment in fragments:
        free[fragment.candidates[fragment.candidates >= 0]] = False
    leaves, arrives = free.copy(), free.copy()
    leaves[[fragment.candidates[-1] for fragment in fragments]] = True
    arrives[[fragment.candidates[0] for fragment in fragments]] = True
    both = zip(_linked(links), _jumps(candidates), strict=True)
    first, second, cost = (np.concatenate(columns) for columns in both)
    allowed = leaves[first] & arrives[second]
    first, second, cost = first[allowed], second[allowed], cost[allowed]
    order = np.lexsort((cost, second, first))
    first, second, cost = first[order], second[order], cost[order]
    cheapest = np.append(True, (np.diff(first) != 0) | (np.diff(second) != 0))[: len(first)]
    shape = (len(candidates), len(candidates))
    return coo_array((cost[cheapest], (first[cheapest], second[cheapest])), shape=shape).tocsr()


def _linked(links: Links) -> tuple[Ints, Ints, Floats]:
    """Steps along links, with what they cost: the better the link, the less."""
    rows = links.likelihood
    size = len(rows.start) - 1
    first = np.repeat(np.arange(size), np.diff(rows.start))
    # A chain through all candidates would have as many links as these (every one is there twice).
    ranked = np.sort(rows.value)[::-1]
    reference = ranked[min(2 * size, len(ranked)) - 1] if len(ranked) else 0.0
    log_odds = np.clip(LINK_SLOPE * (rows.value - reference), *LINK_BOUNDS)
    return first, rows.column, np.log1p(np.exp(-log_odds))


def _jumps(candidates: Candidates) -> tuple[Ints, Ints, Floats]:
    """Steps over a residue that has no candidate."""
    positions = candidates.positions
    pairs = KDTree(positions).query_pairs(JUMP_RANGE[1], output_type="ndarray")
    apart = np.linalg.norm(positions[pairs[:, 0]] - positions[pairs[:, 1]], axis=1)
    pairs = pairs[apart >= JUMP_RANGE[0]]
    first, second = np.concatenate([pairs, pairs[:, ::-1]]).T
    return first, second, np.full(len(first), JUMP_COST)


def find_ways(fragments: Sequences[Fragment], steps: csr_array) -> Iterator[Way]:
    """Find the cheapest way from the end of every fragment to each that may come next in its sequence.

    Parameters
    ----------
    fragments : sequence of Fragment
    steps : csr_array
        Cost of every step.

    Yields
    ------
    Way
        Of those that cost no more than `MOST_COST`.
    """
    of_sequence: dict[int, list[int]] = {}
    for i, fragment in enumerate(fragments):
        of_sequence.setdefault(fragment.sequence, []).append(i)
    for i, fragment in enumerate(fragments):
        gaps = [(j, _gap(fragment, fragments[j])) for j in of_sequence[fragment.sequence]]
        gaps = [(j, gap) for j, gap in gaps if 0 < gap <= LONGEST_GAP]
        if not gaps:
            continue
        end = int(fragment.candidates[-1])
        cost, before = dijkstra(steps, indices=end, limit=MOST_COST, return_predecessors=True)
        for j, gap in gaps:
            start = int(fragments[j].candidates[0])
            if np.isfinite(cost[start]):
                yield Way(i, j, float(cost[start]), _count(before, end, start), gap)


def _gap(fragment: Fragment, other: Fragment) -> int:
    """Residues from the last of a fragment to the first of another."""
    return other.start - (fragment.start + len(fragment.candidates) - 1)


def _count(before: Ints, end: int, start: int) -> int:
    """Steps of the way that ends at `start`, given the candidate before each."""
    count = 0
    while start != end:
        start = int(before[start])
        count += 1
    return count
