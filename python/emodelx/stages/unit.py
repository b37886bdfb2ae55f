"""The unit of a symmetric complex: one candidate of every orbit, chosen so that linked ones lie together."""

from collections.abc import Sequence as Sequences
from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import breadth_first_order, connected_components, minimum_spanning_tree

from emodelx.bends import averaged_bends
from emodelx.config import RunConfig
from emodelx.point_groups import products
from emodelx.records import (
    Bends,
    Candidates,
    Floats,
    Fragment,
    Ints,
    Links,
    Orbits,
    Placement,
    Rest,
    Sequence,
    SparseRows,
    Symmetry,
    Unit,
)

LEAST_COPIED = 4
"""Candidates of a fragment that a copy must have to get it."""


@dataclass(frozen=True)
class _Steps:
    """Links between orbits: from one, to another, through a rotation; with what its copies have in the mean."""

    first: Ints
    second: Ints
    through: Ints
    value: Floats


def fold_links(orbits: Orbits, links: Links, bends: Bends | None, symmetry: Symmetry, _: RunConfig) -> Unit:
    """Average links and bends over the copies, and put the unit together along the best links.

    Parameters
    ----------
    orbits : Orbits
    links : Links
        Of the candidates of the whole complex.
    bends : Bends or None
        Of the candidates that were found, where the map was looked at a second time.
    symmetry : Symmetry

    Returns
    -------
    Unit
        Links from one unit to the next are only among those of the whole complex.
    """
    after = products(symmetry.rotations)
    inverse = after.argmin(axis=1)
    whole, steps = _average(orbits, links.likelihood, after, inverse)
    frame = _frames(steps, len(orbits.unit), after)
    positions = symmetry.images(orbits.unit.positions)[frame, np.arange(len(frame))]
    image = orbits.image[after[:, frame], np.arange(len(frame))]
    found = np.where(image >= 0, orbits.source[image], -1)
    return Unit(
        candidates=replace(orbits.unit, positions=positions),
        links=replace(_within(steps, frame, after), bends=averaged_bends(bends, found, positions)),
        image=image,
        whole_links=Links(replace(links.likelihood, value=whole)),
    )


def _average(orbits: Orbits, rows: SparseRows, after: Ints, inverse: Ints) -> tuple[Floats, _Steps]:
    """Links of the whole complex with the mean over their copies, and one of each between orbits."""
    order, size = orbits.image.shape
    orbit, copy = np.full((2, len(orbits.candidates)), -1)
    held = orbits.image >= 0
    copy[orbits.image[held]], orbit[orbits.image[held]] = np.nonzero(held)
    i, j = np.repeat(np.arange(len(orbit)), np.diff(rows.start)), rows.column
    both = np.flatnonzero((orbit[i] >= 0) & (orbit[j] >= 0))
    i, j = i[both], j[both]
    there, back = after[inverse[copy[i]], copy[j]], after[inverse[copy[j]], copy[i]]
    key, mirrored = ((orbit[a] * size + orbit[b]) * order + g for a, b, g in ((i, j, there), (j, i, back)))
    # A link and its reverse are one, or rounding would tell them apart.
    _, first, group = np.unique(np.minimum(key, mirrored), return_index=True, return_inverse=True)
    mean = (np.bincount(group, rows.value[both]) / np.bincount(group)).astype(np.float32)
    value = rows.value.copy()
    value[both] = mean[group]
    i, j, there, back = i[first], j[first], there[first], back[first]
    ends = np.concatenate([orbit[i], orbit[j]]), np.concatenate([orbit[j], orbit[i]])
    return value, _Steps(*ends, np.concatenate([there, back]), np.concatenate([mean, mean]))


def _frames(steps: _Steps, size: int, after: Ints) -> Ints:
    """Which image of every orbit is in the unit, along the best links from one to all others."""
    best = np.lexsort((-steps.value, steps.second, steps.first))
    pair = steps.first[best] * size + steps.second[best]
    best = best[np.unique(pair, return_index=True)[1]]
    best = best[steps.first[best] != steps.second[best]]
    through = dict(zip(_pair_keys(steps, best, size), steps.through[best].tolist(), strict=True))
    graph = coo_array((2.0 - steps.value[best], (steps.first[best], steps.second[best])), shape=(size, size)).tocsr()
    tree = minimum_spanning_tree(graph)
    frame = np.zeros(size, np.int64)
    _, part = connected_components(tree, directed=False)
    for root in np.unique(part, return_index=True)[1]:
        reached, parent = breadth_first_order(tree, root, directed=False)
        for orbit in reached[1:].tolist():
            before = int(parent[orbit])
            frame[orbit] = after[frame[before], through[before * size + orbit]]
    return frame


def _pair_keys(steps: _Steps, chosen: Ints, size: int) -> list[int]:
    """One number for the ends of each chosen step."""
    return (steps.first[chosen] * size + steps.second[chosen]).tolist()


