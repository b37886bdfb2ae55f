"""Slow, obvious twin of chain registration: parts are sets of fragments, compared pair by pair.

A fragment is (position of its first residue, points (length, 3) with NaN where it has none).
"""

from functools import cache
from itertools import combinations, pairwise

import numpy as np

from emodelx.symmetry import superpose

ROOM = 5
SURE, LIKELY = 4.0, 3.0
FRAYED = 2
MOST_ENDS = 6.0
OVERLAP = 4
SHARED = (12, 4)
PACKED, PACKING_WEIGHT, MOST_PAIR, LEAST_APART = 8, 8.0, 6.0, 3
MODELS = 4
SYMMETRY_ERROR, LEAST_SYMMETRY = 2.5, -6.0
SURROUNDINGS = 60.0


def assign(fragments, copies):
    """Copy of every fragment of one sequence; None where it fits none."""
    parts = [Part([i], [fragment]) for i, fragment in enumerate(fragments)]
    parts = joined(parts, connectivity, SURE)
    for least in (LIKELY, -np.inf):
        models = by_size(parts)[:MODELS]
        parts = joined(parts, lambda a, b: evidence(a, b, models), least)  # noqa: B023 - used at once
    parts = by_size(parts)
    kept, rest = parts[:copies], [i for part in parts[copies:] for i in part.members]
    for piece in by_size([Part([i], [fragments[i]]) for i in rest]):
        models = by_size(kept)[:MODELS]
        fits = [evidence(piece, copy, models) for copy in kept]
        if fits and max(fits) > 0:
            kept[fits.index(max(fits))] += piece
    copy_of = {i: copy for copy, part in enumerate(by_size(kept)) for i in part.members}
    return [copy_of.get(i) for i in range(len(fragments))]


def assign_images(fragments, copies, images):
    """Copy and image of every fragment of one sequence that may be any of its images; None where it fits none."""
    parts = [Part([(i, 0)], [fragment]) for i, fragment in enumerate(fragments)]
    parts = joined_images(parts, connectivity, SURE, images)
    for least in (LIKELY, -np.inf):
        models = by_size(parts)[:MODELS]
        parts = joined_images(parts, lambda a, b: evidence(a, b, models), least, images)  # noqa: B023 - used at once
    parts = by_size(parts)
    kept, rest = parts[:copies], [i for part in parts[copies:] for i, _ in part.members]
    for piece in by_size([Part([(i, 0)], [fragments[i]]) for i in rest]):
        models = by_size(kept)[:MODELS]
        fits = []
        for copy in kept:
            moved = [piece.moved(image, images) for image in range(len(images))]
            scores = [evidence(part, copy, models) for part in moved]
            best = max(range(len(moved)), key=lambda g: scores[g] + ends(moved[g], copy))
            fits.append((scores[best], moved[best]))
        if fits and max(score for score, _ in fits) > 0:
            first = next(j for j, (score, _) in enumerate(fits) if score == max(s for s, _ in fits))
            kept[first] += fits[first][1]
    place = {i: (copy, image) for copy, part in enumerate(by_size(kept)) for i, image in part.members}
    return [place.get(i) for i in range(len(fragments))]


def joined_images(parts, score, least, images):
    """The parts after the best two have been joined again and again; the later of two is moved to its best image."""
    score = cache(score)
    moved = cache(lambda part, image: part.moved(image, images))
    while True:
        scored = []
        for a, b in combinations(parts, 2):
            at = [(score(moved(b, g), a) + ends(moved(b, g), a), -g) for g in range(len(images))]
            best = -max(at)[1]
            scored.append((score(moved(b, best), a), a, b, best))
        good = [pair for pair in scored if pair[0] > -np.inf and pair[0] >= least]
        if not good:
            return parts
        _, a, b, image = min(good, key=rank)
        parts = [part for part in parts if part is not b]
        parts[parts.index(a)] = a + moved(b, image)


class Part:
    """Fragments of one chain: (position, point) of the residues and (first, last) of the fragments, ascending."""

    def __init__(self, members, fragments):
        self.members, self.fragments = members, fragments
        placed = [(start + i, p) for start, points in fragments for i, p in enumerate(points) if np.isfinite(p[0])]
        self.residues = sorted(placed, key=lambda r: (r[0], *r[1]))
        self.spans = sorted(span for start, points in fragments for span in stretches(start, points))

    def moved(self, image, images):
        rotation, shift = map(np.array, images[image])
        part = Part([], [(start, points @ rotation.T + shift) for start, points in self.fragments])
        part.members = [(i, after(image, before, images)) for i, before in self.members]
        return part

    def __add__(self, other):
        return Part(sorted(self.members + other.members), self.fragments + other.fragments)


def by_size(parts):
    return sorted(parts, key=lambda part: (-len(part.residues), part.members))


