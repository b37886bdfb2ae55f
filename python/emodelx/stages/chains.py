"""Chain registration: fragments become the copies of their sequences (Algorithm 1)."""

from collections.abc import Sequence as Sequences

import numpy as np

from emodelx import _core
from emodelx.config import RunConfig
from emodelx.io.chain_names import name_chains
from emodelx.records import CalphaModel, Candidates, Chain, Fragment, Provenance, Sequence


def register_chains(
    fragments: Sequences[Fragment],
    candidates: Candidates,
    sequences: Sequences[Sequence],
    run: RunConfig,
) -> CalphaModel:
    """Find out which copy of its sequence every fragment belongs to (Algorithm 1).

    Fragments join by connectivity (their ends are as far apart as the residues between them span) and by symmetry
    (together they superpose on another copy).

    Parameters
    ----------
    fragments : sequence of Fragment
    candidates : Candidates
    sequences : sequence of Sequence
    run : RunConfig

    Returns
    -------
    CalphaModel
        A chain per copy of every sequence, the fullest copy first; copies that no fragment belongs to are empty.
        Fragments in excess of the copies are left out.
    """
    copy_of = _core.assign_chains(
        candidates.positions,
        [(fragment.sequence, fragment.start, fragment.candidates) for fragment in fragments],
        [sequence.copies for sequence in sequences],
        threads=run.threads,
        progress=run.progress,
    )
    chains = []
    for i, (sequence, names) in enumerate(zip(sequences, name_chains(sequences), strict=True)):
        for copy, name in enumerate(names):
            own = [f for f, c in zip(fragments, copy_of, strict=True) if f.sequence == i and c == copy]
            chains.append(_chain(i, name, len(sequence.residues), own, candidates))
    return CalphaModel(tuple(sequences), tuple(chains))


def _chain(sequence: int, name: str, length: int, fragments: Sequences[Fragment], candidates: Candidates) -> Chain:
    """Lay the fragments of one copy along its sequence."""
    members = np.full(length, -1)
    for fragment in fragments:
        held = np.flatnonzero(fragment.candidates >= 0)
        members[fragment.start + held] = fragment.candidates[held]
    placed = members >= 0
    return Chain(
        sequence,
        name,
        positions=np.where(placed[:, None], candidates.positions[members], np.nan),
        candidates=members,
        provenance=np.where(placed, Provenance.TRACED, Provenance.MISSING).astype(np.uint8),
        confidence=np.zeros(length, np.float32),
    )
