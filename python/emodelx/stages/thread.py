"""Threading: residues between the registered ones (eq. 28)."""

from collections.abc import Sequence as Sequences
from dataclasses import replace

import numpy as np

from emodelx import _core
from emodelx.config import RunConfig, ThreadingConfig
from emodelx.records import CalphaModel, Candidates, Chain, Links, Points, Prediction, Provenance, Scores


def thread_gaps(
    model: CalphaModel,
    candidates: Candidates,
    links: Links,
    scores: Scores,
    prediction: Prediction,
    config: ThreadingConfig,
    run: RunConfig,
) -> CalphaModel:
    likelihood = links.likelihood
    expected = [_expected(chain, model.chains) for chain in model.chains]
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


def _expected(chain: Chain, others: Sequences[Chain]) -> Points:
    """Where the copies of a chain have its missing residues; NaN where none has."""
    expected = np.full_like(chain.positions, np.nan)
    for other in others:
        if other is not chain and other.sequence == chain.sequence:
            for gap in _gaps(chain):
                local = _transfer(chain, other, gap)
                expected[gap] = np.where(np.isnan(expected[gap]), local, expected[gap])
    return expected


FLANK = 25
"""Residues on both sides of a gap on which a copy is superposed."""
LEAST_SHARED = 8
"""Residues that the superposition needs."""
LARGEST_RMSD = 1.5
"""Angstrom; copies that differ more tell nothing."""


def _transfer(chain: Chain, other: Chain, gap: slice) -> Points:
    """Positions of the gap's residues in `other`, superposed on the residues around the gap."""
    around = slice(max(gap.start - FLANK, 0), gap.stop + FLANK)
    both = np.isfinite(chain.positions[around, 0]) & np.isfinite(other.positions[around, 0])
    missing = np.full((gap.stop - gap.start, 3), np.nan)
    if both.sum() < LEAST_SHARED:
        return missing
    mobile, target = other.positions[around][both], chain.positions[around][both]
    rotation, shift = _superpose(mobile, target)
    rmsd = np.sqrt((((mobile @ rotation.T + shift) - target) ** 2).sum(axis=1).mean())
    return other.positions[gap] @ rotation.T + shift if rmsd < LARGEST_RMSD else missing


def _superpose(mobile: Points, target: Points) -> tuple[Points, Points]:
    """Rotation and shift that take `mobile` onto `target` with the least squared distance (Kabsch)."""
    centre, onto = mobile.mean(axis=0), target.mean(axis=0)
    left, _, right = np.linalg.svd((mobile - centre).T @ (target - onto))
    handed = np.diag([1, 1, np.sign(np.linalg.det(left @ right))])
    rotation = (left @ handed @ right).T
    return rotation, onto - rotation @ centre


def _gaps(chain: Chain) -> list[slice]:
    """Runs of residues without a position."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], ~chain.placed(), [False]]).astype(np.int8)))
    return [slice(int(a), int(b)) for a, b in edges.reshape(-1, 2)]
