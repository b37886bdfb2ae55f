"""Puts the residues of two structures on common sequences, however their files number them.

The common sequences come from the reference. A chain that differs from one of them only by a shift of its numbers keeps
the spacing of its numbers; any other is aligned. Chains of one sequence, and nearly equal ones (point mutants, tags),
share a common sequence.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from emodelx.io.alignment import UNPLACED, align
from emodelx.io.residue_numbers import UNKNOWN, letters, own_sequence
from emodelx.io.structures import CalphaChain
from emodelx.records import Ints

_WORD = 4  # long enough that unrelated sequences of 400 residues share about one word by chance
_SAME_WORDS = 0.7  # a point mutation costs four words, so this is about 93 % identity
_SAME_RESIDUES = 0.95


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


@dataclass(frozen=True)
class _Worded:
    """A sequence, X where unknown, and the first place of each of its words."""

    residues: str
    words: dict[str, int] = field(init=False)

    def __post_init__(self) -> None:
        places = range(len(self.residues) - _WORD, -1, -1)
        words = {self.residues[i : i + _WORD]: i for i in places}
        object.__setattr__(self, "words", {word: i for word, i in words.items() if UNKNOWN not in word})

    def known(self) -> int:
        """Number of residues that are known."""
        return len(self.residues) - self.residues.count(UNKNOWN)


def number_chains(
    model: Sequence[CalphaChain], reference: Sequence[CalphaChain]
) -> tuple[list[NumberedChain], list[NumberedChain]]:
    """Number the residues of a model and of its reference alike.

    Returns
    -------
    model, reference : list of NumberedChain
        One for every chain, in the order given.
    """
    common: list[_Worded] = []
    own = sorted({_own_sequence(chain)[0] for chain in reference})
    for sequence in sorted(map(_Worded, own), key=_Worded.known, reverse=True):
        _add(common, sequence)
    return _number(model, common), _number(reference, common)


def _add(common: list[_Worded], sequence: _Worded) -> None:
    """Let a sequence of the reference join the common one that it equals, or become one."""
    best, shift = _best_shift(sequence, common)
    if shift is not None:
        common[best] = _Worded(_united(common[best].residues, sequence.residues, shift))
    elif not any(_alike(sequence, other) for other in common):
        common.append(sequence)


def _alike(sequence: _Worded, other: _Worded) -> bool:
    shared = len(sequence.words.keys() & other.words.keys())
    return shared > _SAME_WORDS * min(len(sequence.words), len(other.words))


def _united(residues: str, others: str, shift: int) -> str:
    """Residues of two sequences that differ only in what is known; `others` begins at `shift`."""
    start, end = min(0, shift), max(len(residues), len(others) + shift)
    united = np.full(end - start, ord(UNKNOWN), np.uint8)
    for known, at in ((others, shift - start), (residues, -start)):
        codes = letters(known)
        places = np.flatnonzero(codes != ord(UNKNOWN))
        united[places + at] = codes[places]
    return united.tobytes().decode("ascii")


def _number(chains: Sequence[CalphaChain], common: list[_Worded]) -> list[NumberedChain]:
    maps: dict[str, NumberedChain] = {}
    numbered = []
    for chain in chains:
        sequence, places = _own_sequence(chain)
        if sequence not in maps:
            maps[sequence] = _map(_Worded(sequence), common)
        numbered.append(NumberedChain(maps[sequence].sequence, maps[sequence].positions[places]))
    return numbered


def _own_sequence(chain: CalphaChain) -> tuple[str, Ints]:
    return own_sequence(chain.residues, chain.numbers, chain.sequence)


def _map(sequence: _Worded, common: list[_Worded]) -> NumberedChain:
    """Positions of all residues of a sequence on the common one that it resembles most."""
    best, shift = _best_shift(sequence, common)
    length = len(sequence.residues)
    if best == UNPLACED:
        return NumberedChain(UNPLACED, np.full(length, UNPLACED))
    if shift is None:
        return NumberedChain(best, align(sequence.residues, common[best].residues))
    positions = np.arange(length) + shift
    positions[(positions < 0) | (positions >= len(common[best].residues))] = UNPLACED
    return NumberedChain(best, positions)


def _best_shift(sequence: _Worded, common: list[_Worded]) -> tuple[int, int | None]:
    """The common sequence that shares most, `UNPLACED` if none shares a word, and the shift that makes both equal.

    The shift, None where there is none, is the position in the common sequence of the first residue.
    """
    shared = [len(sequence.words.keys() & other.words.keys()) for other in common]
    if not any(shared):
        return UNPLACED, None
    order = sorted(np.flatnonzero(shared), key=lambda i: (-shared[i], i))
    shifts = {int(i): _shift(sequence, common[i]) for i in order}
    return next(((i, shift) for i, shift in shifts.items() if shift is not None), (int(order[0]), None))


def _shift(sequence: _Worded, other: _Worded) -> int | None:
    """The shift that the common words agree on, if nearly all residues are equal with it."""
    votes = Counter(other.words[word] - at for word, at in sequence.words.items() if word in other.words)
    shift = votes.most_common(1)[0][0]
    mine, theirs = letters(sequence.residues), letters(other.residues)
    start, end = max(0, -shift), min(len(mine), len(theirs) - shift)
    mine, theirs = mine[start:end], theirs[start + shift : end + shift]
    both = (mine != ord(UNKNOWN)) & (theirs != ord(UNKNOWN))
    equal = int((mine == theirs)[both].sum())
    enough = equal >= _SAME_RESIDUES * both.sum() and 2 * equal >= min(sequence.known(), other.known())
    return shift if enough else None
