"""Sequences that are nearly the same are read as one, and told apart in the model.

Chains of one protein come with other ends, tags and single exchanges. Read as different sequences they would share the
posterior of every residue that they have in common, and none would keep enough.
"""

from collections.abc import Iterator, Mapping
from collections.abc import Sequence as Sequences
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from emodelx.config import RunConfig
from emodelx.io.alignment import UNPLACED, align
from emodelx.io.chain_names import name_chains
from emodelx.io.residue_numbers import UNKNOWN
from emodelx.records import CalphaModel, Candidates, Chain, Ints, Provenance, Sequence, Template

IDENTICAL, COVERED = 0.9, 0.7
"""Least share of the shorter sequence that the longer one has too, and of the longer one's length."""
WORD, LEAST_WORDS = 5, 0.3
"""Residues of the words that sequences are compared by before they are aligned, and least share of them in common."""


@dataclass(frozen=True)
class Families:
    """Sequences in families whose members are nearly the same.

    Attributes
    ----------
    told : tuple of Sequence
        All sequences, as they were given.
    read : tuple of Sequence
        One sequence per family: that with most residues of known type, with the copies of all.
    family : tuple of int
        Family of every given sequence.
    partners : tuple of ndarray, dtype=int64
        For every given sequence the position in that of its family of every residue; `UNPLACED` where it has none.
    """

    told: tuple[Sequence, ...]
    read: tuple[Sequence, ...]
    family: tuple[int, ...]
    partners: tuple[Ints, ...]

    def members(self, family: int) -> list[int]:
        """Which of the given sequences belong to a family."""
        return [i for i, own in enumerate(self.family) if own == family]

    def joined(self) -> Iterator[str]:
        """Names of the sequences of every family of several, as people list them."""
        for i in range(len(self.read)):
            names = [self.told[m].name for m in self.members(i)]
            if len(names) > 1:
                yield ", ".join(names)

    def template(self, template: Template) -> Template:
        """Return a template of a given sequence as one of its family."""
        at = self.partners[template.sequence][template.numbers]
        held = at != UNPLACED
        sequence = self.family[template.sequence]
        return replace(template, sequence=sequence, numbers=at[held], positions=template.positions[held])


def find_families(told: Sequences[Sequence]) -> Families:
    """Find the sequences that are nearly the same.

    The sequence with most residues leads a family, and takes in the shorter ones that lie in it nearly whole.

    Parameters
    ----------
    told : sequence of Sequence

    Returns
    -------
    Families
        In the order of their first members; a sequence unlike all others is a family of its own.
    """
    words = [_words(sequence.residues) for sequence in told]
    leads: dict[int, dict[int, Ints]] = {}
    for i in sorted(range(len(told)), key=lambda i: -_known(told[i].residues)):
        for leader, members in leads.items():
            partners = _partners(told[i].residues, told[leader].residues, words[i], words[leader])
            if partners is not None:
                members[i] = partners
                break
        else:
            leads[i] = {i: np.arange(len(told[i].residues))}
    return _families(told, leads)


def _families(told: Sequences[Sequence], leads: Mapping[int, Mapping[int, Ints]]) -> Families:
    """Put the families in the order of their first members."""
    leaders = sorted(leads, key=lambda leader: min(leads[leader]))
    found = {i: (n, at) for n, leader in enumerate(leaders) for i, at in leads[leader].items()}
    read = [_together([told[i] for i in sorted(leads[leader])], told[leader].residues) for leader in leaders]
    family, partners = zip(*(found[i] for i in range(len(told))), strict=True)
    return Families(tuple(told), tuple(read), family, partners)


def _together(members: Sequences[Sequence], residues: str) -> Sequence:
    """One sequence with the copies of all, and the name of the first."""
    if len(members) == 1:
        return members[0]
    copies, told = sum(member.copies for member in members), all(member.told for member in members)
    return Sequence(members[0].name, residues, (), copies, told)


def _known(residues: str) -> int:
    """Residues whose type is known."""
    return len(residues) - residues.count(UNKNOWN)


