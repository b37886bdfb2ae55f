"""Bridging: short gaps without candidates are closed along the main chain."""

from collections.abc import Sequence as Sequences
from dataclasses import replace

from emodelx import _core
from emodelx.config import BridgingConfig, RunConfig
from emodelx.records import CalphaModel, Chain, Points, Prediction, Provenance
from emodelx.symmetry import expected_positions

Bridge = tuple[int, int, Points, float]
"""Chain, first residue, grid positions, mean main-chain probability on the way."""


def bridge_gaps(model: CalphaModel, prediction: Prediction, config: BridgingConfig, run: RunConfig) -> CalphaModel:
    """Place residues that have no candidate between two that have one.

    The paper leaves them out; but a gap of few residues with main chain in it leaves little choice where they are.

    Parameters
    ----------
    model : CalphaModel
        Threaded chains.
    prediction : Prediction
    config : BridgingConfig
    run : RunConfig

    Returns
    -------
    CalphaModel
        The same chains with the bridged residues, marked as such.
    """
    origin = prediction.origin
    bridges = _core.bridge_chains(
        [(chain.positions - origin, expected_positions(chain, model.chains) - origin) for chain in model.chains],
        prediction.ca_prob,
        prediction.bb_prob,
        threads=run.threads,
        progress=run.progress,
    )
    good = [bridge for bridge in bridges if bridge[3] >= config.least_support]
    own = ([bridge for bridge in good if bridge[0] == c] for c in range(len(model.chains)))
    chains = (_place(chain, found, origin) for chain, found in zip(model.chains, own, strict=True))
    return replace(model, chains=tuple(chains))


def _place(chain: Chain, bridges: Sequences[Bridge], origin: Points) -> Chain:
    """Add bridged residues to a chain."""
    if not bridges:
        return chain
    positions, provenance = chain.positions.copy(), chain.provenance.copy()
    for _, first, points, _ in bridges:
        residues = slice(first, first + len(points))
        positions[residues] = points + origin
        provenance[residues] = Provenance.BRIDGED
    return replace(chain, positions=positions, provenance=provenance)