def joined(parts, score, least):
    """The parts after the best two have been joined again and again."""
    score = cache(score)
    while True:
        scored = [(score(a, b), a, b) for a, b in combinations(parts, 2)]
        good = [pair for pair in scored if pair[0] > -np.inf and pair[0] >= least]
        if not good:
            return parts
        _, a, b = min(good, key=rank)
        parts = [part for part in parts if part not in (a, b)] + [a + b]


def rank(scored):
    """What joins first: the highest score, of equal ones the most residues, then the first fragments."""
    score, a, b, *_ = scored
    return -score, -len(a.residues) - len(b.residues), sorted(a.members + b.members)


def stretches(start, points):
    """First and last position of the stretches of a piece that leave room for no other piece."""
    placed = start + np.flatnonzero(np.isfinite(points[:, 0]))
    return [(part[0], part[-1]) for part in np.split(placed, np.flatnonzero(np.diff(placed) > ROOM) + 1)]


def after(second, first, images):
    """Index of the image of an image."""
    product = np.array(images[second][0]) @ np.array(images[first][0])
    return int(np.argmin([np.abs(product - rotation).max() for rotation, _ in images]))


def ends(a, b):
    """What the very ends at the gaps tell, within bounds."""
    return gaps(a, b, 0, lambda log_odds: np.clip(log_odds, -MOST_ENDS, MOST_ENDS), -MOST_ENDS)


def connectivity(a, b):
    """Log-odds of the distances between neighbours along the sequence of which one is in `a` and one in `b`."""
    return gaps(a, b, FRAYED, lambda log_odds: log_odds, -np.inf)


def evidence(a, b, models):
    """All log-odds that two parts are of one chain; those of packing and symmetry only where they can be."""
    connected = connectivity(a, b)
    if connected == -np.inf:
        return -np.inf
    return connected + PACKING_WEIGHT * packing(a, b) + symmetry(a, b, models)


def packing(a, b):
    """Mean log-odds of the distances between every n-th residue of one part and of the other."""
    sampled = [part.residues[:: -(-len(part.residues) // PACKED)] for part in (a, b)]
    pairs = [
        span_log_odds(np.linalg.norm(p - q), max(abs(i - j), LEAST_APART)) for i, p in sampled[0] for j, q in sampled[1]
    ]
    return np.mean(np.clip(pairs, -MOST_PAIR, MOST_PAIR))


def gaps(a, b, frayed, weigh, impossible):
    spans = sorted([(*span, 0) for span in a.spans] + [(*span, 1) for span in b.spans])
    total = 0.0
    for (_, end, before), (begin, _, after) in pairwise(spans):
        if end - begin >= OVERLAP:
            return impossible
        if before != after:
            tails = [r for r in (a, b)[before].residues if r[0] <= min(end, begin - 1) - frayed]
            heads = [r for r in (a, b)[after].residues if r[0] >= max(begin, end + 1) + frayed]
            if not tails or not heads:
                return impossible
            (i, tail), (j, head) = tails[-1], heads[0]
            total += weigh(span_log_odds(np.linalg.norm(tail - head), j - i))
    return total


def span_log_odds(distance, steps):
    """How much more often residues of one chain so far apart along it have this distance than unrelated ones."""
    if distance > 3.8 * steps + 1.5:
        return -np.inf
    mean = 3.8 * min(steps, 15) ** 0.62 * max(steps / 15, 1) ** 0.25
    deviation = 0.35 * mean * min(steps / 3, 1) + 0.3
    likelihood = -0.5 * ((distance - mean) / deviation) ** 2 - np.log(deviation * np.sqrt(2 * np.pi))
    return likelihood - np.log(3 * max(distance, 1) ** 2 / SURROUNDINGS**3)


def symmetry(a, b, models):
    """Log-odds of the smallest misplacement of the smaller part, when a model lies on the larger one."""
    large, small = by_size([a, b])
    errors = [e for model in models if (e := misplacement(large, small, model)) is not None]
    if not errors:
        return 0.0
    ratio = 4 / 3 * np.pi * SURROUNDINGS**3 / (np.sqrt(2 * np.pi) * SYMMETRY_ERROR) ** 3
    return max(np.log(ratio) - 0.5 * (min(errors) / SYMMETRY_ERROR) ** 2, LEAST_SYMMETRY)


def misplacement(large, small, model):
    """RMS distance of `small` from where `model` has it when that lies on `large`; None where they share too little."""
    reference = dict(reversed(model.residues))  # the first of two residues at one position
    on, off = (
        [(reference[position], p) for position, p in part.residues if position in reference] for part in (large, small)
    )
    if len(on) < SHARED[0] or len(off) < SHARED[1]:
        return None
    rotation, shift = superpose(*map(np.array, zip(*on, strict=True)))
    predicted, found = map(np.array, zip(*off, strict=True))
    return np.sqrt(((predicted @ rotation.T + shift - found) ** 2).sum(1).mean())
