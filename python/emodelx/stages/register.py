"""Sequence registration: runs of candidates that follow a sequence."""

from collections.abc import Sequence as Sequences

from emodelx import _core
from emodelx.config import RegistrationConfig, RunConfig
from emodelx.records import Candidates, Fragment, Links, Sequence


def register_sequences(
    candidates: Candidates,
    links: Links,
    sequences: Sequences[Sequence],
    config: RegistrationConfig,
    run: RunConfig,
) -> tuple[Fragment, ...]:
    """Find runs of candidates that follow a sequence, and the sequence that they follow.

    A hidden Markov model gives the posterior that candidate k is residue j of sequence i: its walks go along links
    and along the sequences at once, over a missing candidate too, and weigh types by their odds. As in the paper, runs
    are then grown greedily from the best match, to neighbours that match the next residue best, and kept when they are
    long enough; but the posterior takes the place of the scores of eq. 26. Rounds after the first know the runs of
    the one before.

    Parameters
    ----------
    candidates : Candidates
    links : Links
    sequences : sequence of Sequence
    config : RegistrationConfig
    run : RunConfig

    Returns
    -------
    tuple of Fragment
        Disjoint in candidates, no residue more often than its sequence has copies; most expected residues first.
    """
    likelihood = links.likelihood
    runs = _core.register_runs(
        candidates.positions,
        (likelihood.start, likelihood.column, likelihood.value),
        candidates.type_odds(),
        [sequence.codes() for sequence in sequences],
        [sequence.copies for sequence in sequences],
        config.growth(),
        threads=run.threads,
        progress=run.progress,
    )
    return tuple(Fragment(*found) for found in runs)
