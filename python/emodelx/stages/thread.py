"""Threading: residues between the registered ones (eq. 28)."""

from collections.abc import Sequence as Sequences
from dataclasses import replace

import numpy as np

from emodelx import _core
from emodelx.config import RunConfig, ThreadingConfig
from emodelx.records import CalphaModel, Candidates, Chain, Links, Provenance
from emodelx.symmetry import expected_positions


def thread_gaps(
    model: CalphaModel,
    candidates: Candidates,
    links: Links,
    config: ThreadingConfig,
    run: RunConfig,
) -> CalphaModel:
    """Fill gaps of the chains with threads of candidates (eq. 28).

    Threads grow from both ends of a gap and are pruned to the best per candidate. A thread scores by the types of its
    candidates, by the links between them, and by its distance to where a copy of the chain has the residues.

    Parameters
    ----------
    model : CalphaModel
        Registered chains.
    candidates : Candidates
    links : Links
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
        [sequence.codes() for sequence in model.sequences],
        [(chain.sequence, chain.candidates, at) for chain, at in zip(model.chains, expected, strict=True)],
        (config.beam, config.least_closed, config.least_open),
        threads=run.threads,
        progress=run.progress,
    )
    chains = (_place(chain, placed, candidates) for chain, placed in zip(model.chains, found, strict=True))
    return replace(model, chains=tuple(chains))


def _place(chain: Chain, placed: Sequences[tuple[int, int, float]], candidates: Candidates) -> Chain:
    """Add threaded residues to a chain."""
    if not placed:
        return chain
    residues, members, score = (np.array(column) for column in zip(*placed, strict=True))
    result = replace(
        chain,
        positions=chain.positions.copy(),
        candidates=chain.candidates.copy(),
        provenance=chain.provenance.copy(),
        confidence=chain.confidence.copy(),
    )
    result.positions[residues] = candidates.positions[members]
    result.candidates[residues] = members
    result.provenance[residues] = Provenance.THREADED
    result.confidence[residues] = 100 / (1 + np.exp(-score))
    return result
