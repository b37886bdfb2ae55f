"""Sequence registration: runs of candidates that follow a sequence."""

from collections.abc import Sequence as Sequences

import numpy as np
from scipy.spatial import KDTree

from emodelx import _core
from emodelx.config import RegistrationConfig, RunConfig
from emodelx.records import Candidates, Floats, Fragment, Ints, Links, Placement, Sequence

NEAR = 2.0
"""Angstrom from where a template has a residue within which a candidate may be it."""
HINT_WIDTH = 0.9
"""Deviation in Angstrom along each axis."""
BEST_HINT = 30.0
"""Odds of a candidate right there."""


def register_sequences(
    candidates: Candidates,
    links: Links,
    sequences: Sequences[Sequence],
    placements: Sequences[Placement],
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
    placements : sequence of Placement
        Where templates have residues: candidates there are likelier them (eq. 27).
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
        hints=_hints(candidates, placements),
        bends=links.bend_odds(),
        threads=run.threads,
        progress=run.progress,
    )
    return tuple(Fragment(*found) for found in runs)


def _hints(candidates: Candidates, placements: Sequences[Placement]) -> tuple[Ints, Ints, Ints, Floats]:
    """Candidates near residues of placed templates: candidate, sequence, number of the residue, odds."""
    tree = KDTree(candidates.positions)
    found = []
    for placement in placements:
        near = tree.sparse_distance_matrix(KDTree(placement.positions), NEAR, output_type="ndarray")
        odds = np.maximum(BEST_HINT * np.exp(-0.5 * (near["v"] / HINT_WIDTH) ** 2), 1)
        odds = 1 / odds if placement.spare else odds
        sequence = np.full(len(near), placement.sequence)
        found.append((near["i"].astype(np.int64), sequence, placement.numbers[near["j"]], odds))
    columns = [np.concatenate(column) for column in zip(*found, strict=True)] if found else [np.zeros(0, np.int64)] * 4
    return columns[0], columns[1], columns[2], columns[3].astype(np.float32)
