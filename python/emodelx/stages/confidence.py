"""Confidence: the probability that a residue lies within 3 A of where it belongs."""

from collections.abc import Sequence as Sequences
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from emodelx.records import CalphaModel, Candidates, Chain, Placement, Provenance, Sequence

Values = NDArray[np.float64]

CA_DISTANCE = 3.8
"""Angstrom between consecutive Calphas."""
BROKEN = 1.5
"""Angstrom that a distance to a missing residue counts as wrong."""
NEAR, FAR, AROUND = 3, 8, 10
"""Residues to either side over which types (near and far) and traced neighbours are averaged."""

SAME_PLACE = 1.0
"""Angstrom within which a residue is where rigid search has it."""

INTERCEPT = -1.3
WEIGHTS = np.array([1.8, 2.9, 1.5, -1.6, -0.25, -0.6, -1.4, 4.0])
"""Logistic regression on models of simulated cases and of EMD-3488, 5185 and 8410; `docs/accuracy.md` has its
calibration on other cases and maps. The last weight is not of the regression: residues from templates have neither
types nor traced neighbours, and 95 % of them are right."""


def rate_confidence(
    model: CalphaModel,
    candidates: Candidates,
    sequences: Sequences[Sequence],
    placements: Sequences[Placement] = (),
) -> CalphaModel:
    """Give every placed residue a confidence.

    A logistic regression weighs how well the types of the residue's neighbourhood fit the sequence, how much of it was
    traced rather than filled in, how far the distances along the chain are from 3.8 A, and where the residue came from.

    Parameters
    ----------
    model : CalphaModel
    candidates : Candidates
        With the types that the model was registered with.
    sequences : sequence of Sequence
    placements : sequence of Placement
        Residues that stand where rigid search has them are as sure as it says.

    Returns
    -------
    CalphaModel
        The same model; confidence is 0 to 100, and 0 where a residue is not placed.
    """
    log_odds = np.log(candidates.type_odds().astype(np.float64))
    chains = (_rate(chain, log_odds, sequences[chain.sequence].codes()) for chain in model.chains)
    return replace(model, chains=tuple(_as_searched(chain, placements) for chain in chains))


def _as_searched(chain: Chain, placements: Sequences[Placement]) -> Chain:
    """The chain with the confidence of the rigid search where nothing but that speaks for a residue."""
    confidence = chain.confidence.copy()
    for p in placements:
        if p.right is not None and p.sequence == chain.sequence:
            there = np.linalg.norm(chain.positions[p.numbers] - p.positions, axis=1) < SAME_PLACE
            own = there & np.isin(chain.provenance[p.numbers], (Provenance.TEMPLATE, Provenance.BRIDGED))
            confidence[p.numbers[own]] = 100 * p.right[own]
    return replace(chain, confidence=confidence)


def _rate(chain: Chain, log_odds: Values, codes: NDArray[np.int8]) -> Chain:
    evidence = np.stack([
        *_type_evidence(chain, log_odds, codes),
        _around(chain.provenance == Provenance.TRACED, AROUND) / (2 * AROUND + 1),
        _around(_stretch(chain), 1) / 3,
        chain.provenance == Provenance.THREADED,
        chain.provenance == Provenance.BRIDGED,
        chain.provenance == Provenance.EXTENDED,
        chain.provenance == Provenance.TEMPLATE,
    ], axis=1)  # fmt: skip
    probability = 1 / (1 + np.exp(-(INTERCEPT + evidence @ WEIGHTS)))
    return replace(chain, confidence=np.where(chain.placed(), 100 * probability, 0).astype(np.float32))


def _type_evidence(chain: Chain, log_odds: Values, codes: NDArray[np.int8]) -> list[Values]:
    """Mean log-odds of the residues' types on their candidates, near and far around each residue."""
    read = (chain.candidates >= 0) & (codes >= 0)
    own = np.zeros(len(read))
    own[read] = log_odds[chain.candidates[read], codes[read]]
    return [_around(own, width) / np.maximum(_around(read, width), 1) for width in (NEAR, FAR)]


def _stretch(chain: Chain) -> Values:
    """How far the distance from the residue before is from 3.8 A; `BROKEN` without such a distance."""
    distance = np.linalg.norm(np.diff(chain.positions, axis=0, prepend=np.nan), axis=1)
    return np.where(np.isfinite(distance), np.abs(distance - CA_DISTANCE), BROKEN)


def _around(values: NDArray[np.generic], width: int) -> Values:
    """Sum over `width` residues to either side."""
    return np.convolve(np.pad(values.astype(np.float64), width), np.ones(2 * width + 1), "valid")
