"""Correction of the amino-acid probabilities by the composition of the sequences, which is known."""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from emodelx.records import Candidates, Sequence

ROUNDS = 30
"""Iterations of the class weights; they converge in about ten."""
PSEUDOCOUNT = 0.001
"""Share of every type beside the sequences' own: some candidates are not residues of them."""


def correct_composition(candidates: Candidates, sequences: Iterable[Sequence]) -> Candidates:
    """Reweight the types so that their mean over the candidates is the composition of the sequences.

    A network has its own prior of every type, which differs from map to map. p'(k, a) is proportional to
    w(a) p(k, a), with weights w found by iterating until the mean of p' over the candidates equals the
    composition, all copies counted.

    Parameters
    ----------
    candidates : Candidates
    sequences : iterable of Sequence

    Returns
    -------
    Candidates
        The same candidates with corrected `type_prob`.
    """
    if len(candidates) == 0:
        return candidates
    target = composition(sequences)
    read = np.maximum(candidates.type_prob.astype(np.float64), 1e-9)
    weights = np.ones(20)
    for _ in range(ROUNDS):
        # Without BLAS, whose threads take longer to wake up than this takes.
        total = np.einsum("ka,a->k", read, weights)
        mean = weights * np.einsum("ka,k->a", read, 1 / total) / len(read)
        weights *= target / np.maximum(mean, 1e-9)
    return replace(candidates, type_prob=_normalised(read * weights).astype(np.float32))


def composition(sequences: Iterable[Sequence]) -> NDArray[np.float64]:
    """Share of every amino-acid type in all copies of the sequences. Shape (20,), sums to 1."""
    count = np.full(20, 1e-9)
    for sequence in sequences:
        codes = sequence.codes()
        count += sequence.copies * np.bincount(codes[codes >= 0], minlength=20)
    return _normalised(count / count.sum() + PSEUDOCOUNT)


def _normalised(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return values / values.sum(axis=-1, keepdims=True)
