"""Sequence registration: runs of candidates that follow a sequence."""

from collections.abc import Sequence as Sequences

from emodelx import _core
from emodelx.config import RegistrationConfig, RunConfig
from emodelx.records import Candidates, Fragment, Links, Scores, Sequence


def register_sequences(
    candidates: Candidates,
    links: Links,
    scores: Scores,
    sequences: Sequences[Sequence],
    config: RegistrationConfig,
    run: RunConfig,
) -> tuple[Fragment, ...]:
    likelihood = links.likelihood
    runs = _core.register_runs(
        candidates.positions,
        (likelihood.start, likelihood.column, likelihood.value),
        candidates.type_odds(),
        [sequence.codes() for sequence in sequences],
        [sequence.copies for sequence in sequences],
        [(config.min_run, config.min_match, config.min_mean)] * config.rounds,
        threads=run.threads,
        progress=run.progress,
    )
    return tuple(Fragment(*found) for found in runs)
