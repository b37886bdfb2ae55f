"""Threading: residues between the registered ones (eq. 28)."""

from emodelx.config import RunConfig, ThreadingConfig
from emodelx.records import CalphaModel, Candidates, Links, Prediction, Scores


def thread_gaps(
    model: CalphaModel,
    candidates: Candidates,
    links: Links,
    scores: Scores,
    prediction: Prediction,
    config: ThreadingConfig,
    run: RunConfig,
) -> CalphaModel:
    return model
