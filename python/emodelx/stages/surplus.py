"""More copies than were told: maps are cut out around what is to be built, and hold parts of its neighbours."""

from collections.abc import Sequence as Sequences
from dataclasses import replace

import numpy as np

from emodelx.config import RunConfig
from emodelx.io.chain_names import name_chains
from emodelx.records import CalphaModel, Candidates, Chain, Points, Prediction, Sequence, Symmetry

SURPLUS, USUAL = 1.7, 1.2
"""Candidates per residue told above which the map holds more, and where it does not: 1.1 to 1.4 on seven maps."""
WHOLE = 0.7
"""Fewest residues of a copy that may be meant, each counted by its confidence, as a part of those of the best one. In
EMD-3488 with one sequence of two, copies in the place of the other have .56 and .64; those of 1461 differ by .1."""


def times_told(candidates: Candidates, sequences: Sequences[Sequence]) -> float:
    """Candidates per residue of the sequences; 0 where the copies of some were not told."""
    expected = sum(len(sequence.residues) * sequence.copies for sequence in sequences)
    return len(candidates) / expected if all(sequence.told for sequence in sequences) else 0.0


def untold(sequences: Sequences[Sequence]) -> tuple[Sequence, ...]:
    """Return the sequences as if nobody had told their copies."""
    return tuple(replace(sequence, told=False, chains=(), copies=1) for sequence in sequences)


def with_surplus(
    told: Sequences[Sequence], counted: Sequences[Sequence], symmetry: Symmetry, times: float
) -> tuple[Sequence, ...]:
    """Raise the copies of sequences to those that a map holds; else these end up in the chains of those told.

    Parameters
    ----------
    told : sequence of Sequence
    counted : sequence of Sequence
        The same with the copies that were counted.
    symmetry : Symmetry
        Of the map. Where there is one, there are as many copies of everything as the candidates are enough for, in
        multiples of its order, whatever was counted.
    times : float
        Candidates per residue told.

    Returns
    -------
    tuple of Sequence
        Never with fewer copies than told.
    """
    order = len(symmetry)
    if order == 1:
        return tuple(replace(t, copies=max(t.copies, c.copies)) for t, c in zip(told, counted, strict=True))
    units = (max(round(t.copies * times / USUAL / order), 1) for t in told)
    return tuple(replace(t, copies=max(t.copies, n * order)) for t, n in zip(told, units, strict=True))


def keep_told(model: CalphaModel, told: Sequences[Sequence], prediction: Prediction, _: RunConfig) -> CalphaModel:
    """Leave out the copies beyond those that were told; those nearest to the middle of the map are meant.

    Copies that hold much less than others, or are much less sure, are no choice: they may stand in a relative's place.

    Parameters
    ----------
    model : CalphaModel
        With the copies that the map holds, rated.
    told : sequence of Sequence
        The same sequences as the user gave them; their copies may be unknown.
    prediction : Prediction
        Its box is that of the map.
    """
    middle = prediction.middle()
    chains = []
    for i, (sequence, names) in enumerate(zip(told, name_chains(told), strict=True)):
        own = [chain for chain in model.chains if chain.sequence == i]
        if sequence.told and len(own) > sequence.copies:
            meant = _nearest(own, middle, sequence.copies)
            own = [replace(chain, name=name) for chain, name in zip(meant, names, strict=True)]
        chains += own
    sequences = (t if t.told else s for t, s in zip(told, model.sequences, strict=True))
    return CalphaModel(tuple(sequences), tuple(chains))


def _nearest(chains: Sequences[Chain], middle: Points, count: int) -> list[Chain]:
    """As many chains as wanted, in their order: whole and sure ones first, and of these the nearest to a point."""
    worth = [float(chain.confidence.sum()) for chain in chains]
    least = WHOLE * max(worth)

    def rank(index: int) -> tuple[bool, float]:
        placed = chains[index].positions[chains[index].placed()]
        far = float(np.linalg.norm(placed.mean(axis=0) - middle)) if len(placed) else np.inf
        return worth[index] < least, far

    return [chains[i] for i in sorted(sorted(range(len(chains)), key=rank)[:count])]
