"""Score propagation: what a candidate's n-hop neighbours say about its residue."""

import numpy as np

from emodelx import _core
from emodelx.config import RunConfig
from emodelx.records import Candidates, Hops, Scores


def propagate_scores(candidates: Candidates, hops: Hops, run: RunConfig) -> Scores:
    """Propagate the type probabilities along the n-hop likelihoods (eq. 26).

    S depends on the sequence only through residue types, so its two factors, own (20, n) and hop (6, 20, n) with
    hop[n - 1, a, k] = sum over k' of p(k', a) H(n)[k', k], hold all of S x L x N.

    Parameters
    ----------
    candidates : Candidates
    hops : Hops
    run : RunConfig

    Returns
    -------
    Scores
    """
    types = np.ascontiguousarray(candidates.type_prob)
    matrices = [(rows.start, rows.column, rows.value) for rows in hops.rows]
    said = _core.propagate_types(types, matrices, threads=run.threads, progress=run.progress)
    hop = np.stack([types_of.T for types_of in said]) if said else np.zeros((0, 20, len(candidates)), np.float32)
    return Scores(own=np.ascontiguousarray(types.T), hop=hop)
