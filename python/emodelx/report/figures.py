"""The few numbers that tell a model's quality, and how good they are."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """A number of the page.

    Attributes
    ----------
    name, value : str
    grade : str
        good, fair or poor.
    usual : str
        What is good.
    """

    name: str
    value: str
    grade: str
    usual: str


@dataclass(frozen=True)
class _Scale:
    """How a score is shown, and from where on it is good and fair."""

    score: str
    name: str
    form: str
    good: float
    fair: float


_SCALES = (
    _Scale("cc_mask", "Fit to the map (CC mask)", "{:.2f}", 0.7, 0.5),
    _Scale("q_score", "Q-score", "{:.2f}", 0.5, 0.35),
    _Scale("ramachandran_favoured", "Ramachandran favoured", "{:.1%}", 0.95, 0.90),
    _Scale("ramachandran_outliers", "Ramachandran outliers", "{:.1%}", 0.005, 0.02),
    _Scale("rotamer_outliers", "Rotamer outliers", "{:.1%}", 0.02, 0.06),
    _Scale("clashscore", "Clashscore", "{:.1f}", 10, 20),
)
"""Limits are rules of thumb for models of 2.5 to 4 A, after what validation reports of the PDB call usual."""


def figures(scores: Mapping[str, float | int | None]) -> list[Figure]:
    """Grade the scores that are there, by the names of `report.json`."""
    known = ((scale, scores.get(scale.score)) for scale in _SCALES)
    return [_figure(scale, value) for scale, value in known if value is not None]


def _figure(scale: _Scale, value: float) -> Figure:
    high = scale.good > scale.fair
    reached = [value >= limit if high else value <= limit for limit in (scale.good, scale.fair)]
    grade = "good" if reached[0] else "fair" if reached[1] else "poor"
    usual = f"good: {scale.form.format(scale.good)} or {'more' if high else 'less'}"
    return Figure(scale.name, scale.form.format(value), grade, usual)
