"""Connection likelihood of neighbouring candidates."""

from emodelx import _core
from emodelx.config import LinkConfig, RunConfig
from emodelx.records import Candidates, Links, Prediction, SparseRows


def link_candidates(candidates: Candidates, prediction: Prediction, config: LinkConfig, run: RunConfig) -> Links:
    """Estimate how likely candidates 2 to 6 A apart are consecutive residues.

    H = (S_D + S_B) / 2 (eq. 22): S_D is 1 around 3.8 A and falls to 0 away from it (eq. 23), S_B is the mean
    main-chain probability at the four inner points of the six of eq. 24, as in the published code: the end points,
    which all links of a candidate share, only blur the difference.

    Parameters
    ----------
    candidates : Candidates
    prediction : Prediction
        Its `bb_prob` and `origin` are read.
    config : LinkConfig
    run : RunConfig

    Returns
    -------
    Links
        Symmetric.
    """
    points = candidates.positions - prediction.origin
    rows = _core.link_candidates(
        points, prediction.bb_prob, config.min_distance, config.max_distance, threads=run.threads
    )
    return Links(SparseRows(*rows))
