"""What to look at first: the parts of a model that are least likely to be right."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emodelx.report.findings import ChainFindings
from emodelx.report.unmodelled import missing_stretches

UNSURE = 50.0
"""Confidence below which a stretch is to be looked at."""
POOR_FIT = 0.6
"""Part of the model's median correlation below which a residue fits poorly."""
SHORTEST = 3
"""Residues of a stretch at least."""
_GEOMETRY = (
    ("Ramachandran outliers", "ramachandran", "ramachandran", 1),
    ("Clashes, the worst first", "clash", "clash", -1),
    ("Unusual rotamers", "rotamer", "rotamer", 1),
    ("Misplaced Cbetas", "cbeta", "cbeta", -1),
)
"""Name, flag, measure, and whether a high or a low one is bad."""


@dataclass(frozen=True)
class Concern:
    """Something to look at.

    Attributes
    ----------
    what : str
        In words.
    places : tuple of str
        Where, as ChimeraX names residues: `/A:5-9`; the most doubtful first.
    """

    what: str
    places: tuple[str, ...]


def concerns(chains: Sequence[ChainFindings]) -> list[Concern]:
    """List what to look at; kinds without a place are left out."""
    fits = np.concatenate([chain.measure("cc") for chain in chains])
    usual = np.nanmedian(fits) if np.isfinite(fits).any() else np.nan
    unsure = [(chain, chain.confidence < UNSURE, chain.confidence) for chain in chains]
    poor = [(chain, chain.measure("cc") < POOR_FIT * usual, chain.measure("cc")) for chain in chains]
    found = [
        Concern("Low confidence: out of register, or traced wrongly", _stretches(unsure)),
        Concern("Poor fit: little density supports these", _stretches(poor)),
        *(Concern(name, _flagged(chains, flag, measure, sign)) for name, flag, measure, sign in _GEOMETRY),
    ]
    return [concern for concern in found if concern.places]


def _stretches(chains: Sequence[tuple[ChainFindings, NDArray[np.bool_], NDArray[np.floating]]]) -> tuple[str, ...]:
    """Runs of chosen residues, the one with the lowest mean first."""
    found = [
        (float(np.mean(values[first:end])), f"/{chain.name}:{first + 1}-{end}")
        for chain, chosen, values in chains
        for first, end in missing_stretches(~chosen)
        if end - first >= SHORTEST
    ]
    return tuple(place for _, place in sorted(found))


def _flagged(chains: Sequence[ChainFindings], flag: str, measure: str, sign: int) -> tuple[str, ...]:
    """Flagged residues, the one with the lowest `sign` times `measure` first."""
    found = [
        (sign * float(chain.measure(measure)[index]), f"/{chain.name}:{index + 1}")
        for chain in chains
        for index in np.flatnonzero(chain.flagged(flag)).tolist()
    ]
    return tuple(place for _, place in sorted(found))
