"""What was not built, and why."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from emodelx.records import CalphaModel, Chain, Points
from emodelx.report.unmodelled import missing_stretches

STEP = 3.8
"""Angstrom from one Calpha to the next."""
REACH = 15.0
"""Angstrom from the end of a chain within which candidates could continue it."""


@dataclass(frozen=True)
class Unbuilt:
    """A stretch that was not built.

    Attributes
    ----------
    chain, sequence : str
        Name of the chain, empty for a copy that was not found, and of its sequence.
    first, last : int
        1-based positions in the sequence.
    where : str
        start, end, loop or copy.
    free_candidates : int
        Calphas that the network saw near the built ends and that no residue has taken.
    reason : str
        In words.
    """

    chain: str
    sequence: str
    first: int
    last: int
    where: str
    free_candidates: int
    reason: str


def unbuilt_stretches(model: CalphaModel, free: Points) -> list[Unbuilt]:
    """List the stretches of the sequences that the model does not hold, chain by chain, then the missing copies.

    Parameters
    ----------
    model : CalphaModel
    free : ndarray, dtype=float64, shape=(n, 3)
        Candidates that the model does not explain.
    """
    found = [stretch for chain in model.chains for stretch in _of_chain(chain, model, free)]
    return [*found, *_missing_copies(model)]


def _of_chain(chain: Chain, model: CalphaModel, free: Points) -> Iterator[Unbuilt]:
    length = len(chain.positions)
    for first, end in missing_stretches(chain.placed()):
        where = "start" if first == 0 else "end" if end == length else "loop"
        ends = [i for i in (first - 1, end) if 0 <= i < length]
        near = _near(free, chain.positions[ends], min(STEP * (end - first + 1), REACH))
        name = model.sequences[chain.sequence].name
        yield Unbuilt(chain.name, name, first + 1, end, where, near, _reason(near, end - first))


def _near(free: Points, ends: Points, reach: float) -> int:
    distance = np.linalg.norm(free[:, None] - ends, axis=2)
    return int((distance <= reach).any(axis=1).sum())


def _reason(near: int, length: int) -> str:
    if near == 0:
        return "the network saw no Calphas there: weak density, or a disordered chain"
    seen = f"{near} free Calpha{' was' if near == 1 else 's were'} seen nearby"
    if near < length / 2:
        return f"only {seen}: weak or broken density"
    return f"{seen}, but which residues they are is not clear"


def _missing_copies(model: CalphaModel) -> Iterator[Unbuilt]:
    built = Counter(chain.sequence for chain in model.chains)
    for index, sequence in enumerate(model.sequences):
        for copy in range(built[index], sequence.copies):
            reason = f"copy {copy + 1} of {sequence.copies}: no place for it was found in the map"
            yield Unbuilt("", sequence.name, 1, len(sequence.residues), "copy", 0, reason)
