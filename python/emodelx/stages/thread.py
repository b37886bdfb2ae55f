"""Threading: residues between the registered ones (eq. 28)."""

from collections.abc import Sequence as Sequences
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from emodelx import _core
from emodelx.config import RunConfig, ThreadingConfig
from emodelx.records import CalphaModel, Candidates, Chain, Floats, Ints, Links, Points, Provenance, Scores, Sequence
from emodelx.symmetry import expected_positions

ASTRAY = 5.0
"""Angstrom; a thread further than this from where a placed template has its residue is not believed."""
LEAST_VARIANCE = 1e-12
"""Of what the neighbours of a candidate say; those of a candidate without neighbours say nothing."""


def thread_gaps(
    model: CalphaModel,
    candidates: Candidates,
    links: Links,
    scores: Scores,
    config: ThreadingConfig,
    run: RunConfig,
) -> CalphaModel:
    """Fill gaps of the chains with threads of candidates (eq. 28).

    Threads grow from both ends of a gap and are pruned to the best per candidate. A thread scores by the types of its
    candidates and of their neighbours (S), by the links between them (H), and by its distance to where a copy of the
    chain has the residues.

    Parameters
    ----------
    model : CalphaModel
        Registered chains.
    candidates : Candidates
    links : Links
    scores : Scores
        Aligning scores S of the candidates.
    config : ThreadingConfig
    run : RunConfig

    Returns
    -------
    CalphaModel
        The same chains with the threaded residues, marked as such.
    """
    likelihood = links.likelihood
    expected = [expected_positions(chain, model.chains) for chain in model.chains]
    found = _core.thread_chains(
        candidates.positions,
        (likelihood.start, likelihood.column, likelihood.value),
        candidates.type_odds(),
        _context(scores, model.sequences, config.context),
        [sequence.codes() for sequence in model.sequences],
        [(chain.sequence, chain.candidates, at) for chain, at in zip(model.chains, expected, strict=True)],
        (config.beam, config.least_closed, config.least_open),
        threads=run.threads,
        progress=run.progress,
    )
    chains = (_place(chain, placed, candidates) for chain, placed in zip(model.chains, found, strict=True))
    return replace(model, chains=tuple(chains))


def _context(scores: Scores, sequences: Sequences[Sequence], weight: float) -> Floats:
    """Turn what the n-hop neighbours of the candidates say (eq. 26) into log-odds by hop and type. Shape (n, 6, 20).

    Summed over the 12 neighbours of a residue drawn from the sequences, they have mean 0 and deviation `weight`.
    """
    share = _shares(sequences)[:, None]
    centred = scores.hop - (scores.hop * share).sum(axis=1, keepdims=True)
    variance = 2 * (centred**2 * share).sum(axis=(0, 1))
    standardised = centred / np.sqrt(np.maximum(variance, LEAST_VARIANCE))
    return np.ascontiguousarray(weight * standardised.transpose(2, 0, 1), np.float32)


def _shares(sequences: Sequences[Sequence]) -> NDArray[np.float64]:
    """Share of every type in the sequences, each counted once. Shape (20,)."""
    codes = np.concatenate([sequence.codes() for sequence in sequences])
    count = np.bincount(codes[codes >= 0], minlength=20)
    return count / max(count.sum(), 1)


def _place(chain: Chain, placed: Sequences[tuple[int, int, float]], candidates: Candidates) -> Chain:
    """Add threaded residues to a chain."""
    if not placed:
        return chain
    residues, members, _ = (np.array(column) for column in zip(*placed, strict=True))
    kept = _welcome(chain, residues, candidates.positions[members])
    residues, members = residues[kept], members[kept]
    result = replace(
        chain,
        positions=chain.positions.copy(),
        candidates=chain.candidates.copy(),
        provenance=chain.provenance.copy(),
    )
    result.positions[residues] = candidates.positions[members]
    result.candidates[residues] = members
    result.provenance[residues] = Provenance.THREADED
    return result


def _welcome(chain: Chain, residues: Ints, positions: Points) -> NDArray[np.bool_]:
    """Which threaded residues a template has neither placed already nor far away. Shape of `residues`."""
    free = np.isnan(chain.positions[residues, 0])
    if chain.reference is None:
        return free
    return free & ~(np.linalg.norm(positions - chain.reference[residues], axis=1) > ASTRAY)