def _within(steps: _Steps, frame: Ints, after: Ints) -> Links:
    """Links between the candidates of one unit."""
    inside = (after[frame[steps.first], steps.through] == frame[steps.second]) & (steps.first != steps.second)
    rows, columns, value = steps.first[inside], steps.second[inside], steps.value[inside]
    order = np.lexsort((columns, rows))
    new = np.append(True, (np.diff(rows[order]) != 0) | (np.diff(columns[order]) != 0)) if len(order) else order > 0
    order = order[new]
    start = np.concatenate([[0], np.cumsum(np.bincount(rows[order], minlength=len(frame)))])
    return Links(SparseRows(start, columns[order], value[order]))


def copy_fragments(fragments: Sequences[Fragment], unit: Unit, _: RunConfig) -> tuple[Fragment, ...]:
    """Put the fragments of one unit into all copies, without the candidates that a copy lacks.

    Parameters
    ----------
    fragments : sequence of Fragment
        On the candidates of the unit.
    unit : Unit

    Returns
    -------
    tuple of Fragment
        On the candidates of the whole complex.
    """
    copies = (_copied(fragment, image) for fragment in fragments for image in unit.image)
    return tuple(copy for copy in copies if copy is not None)


def _copied(fragment: Fragment, image: Ints) -> Fragment | None:
    return _onto(fragment, np.where(fragment.candidates >= 0, image[fragment.candidates], -1))


def _onto(fragment: Fragment, candidates: Ints) -> Fragment | None:
    """The fragment on these candidates, if they are enough."""
    held = np.flatnonzero(candidates >= 0)
    if len(held) < LEAST_COPIED:
        return None
    kept = slice(held[0], held[-1] + 1)
    probability = np.where(candidates >= 0, fragment.probability, 0).astype(np.float32)
    return Fragment(fragment.sequence, fragment.start + int(held[0]), candidates[kept], probability[kept])


def image_placements(placements: Sequences[Placement], symmetry: Symmetry, _: RunConfig) -> tuple[Placement, ...]:
    """Return placed templates with all their images, one of which lies in the unit."""
    return tuple(replace(p, positions=points) for p in placements for points in symmetry.images(p.positions))


def copies_of_unit(sequences: Sequences[Sequence], order: int) -> tuple[Sequence, ...]:
    """Return the sequences with the copies that one unit has; those not told are to be counted in it.

    A sequence whose copies are no multiple of the order is not symmetric: nothing of it is sought in the unit.
    """
    share = (replace(s, copies=max(s.copies // order, 1), chains=()) if s.told else s for s in sequences)
    return tuple(
        replace(s, residues="X" * len(s.residues)) if given.told and given.copies % order else s
        for s, given in zip(share, sequences, strict=True)
    )


def copies_of_complex(of_unit: Sequences[Sequence], given: Sequences[Sequence], order: int) -> tuple[Sequence, ...]:
    """Return the given sequences with the copies of the whole complex."""
    return tuple(g if g.told else replace(g, copies=u.copies * order) for u, g in zip(of_unit, given, strict=True))


def leave_rest(
    candidates: Candidates,
    links: Links,
    fragments: Sequences[Fragment],
    sequences: Sequences[Sequence],
    _: RunConfig,
) -> Rest:
    """Return the candidates that fragments do not stand on, and the residues that not every copy has."""
    free = np.ones(len(candidates), np.bool_)
    count = _counts(fragments, sequences)
    for fragment in fragments:
        free[fragment.candidates[fragment.candidates >= 0]] = False
    index = np.flatnonzero(free)
    sought = (
        "".join("X" if n >= s.copies else r for r, n in zip(s.residues, held, strict=True))
        for s, held in zip(sequences, count, strict=True)
    )
    left = candidates.select(index)
    masked = tuple(replace(s, residues=residues) for s, residues in zip(sequences, sought, strict=True))
    return Rest(index, left, Links(links.likelihood.among(free)), masked)


def join_fragments(
    copied: Sequences[Fragment], more: Sequences[Fragment], rest: Rest, _: RunConfig
) -> tuple[Fragment, ...]:
    """Add the fragments read in the rest, without the residues that were not sought."""
    found = (_sought(fragment, rest) for fragment in more)
    return (*copied, *(fragment for fragment in found if fragment is not None))


def _sought(fragment: Fragment, rest: Rest) -> Fragment | None:
    residues = rest.sequences[fragment.sequence].residues[fragment.start :]
    wanted = np.array([r != "X" for r in residues[: len(fragment.candidates)]])
    image = np.append(rest.index, -1)  # the last stands for none
    return _onto(fragment, np.where(wanted, image[fragment.candidates], -1))


def _counts(fragments: Sequences[Fragment], sequences: Sequences[Sequence]) -> list[Ints]:
    """How often every residue of every sequence is held."""
    count = [np.zeros(len(sequence.residues), np.int64) for sequence in sequences]
    for fragment in fragments:
        count[fragment.sequence][fragment.start : fragment.start + len(fragment.candidates)] += fragment.candidates >= 0
    return count
