"""Templates: pieces of predicted structures are found in the map."""

from collections.abc import Sequence as Sequences
from dataclasses import replace

import numpy as np

from emodelx import _core
from emodelx.config import RunConfig, TemplateConfig
from emodelx.records import Candidates, Ints, Links, Placement, Points, Prediction, Sequence, Template

CONVINCING = ((120.0, 0.0), (80.0, 7.0))
"""Log-odds, and deviations of the types, that the best piece of a template must have, or it is taken for a wrong one:
of mirror images and scrambled structures only bits fit, with up to (84, 5.9) on simulated cases and two real maps."""
SHORT = 20.0
"""A short template needs as many log-odds as it has residues, and this many more."""
CONVINCED = 0.25
"""Share of a template that such pieces must hold for its lesser ones to count."""
TWICE = 0.5
"""Share of the residues of a piece that all copies of its sequence have already, above which it is spare."""
PART = 0.25
"""Pieces with at least this part of the residues of the surest tell copies apart."""
WHOLE = 0.6
"""Copies with at least this part of the residues of the largest count as whole."""


def place_templates(
    candidates: Candidates,
    links: Links,
    sequences: Sequences[Sequence],
    templates: Sequences[Template],
    prediction: Prediction,
    config: TemplateConfig,
    run: RunConfig,
) -> tuple[Placement, ...]:
    """Find rigid pieces of the templates among the candidates.

    Traces of seven linked candidates that look like a window of a template (eq. 27) are seeds; around each, the
    template is followed as far as the candidates agree with it, in place and in type.

    Parameters
    ----------
    candidates : Candidates
    links : Links
    sequences : sequence of Sequence
    templates : sequence of Template
    prediction : Prediction
        Its box is that of the map.
    config : TemplateConfig
    run : RunConfig

    Returns
    -------
    tuple of Placement
        The best first, disjoint in candidates. Where the map holds more copies than the sequence has, those nearest to
        its middle are meant (maps are cut out around what is to be built) and the others are spare.
    """
    if not templates:
        return ()
    likelihood = links.likelihood
    found = _core.place_templates(
        candidates.positions,
        (likelihood.start, likelihood.column, likelihood.value),
        candidates.type_odds(),
        [sequence.codes() for sequence in sequences],
        [(template.sequence, template.numbers, template.positions) for template in templates],
        (config.least_score, config.least_types),
        threads=run.threads,
        progress=run.progress,
    )
    placements = [
        Placement(index, templates[index].sequence, templates[index].numbers[members], points, score, types)
        for index, members, points, score, types in found
    ]
    own = ([p for p in placements if p.template == index] for index in range(len(templates)))
    pairs = zip(own, templates, strict=True)
    believed = [p for pieces, template in pairs if template.is_chain() for p in _believed(pieces, template)]
    placements = sorted(believed, key=lambda placement: -placement.score)
    if not placements:
        return ()
    middle = prediction.middle()
    spare = _spare(placements, sequences, middle, run)
    return tuple(replace(placement, spare=i in spare) for i, placement in enumerate(placements))


def _believed(placements: Sequences[Placement], template: Template) -> list[Placement]:
    """The pieces of one template that count."""
    convincing = [placement for placement in placements if _convinces(placement, template)]
    held = {int(number) for placement in convincing for number in placement.numbers}
    return list(placements) if len(held) >= CONVINCED * len(template.numbers) else convincing


def _convinces(placement: Placement, template: Template) -> bool:
    short = placement.score >= SHORT + len(template.numbers)
    return short or any(placement.score >= score and placement.types >= types for score, types in CONVINCING)


def _spare(
    placements: Sequences[Placement], sequences: Sequences[Sequence], middle: Points, run: RunConfig
) -> set[int]:
    """Pieces of whole copies beyond those of their sequence.

    Small pieces do not tell copies apart: one of a domain could join another domain,
    and keep the rest of its own from it.
    """
    spare = set()
    for i, sequence in enumerate(sequences):
        own = [n for n, p in enumerate(placements) if p.sequence == i]
        large = [n for n in own if _size(placements, [n]) >= PART * _size(placements, own[:1])]
        copies = _copies(large, placements, run)
        size = [_size(placements, members) for members in copies]
        whole = [members for members, count in zip(copies, size, strict=True) if count >= WHOLE * max(size)]
        whole.sort(key=lambda members: _distance(placements, members, middle))
        held = np.zeros(len(sequence.residues))
        for members in whole[: sequence.copies]:
            held[np.concatenate([placements[n].numbers for n in members])] += 1
        others = set(own).difference(*whole[: sequence.copies])
        spare.update(n for n in others if (held[placements[n].numbers] >= sequence.copies).mean() > TWICE)
    return spare


def _copies(pieces: Sequences[int], placements: Sequences[Placement], run: RunConfig) -> list[list[int]]:
    """Pieces of one sequence that belong to one copy of it."""
    found = _core.assign_chains(
        [(0, *_spread(placements[n].numbers, placements[n].positions)) for n in pieces],
        [len(pieces)],
        threads=run.threads,
    )
    copy_of = {n: place[0] if place else 0 for n, place in zip(pieces, found, strict=True)}
    return [[n for n in pieces if copy_of[n] == copy] for copy in sorted(set(copy_of.values()))]


def _size(placements: Sequences[Placement], members: Sequences[int]) -> int:
    """Residues of pieces."""
    return sum(len(placements[n].numbers) for n in members)


def _distance(placements: Sequences[Placement], members: Sequences[int], middle: Points) -> float:
    """Distance in Angstrom of pieces from the middle of the map."""
    return float(np.linalg.norm(np.concatenate([placements[n].positions for n in members]).mean(axis=0) - middle))


def _spread(numbers: Ints, positions: Points) -> tuple[int, Points]:
    """First number, and the positions from there to the last one, NaN where there is none."""
    points = np.full((numbers[-1] - numbers[0] + 1, 3), np.nan)
    points[numbers - numbers[0]] = positions
    return int(numbers[0]), points
