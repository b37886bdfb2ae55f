"""Puts the residues of two structures on common sequences, however their files number them.

The common sequences come from the reference. A chain whose residues agree with one of them by number keeps its numbers;
any other is aligned. Chains of one sequence, and nearly equal ones (point mutants, tags), share a common sequence.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import gemmi
import numpy as np

from emodelx.io.structures import CalphaChain
from emodelx.records import Ints

UNPLACED = -1
"""Stands for no common sequence, and for no position in one."""

_UNKNOWN = "X"
_WORD = 4  # long enough that unrelated sequences of 400 residues share about one word by chance
_SAME_WORDS = 0.7  # a point mutation costs four words, so this is about 93 % identity
_SAME_NUMBERS = 0.95
# A residue is worth half a gap, and gaps may be of any length: loops and whole domains are missing in models.
_SCORING = {"match": 5, "mismatch": -4, "gapo": -10, "gape": 0}


@dataclass(frozen=True)
class NumberedChain:
    """Where the residues of a chain are on the common sequences.

    Attributes
    ----------
    sequence : int
        Index of the common sequence; `UNPLACED` when the chain resembles none.
    positions : ndarray, dtype=int64, shape=(n,)
        0-based position of every residue in it, `UNPLACED` where it has none.
    """

    sequence: int
    positions: Ints


@dataclass
class _CommonSequence:
    """A sequence of the reference, X where no chain shows the residue."""

    residues: str
    words: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        self.words = _words(self.residues)

    def learn(self, other: str) -> None:
        """Fill in residues that another chain with the same numbers shows."""
        length = max(len(self.residues), len(other))
        pairs = zip(self.residues.ljust(length, _UNKNOWN), other.ljust(length, _UNKNOWN), strict=True)
        self.residues = "".join(mine if mine != _UNKNOWN else theirs for mine, theirs in pairs)
        self.words = _words(self.residues)


def number_chains(
    model: Sequence[CalphaChain], reference: Sequence[CalphaChain]
) -> tuple[list[NumberedChain], list[NumberedChain]]:
    """Number the residues of a model and of its reference alike.

    Returns
    -------
    model, reference : list of NumberedChain
        One for every chain, in the order given.
    """
    common: list[_CommonSequence] = []
    own = {_own_sequence(chain)[0] for chain in reference}
    for sequence in sorted(own, key=lambda residues: (-_known_count(residues), residues)):
        _add(common, sequence)
    return _number(model, common), _number(reference, common)


def _add(common: list[_CommonSequence], sequence: str) -> None:
    """Let a sequence of the reference join the common one that it equals, or become one."""
    same = _same_by_number(sequence, common)
    if same is not None:
        common[same].learn(sequence)
    elif not _is_known(sequence, common):
        common.append(_CommonSequence(sequence))


def _is_known(sequence: str, common: list[_CommonSequence]) -> bool:
    words = _words(sequence)
    return any(len(words & c.words) > _SAME_WORDS * min(len(words), len(c.words)) for c in common)


def _number(chains: Sequence[CalphaChain], common: list[_CommonSequence]) -> list[NumberedChain]:
    maps: dict[str, NumberedChain] = {}
    numbered = []
    for chain in chains:
        sequence, places = _own_sequence(chain)
        if sequence not in maps:
            maps[sequence] = _map(sequence, common)
        numbered.append(NumberedChain(maps[sequence].sequence, maps[sequence].positions[places]))
    return numbered


def _own_sequence(chain: CalphaChain) -> tuple[str, Ints]:
    """The sequence that a chain counts its residues in, and where they are in it.

    That is the full sequence of the file, else one made of the author's numbers with X between; numbers that do not
    ascend from 1 are no positions, then the residues just follow one another.
    """
    places = chain.numbers - 1
    if chain.sequence:
        return chain.sequence, places
    if len(places) == 0 or places[0] < 0 or (np.diff(places) <= 0).any() or places[-1] > 10 * len(places) + 1000:
        return chain.residues, np.arange(len(chain))
    residues = np.full(places[-1] + 1, ord(_UNKNOWN), np.uint8)
    residues[places] = _letters(chain.residues)
    return residues.tobytes().decode("ascii"), places


def _map(sequence: str, common: list[_CommonSequence]) -> NumberedChain:
    """Positions of all residues of a sequence on the common one that it resembles most."""
    same = _same_by_number(sequence, common)
    if same is not None:
        return NumberedChain(same, np.arange(len(sequence)))
    words = _words(sequence)
    shared = [len(words & c.words) for c in common]
    best = int(np.argmax(shared))
    if shared[best] == 0:
        return NumberedChain(UNPLACED, np.full(len(sequence), UNPLACED))
    return NumberedChain(best, _align(sequence, common[best].residues))


def _same_by_number(sequence: str, common: list[_CommonSequence]) -> int | None:
    """The common sequence that has the same residues at the same places, most of them; None without any."""
    equal = [_equal_by_number(sequence, c.residues) for c in common]
    return int(np.argmax(equal)) if any(equal) else None


def _equal_by_number(sequence: str, common: str) -> int:
    """Number of residues that two sequences have in the same places; 0 unless nearly all agree."""
    length = min(len(sequence), len(common))
    mine, theirs = _letters(sequence[:length]), _letters(common[:length])
    both = (mine != ord(_UNKNOWN)) & (theirs != ord(_UNKNOWN))
    equal = int((mine == theirs)[both].sum())
    fewest = min(_known_count(sequence), _known_count(common))
    return equal if equal >= _SAME_NUMBERS * both.sum() and 2 * equal >= fewest else 0


def _align(sequence: str, common: str) -> Ints:
    """Position in `common` of every residue of `sequence`; X is left out on both sides."""
    mine = np.flatnonzero(_letters(sequence) != ord(_UNKNOWN))
    theirs = np.flatnonzero(_letters(common) != ord(_UNKNOWN))
    query, target = [sequence[i] for i in mine], [common[i] for i in theirs]
    scoring = gemmi.AlignmentScoring()
    for name, value in _SCORING.items():
        setattr(scoring, name, value)
    alignment = gemmi.align_string_sequences(query, target, [], scoring)
    pairs = _aligned_pairs(alignment, "".join(query), "".join(target))
    positions = np.full(len(sequence), UNPLACED)
    positions[mine[pairs[0]]] = theirs[pairs[1]]
    return positions


def _aligned_pairs(alignment: gemmi.AlignmentResult, query: str, target: str) -> tuple[Ints, Ints]:
    """Indices of the residues that stand under one another."""
    in_query = _letters(alignment.add_gaps(query, 1)) != ord("-")
    in_target = _letters(alignment.add_gaps(target, 2)) != ord("-")
    both = in_query & in_target
    return (in_query.cumsum() - 1)[both], (in_target.cumsum() - 1)[both]


def _words(sequence: str) -> frozenset[str]:
    words = (sequence[i : i + _WORD] for i in range(len(sequence) - _WORD + 1))
    return frozenset(word for word in words if _UNKNOWN not in word)


def _known_count(sequence: str) -> int:
    return len(sequence) - sequence.count(_UNKNOWN)


def _letters(sequence: str) -> np.ndarray:
    return np.frombuffer(sequence.encode("ascii"), np.uint8)
