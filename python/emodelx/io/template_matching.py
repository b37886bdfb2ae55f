"""Which residues of the user's sequences a template shows."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from emodelx.config import TemplateConfig
from emodelx.errors import InputError
from emodelx.io.alignment import align
from emodelx.io.pae import rigid_parts
from emodelx.io.residue_numbers import UNKNOWN, letters
from emodelx.io.templates import TemplateChain
from emodelx.records import Ints, Template
from emodelx.records import Sequence as ProteinSequence
from emodelx.symmetry import superpose

LEAST_ALIGNED = 15
"""Residues that a template must share with a sequence, and that a rigid part must have."""
MOST_PER_SEQUENCE = 4
"""Templates of one sequence that are used."""
SAME_FOLD = 2.0
"""Angstrom (RMSD); a template that differs less from a better one adds nothing."""


@dataclass(frozen=True)
class TemplateMatch:
    """A chain of a template file on a sequence.

    Attributes
    ----------
    chain : TemplateChain
    sequence : int
        Index of the sequence.
    identity : float
        Share of equal residues among the aligned ones.
    coverage : float
        Share of the sequence that is aligned.
    members, numbers : ndarray, dtype=int64, shape=(m,)
        Aligned residues of the chain, and their 0-based positions in the sequence.
    """

    chain: TemplateChain
    sequence: int
    identity: float
    coverage: float
    members: Ints
    numbers: Ints


@dataclass(frozen=True)
class TemplateSet:
    """The templates of a build, and what is to be said about them, one line each."""

    templates: tuple[Template, ...]
    notes: tuple[str, ...]
    warnings: tuple[str, ...]


NO_TEMPLATES = TemplateSet((), (), ())


def match_templates(
    chains: Iterable[TemplateChain], sequences: Sequence[ProteinSequence], config: TemplateConfig
) -> TemplateSet:
    """Find the sequence that every template belongs to, and its rigid parts that are worth trusting.

    Raises
    ------
    InputError
        When no template belongs to any sequence.
    """
    matches = [_best_match(chain, sequences) for chain in chains]
    good = [match for match in matches if belongs(match, config)]
    strangers = [_stranger(match, sequences, config) for match in matches if not belongs(match, config)]
    if not good:
        raise InputError(strangers[0] if strangers else "no template was given")
    notes, templates = [], []
    for match in _without_repeats(good):
        parts = list(_parts(match, config))
        notes.append(_line(match, sequences, parts))
        templates += parts
    return TemplateSet(tuple(templates), tuple(notes), tuple(strangers))


def _best_match(chain: TemplateChain, sequences: Sequence[ProteinSequence]) -> TemplateMatch:
    matches = [match_chain(chain, i, sequence.residues) for i, sequence in enumerate(sequences)]
    return max(matches, key=lambda match: match.identity * len(match.members))


def match_chain(chain: TemplateChain, index: int, residues: str) -> TemplateMatch:
    """Align the chain of a template to the sequence of this index."""
    positions = align(chain.residues, residues)
    members = np.flatnonzero(positions >= 0)
    numbers = positions[members]
    equal = letters(chain.residues)[members] == letters(residues)[numbers]
    known = max(len(residues) - residues.count(UNKNOWN), 1)
    return TemplateMatch(
        chain, index, float(equal.mean()) if len(equal) else 0.0, len(members) / known, members, numbers
    )


def belongs(match: TemplateMatch, config: TemplateConfig) -> bool:
    """Whether the chain is a template of the sequence: long and similar enough."""
    return len(match.members) >= LEAST_ALIGNED and match.identity >= config.least_identity


def _stranger(match: TemplateMatch, sequences: Sequence[ProteinSequence], config: TemplateConfig) -> str:
    return (
        f"template {match.chain.name} belongs to no sequence: the nearest, {sequences[match.sequence].name}, has "
        f"{match.identity:.0%} identity over {len(match.members)} residues; for a homologue lower "
        f"--template-identity {config.least_identity:g}"
    )


def _without_repeats(matches: Iterable[TemplateMatch]) -> Iterator[TemplateMatch]:
    """The best templates of every sequence, without those that show the same again (copies, similar models)."""
    kept: dict[int, list[TemplateMatch]] = {}
    for match in sorted(matches, key=_worth, reverse=True):
        others = kept.setdefault(match.sequence, [])
        if len(others) < MOST_PER_SEQUENCE and not any(_repeats(match, other) for other in others):
            others.append(match)
            yield match


def _worth(match: TemplateMatch) -> float:
    trust = 1.0 if match.chain.plddt is None else float(match.chain.plddt.mean()) / 100
    return match.identity * len(match.members) * trust


def _repeats(match: TemplateMatch, other: TemplateMatch) -> bool:
    _, mine, theirs = np.intersect1d(match.numbers, other.numbers, return_indices=True)
    if len(mine) < 0.9 * len(match.numbers):
        return False
    mobile, target = match.chain.positions[match.members[mine]], other.chain.positions[other.members[theirs]]
    rotation, shift = superpose(mobile, target)
    return bool(np.sqrt(((mobile @ rotation.T + shift - target) ** 2).sum(axis=1).mean()) < SAME_FOLD)


def _parts(match: TemplateMatch, config: TemplateConfig) -> Iterator[Template]:
    """The rigid parts of a template, without what the prediction itself does not trust."""
    chain = match.chain
    plddt = np.full(len(match.members), 100.0) if chain.plddt is None else chain.plddt[match.members]
    trusted = plddt >= config.least_plddt
    members, numbers, doubtful = match.members[trusted], match.numbers[trusted], plddt[trusted] < config.sure_plddt
    label = np.zeros(len(members), np.int64) if chain.pae is None else rigid_parts(chain.pae[np.ix_(members, members)])
    for part in np.unique(label):
        own = label == part
        if own.sum() >= LEAST_ALIGNED:
            positions = np.ascontiguousarray(chain.positions[members[own]])
            yield Template(chain.name, match.sequence, numbers[own], positions, numbers[own & doubtful])


def _line(match: TemplateMatch, sequences: Sequence[ProteinSequence], parts: Sequence[Template]) -> str:
    chain, used = match.chain, sum(len(part.numbers) for part in parts)
    plddt = "no pLDDT" if chain.plddt is None else f"mean pLDDT {chain.plddt.mean():.0f}"
    split = "" if chain.pae is None else f" in {len(parts)} rigid parts by PAE"
    return (
        f"template {chain.name}: {sequences[match.sequence].name}, identity {match.identity:.0%}, "
        f"coverage {match.coverage:.0%}, {plddt}, {used} residues used{split}"
    )