def _words(residues: str) -> frozenset[str]:
    return frozenset(residues[i : i + WORD] for i in range(len(residues) - WORD + 1))


def _partners(short: str, long: str, short_words: frozenset[str], long_words: frozenset[str]) -> Ints | None:
    """Where the residues of a sequence are in a longer one that is nearly the same; None where it is not."""
    if len(short) < COVERED * len(long) or len(short_words & long_words) < LEAST_WORDS * len(short_words):
        return None
    partners = align(short, long)
    same = sum(a == long[p] for a, p in zip(short, partners, strict=True) if p != UNPLACED)
    return partners if same >= IDENTICAL * len(short) else None


def tell_apart(model: CalphaModel, families: Families, candidates: Candidates, _: RunConfig) -> CalphaModel:
    """Give the chains of every family to its members, by the types of the residues that these differ in.

    Parameters
    ----------
    model : CalphaModel
        Of the sequences of the families.
    families : Families
    candidates : Candidates
        With the types that the model was registered with.

    Returns
    -------
    CalphaModel
        Of the given sequences; a chain per copy of each.
    """
    log_odds = np.log(candidates.type_odds().astype(np.float64))
    given: list[list[Chain]] = [[] for _ in families.told]
    for i in range(len(families.read)):
        own = [chain for chain in model.chains if chain.sequence == i]
        for member, chains in _given(own, families, families.members(i), log_odds):
            given[member] = chains
    sequences = [
        sequence if sequence.told else replace(sequence, copies=len(chains))
        for sequence, chains in zip(families.told, given, strict=True)
    ]
    names = name_chains(sequences)
    named = ((c, n) for own, called in zip(given, names, strict=True) for c, n in zip(own, called, strict=True))
    return CalphaModel(tuple(sequences), tuple(replace(chain, name=name) for chain, name in named))


def _given(
    chains: Sequences[Chain], families: Families, members: Sequences[int], log_odds: NDArray[np.float64]
) -> Iterator[tuple[int, list[Chain]]]:
    """Every member of a family with its chains, empty ones where there are too few."""
    told = families.told
    if len(members) == 1:
        yield members[0], [replace(chain, sequence=members[0]) for chain in chains]
        return
    places = [m for m in members for _ in range(told[m].copies if told[m].told else len(chains))]
    as_members = {m: [_as_member(chain, m, families) for chain in chains] for m in members}
    worth = {m: [_worth(chain, told[m], log_odds) for chain in as_members[m]] for m in members}
    rows, columns = linear_sum_assignment(-np.array([worth[m] for m in places]).reshape(len(places), len(chains)))
    for m in members:
        own = [as_members[m][c] for c in sorted(c for r, c in zip(rows, columns, strict=True) if places[r] == m)]
        least = told[m].copies if told[m].told else 1
        yield m, own + [_empty(m, len(told[m].residues)) for _ in range(least - len(own))]


def _worth(chain: Chain, sequence: Sequence, log_odds: NDArray[np.float64]) -> float:
    """Log-odds of the types of a chain, as one of a sequence."""
    codes = sequence.codes()
    read = (chain.candidates >= 0) & (codes >= 0)
    return float(log_odds[chain.candidates[read], codes[read]].sum())


def _as_member(chain: Chain, member: int, families: Families) -> Chain:
    """The chain of a family as one of a member: residues that it does not have are left out."""
    partners = families.partners[member]
    held = partners != UNPLACED
    reference = None if chain.reference is None else np.where(held[:, None], chain.reference[partners], np.nan)
    laid = {name: getattr(chain, name)[partners] for name in ("positions", "candidates", "provenance", "confidence")}
    return replace(chain, sequence=member, reference=reference, **laid).only(held)


def _empty(sequence: int, length: int) -> Chain:
    """A copy of which nothing is placed."""
    nowhere, none = np.full((length, 3), np.nan), np.full(length, Provenance.MISSING, np.uint8)
    return Chain(sequence, "", nowhere, np.full(length, -1), none, np.zeros(length, np.float32))
