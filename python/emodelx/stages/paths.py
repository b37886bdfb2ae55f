"""Chains without sequences: long paths of candidates, typed by the network."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import count, product
from string import ascii_uppercase

import numpy as np
from numpy.typing import NDArray

from emodelx import _core
from emodelx.config import PathConfig, RunConfig
from emodelx.constants import AMINO_ACIDS
from emodelx.errors import NothingBuildableError
from emodelx.records import CalphaModel, Candidates, Chain, Floats, Ints, Links, Provenance, Sequence

SMOOTHED = 2
"""Residues to either side whose steps tell how sure a residue is."""


def trace_chains(candidates: Candidates, links: Links, config: PathConfig, run: RunConfig) -> CalphaModel:
    """Join candidates into long chains without sequences.

    Which steps a set of disjoint chains takes is estimated for all steps at once (belief propagation): links, bends,
    and that every candidate has at most two neighbours. The most probable steps are taken first. A step may pass over
    one missing candidate. Which end of a chain is its first residue is not known: Calphas alone hardly tell.

    Parameters
    ----------
    candidates : Candidates
        With the types as they were read.
    links : Links
    config : PathConfig
    run : RunConfig

    Returns
    -------
    CalphaModel
        The longest chain first; each has a sequence of its own, of the most probable types, X where a candidate is
        missing. The confidence is the probability of the steps around a residue.

    Raises
    ------
    NothingBuildableError
        No candidates follow each other.
    """
    likelihood = links.likelihood
    paths = _core.trace_paths(
        candidates.positions,
        (likelihood.start, likelihood.column, likelihood.value),
        config.least_step,
        config.min_length,
        bends=links.bend_odds(),
        threads=run.threads,
        progress=run.progress,
    )
    if not paths:
        raise NothingBuildableError(
            f"no chain of {config.min_length} residues in {len(candidates)} candidates; check the hand, the resolution "
            "and the voxel size of the map"
        )
    chains = [_chain(i, name, path, candidates) for i, (name, path) in enumerate(zip(_names(), paths, strict=False))]
    sequences = (_sequence(chain, candidates) for chain in chains)
    return CalphaModel(tuple(sequences), tuple(chains))


def _chain(index: int, name: str, path: tuple[Ints, Floats, float], candidates: Candidates) -> Chain:
    """Lay a path out as a chain."""
    members, probability, forward = path
    placed = members >= 0
    return Chain(
        index,
        name,
        positions=np.where(placed[:, None], candidates.positions[members], np.nan),
        candidates=members,
        provenance=np.where(placed, Provenance.TRACED, Provenance.MISSING).astype(np.uint8),
        confidence=(100 * np.where(placed, _around(probability), 0)).astype(np.float32),
        forward=forward,
    )


def _around(probability: Floats) -> NDArray[np.float64]:
    """Mean over the residues around each one, fewer at the ends."""
    window = np.ones(2 * SMOOTHED + 1)
    padded = np.pad(np.stack([probability, np.ones_like(probability)]), ((0, 0), (SMOOTHED, SMOOTHED)))
    total, number = (np.convolve(row, window, "valid") for row in padded)
    return total / number


def _sequence(chain: Chain, candidates: Candidates) -> Sequence:
    """The most probable type of every residue."""
    best = candidates.type_prob[chain.candidates].argmax(axis=1)
    residues = "".join(AMINO_ACIDS[t] if k >= 0 else "X" for t, k in zip(best, chain.candidates, strict=True))
    return Sequence(f"traced_{chain.name}", residues, (chain.name,))


def _names() -> Iterator[str]:
    """A..Z, AA..ZZ and on: files are named by them, so they do not differ by case only."""
    for length in count(1):
        yield from map("".join, product(ascii_uppercase, repeat=length))


def rate_paths(model: CalphaModel) -> CalphaModel:
    """Give bridged residues the lower confidence of the residues beside them.

    Parameters
    ----------
    model : CalphaModel
        Traced chains after bridging.
    """
    return replace(model, chains=tuple(map(_rate, model.chains)))


def _rate(chain: Chain) -> Chain:
    beside = np.pad(chain.confidence, 1, constant_values=0)
    lower = np.minimum(beside[:-2], beside[2:])
    bridged = chain.provenance == Provenance.BRIDGED
    return replace(chain, confidence=np.where(bridged, lower, chain.confidence).astype(np.float32))
