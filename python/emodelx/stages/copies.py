"""How many copies of a sequence the map holds, where nobody says so."""

from collections.abc import Sequence as Sequences
from dataclasses import replace
from math import ceil

import numpy as np
from numpy.typing import NDArray

from emodelx import _core
from emodelx.config import CountConfig, RegistrationConfig, RunConfig
from emodelx.records import Candidates, Links, Sequence


def count_copies(
    candidates: Candidates,
    links: Links,
    sequences: Sequences[Sequence],
    registration: RegistrationConfig,
    config: CountConfig,
    run: RunConfig,
) -> tuple[Sequence, ...]:
    """Count the copies of the sequences whose number of copies is not told.

    The sequences are registered with more copies than can be; fragments that overlap, or lie too far apart for one
    chain, become copies of their own (Algorithm 1). Those that hold enough residues, compared with the fullest one,
    count. One round of registration is enough for that: a second one makes no count better on the whole.

    Parameters
    ----------
    candidates : Candidates
        With the types as they were read: a correction by composition would need the copies.
    links : Links
    sequences : sequence of Sequence
    registration : RegistrationConfig
    config : CountConfig
    run : RunConfig

    Returns
    -------
    tuple of Sequence
        The same sequences with their copies; at least 1 of each. Told numbers are untouched.
    """
    if all(sequence.told for sequence in sequences):
        return tuple(sequences)
    most = [s.copies if s.told else max(ceil(config.excess * len(candidates) / len(s.residues)), 1) for s in sequences]
    sizes = _copy_sizes(candidates, links, sequences, most, registration, run)
    return tuple(
        sequence if sequence.told else replace(sequence, copies=_full_enough(size, config.least_part))
        for sequence, size in zip(sequences, sizes, strict=True)
    )


def _full_enough(sizes: NDArray[np.int64], least_part: float) -> int:
    """Number of copies with enough residues; 1 where nothing was found."""
    return max(int((sizes > least_part * sizes.max()).sum()), 1)


def _copy_sizes(
    candidates: Candidates,
    links: Links,
    sequences: Sequences[Sequence],
    most: Sequences[int],
    config: RegistrationConfig,
    run: RunConfig,
) -> list[NDArray[np.int64]]:
    """Registered residues of every copy, of `most` per sequence."""
    likelihood = links.likelihood
    runs = _core.register_runs(
        candidates.positions,
        (likelihood.start, likelihood.column, likelihood.value),
        candidates.type_odds(),
        [sequence.codes() for sequence in sequences],
        most,
        config.growth()[:1],
        bends=links.bend_odds(),
        threads=run.threads,
        progress=run.progress,
    )
    held = [np.where(members[:, None] >= 0, candidates.positions[members], np.nan) for _, _, members, _ in runs]
    pieces = [(sequence, start, points) for (sequence, start, *_), points in zip(runs, held, strict=True)]
    copy_of = _core.assign_chains(pieces, most, threads=run.threads, progress=run.progress)
    sizes = [np.zeros(count, np.int64) for count in most]
    for (sequence, _, members, _), place in zip(runs, copy_of, strict=True):
        if place is not None:
            sizes[sequence][place[0]] += (members >= 0).sum()
    return sizes
