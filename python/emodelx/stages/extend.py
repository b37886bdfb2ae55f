"""Extension: the main chain is followed for a few residues beyond the ends of the chains."""

from dataclasses import replace

from emodelx import _core
from emodelx.config import RunConfig
from emodelx.records import CalphaModel, Prediction, Provenance
from emodelx.symmetry import strands


def extend_ends(model: CalphaModel, prediction: Prediction, run: RunConfig) -> CalphaModel:
    """Place up to four residues beyond each end of a chain where main chain goes on without candidates.

    The paper leaves them out. Less than half of them are right, so they get a low confidence.

    Parameters
    ----------
    model : CalphaModel
        Threaded and bridged chains.
    prediction : Prediction
    run : RunConfig

    Returns
    -------
    CalphaModel
        The same chains with the new residues, marked as extended.
    """
    origin = prediction.origin
    extensions = _core.extend_chains(
        strands(model.chains, origin),
        prediction.ca_prob,
        prediction.bb_prob,
        threads=run.threads,
        progress=run.progress,
    )
    chains = list(model.chains)
    for c, first, points, _ in extensions:
        chains[c] = chains[c].with_stretch(first, points + origin, Provenance.EXTENDED)
    return replace(model, chains=tuple(chains))
