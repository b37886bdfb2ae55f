"""n-hop trace sampling: who may follow whom n residues later."""

from emodelx import _core
from emodelx.config import RunConfig, TraceConfig
from emodelx.records import Hops, Links, SparseRows


def sample_traces(links: Links, config: TraceConfig, run: RunConfig) -> Hops:
    """Estimate the likelihood that candidates are n residues apart, for n = 1 .. `config.hops` (eq. 25).

    Entry (k', k) of H(n) is the best product of likelihoods over the walks of n links from k' to k that follow
    only the best links of each candidate and visit none twice; the entries of every column k (over k') sum to 1,
    as eq. 26 needs them.

    Parameters
    ----------
    links : Links
    config : TraceConfig
    run : RunConfig

    Returns
    -------
    Hops
    """
    likelihood = links.likelihood
    hops = _core.sample_hops(
        (likelihood.start, likelihood.column, likelihood.value),
        config.hops,
        config.neighbours,
        config.floor,
        threads=run.threads,
    )
    return Hops(tuple(SparseRows(*rows) for rows in hops))
