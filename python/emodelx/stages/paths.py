"""Chains without sequences: long paths of candidates, typed by the network."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import count, product
from string import ascii_uppercase

import numpy as np
from numpy.typing import NDArray

from emodelx import _core
from emodelx.config import PathConfig, RunConfig
from emodelx.constants import AMINO_ACIDS, SURE_WAY
from emodelx.errors import NothingBuildableError
from emodelx.records import CalphaModel, Candidates, Chain, Floats, Ints, Links, Provenance, Sequence
from emodelx.unexplained import is_unexplained

Path = tuple[Ints, Floats, float]
"""Candidates, -1 where one is missing; probabilities of the residues; log-odds that the chain runs this way."""
FEWEST = 20
"""Candidates of a chain that is told beside a model; loops that it lacks and noise make shorter ones."""
SMOOTHED = 2
"""Residues to either side whose steps tell how sure a residue is."""


def trace_chains(candidates: Candidates, links: Links, config: PathConfig, run: RunConfig) -> CalphaModel:
    """Join candidates into long chains without sequences.

    Which steps a set of disjoint chains takes is estimated for all steps at once (belief propagation): links, bends,
    and that every candidate has at most two neighbours. The most probable steps are taken first. A step may pass over
    one missing candidate. Which end of a chain is its first residue the bends tell; Calphas alone hardly do.

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
    paths = _find_paths(candidates, links, config, run)
    if not paths:
        raise NothingBuildableError(
            f"no chain of {config.min_length} residues in {len(candidates)} candidates; check the hand, the resolution "
            "and the voxel size of the map"
        )
    return _model_of_paths(paths, candidates, _names())


def trace_rest(
    model: CalphaModel, candidates: Candidates, links: Links, config: PathConfig, run: RunConfig
) -> CalphaModel:
    """Trace long chains in what the model leaves of the candidates, as without sequences.

    Parameters
    ----------
    model : CalphaModel
    candidates : Candidates
        With the types as they were read.
    links : Links
        Of these candidates.
    config : PathConfig
    run : RunConfig

    Returns
    -------
    CalphaModel
        Chains of `FEWEST` candidates or more whose direction is known, with names that the model does not have; often
        none.
    """
    free = is_unexplained(model, candidates)
    if free.sum() < FEWEST:
        return CalphaModel(())
    index, left = np.flatnonzero(free), candidates.select(free)
    paths = _find_paths(left, links.among(free), replace(config, min_length=FEWEST), run)
    taken = {chain.name for chain in model.chains}
    names = (name for name in _names() if name not in taken)
    traced = _model_of_paths([path for path in paths if path[2] >= SURE_WAY], left, names)
    return replace(traced, chains=tuple(_among_all(chain, index) for chain in traced.chains))


def _among_all(chain: Chain, index: Ints) -> Chain:
    """The chain with its candidates numbered among all."""
    return replace(chain, candidates=np.append(index, -1)[chain.candidates])  # the last stands for none


def _find_paths(candidates: Candidates, links: Links, config: PathConfig, run: RunConfig) -> list[Path]:
    """Find long paths along links and bends, the longest first."""
    likelihood = links.likelihood
    return _core.trace_paths(
        candidates.positions,
        (likelihood.start, likelihood.column, likelihood.value),
        config.least_step,
        config.min_length,
        bends=links.bend_odds(),
        threads=run.threads,
        progress=run.progress,
    )


def _model_of_paths(paths: list[Path], candidates: Candidates, names: Iterator[str]) -> CalphaModel:
    """Lay paths out as chains, each with a sequence of its own."""
    chains = [_chain(i, name, path, candidates) for i, (path, name) in enumerate(zip(paths, names, strict=False))]
    return CalphaModel(tuple(_sequence(chain, candidates) for chain in chains), tuple(chains))


def _chain(index: int, name: str, path: Path, candidates: Candidates) -> Chain:
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
