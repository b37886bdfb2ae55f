"""Bridging: short gaps without candidates are closed along the main chain."""

from dataclasses import replace

from emodelx import _core
from emodelx.config import BridgingConfig, RunConfig
from emodelx.records import CalphaModel, Prediction, Provenance
from emodelx.support import usual_support
from emodelx.symmetry import strands


def bridge_gaps(model: CalphaModel, prediction: Prediction, config: BridgingConfig, run: RunConfig) -> CalphaModel:
    """Place residues that have no candidate between two that have one.

    The paper leaves them out; but a gap of few residues with main chain in it leaves little choice where they are.
    Where there is much less main chain on the way than along the rest of the model, the map does not show them at all.

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
    usual = usual_support(model, prediction)
    bridges = _core.bridge_chains(
        strands(model.chains, origin),
        prediction.ca_prob,
        prediction.bb_prob,
        threads=run.threads,
        progress=run.progress,
    )
    chains = list(model.chains)
    for c, first, points, support in bridges:
        if support >= usual * config.least_support:
            chains[c] = chains[c].with_stretch(first, points + origin, Provenance.BRIDGED)
    return replace(model, chains=tuple(chains))
