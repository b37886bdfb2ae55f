"""The residues of a chain as a plot: confidence, fit, Q-score, and where the geometry is wrong."""

from collections.abc import Iterator
from html import escape

import numpy as np
from numpy.typing import NDArray

from emodelx.constants import THREE_LETTER
from emodelx.report.bands import BANDS, bands_of
from emodelx.report.findings import ChainFindings
from emodelx.report.measures import words

WIDTH, LABELS = 840.0, 130.0
"""Pixels of the residues and of the names on the left."""
WIDEST = 12.0
"""Pixels of a residue at most."""
PLOT = 44.0
"""Pixels of a plot from 0 to its top."""
GAP = 8.0
MARK_ROWS = (
    ("ramachandran", "Ramachandran", "#b91c1c"),
    ("rotamer", "Rotamer", "#c2410c"),
    ("clash", "Clash", "#7e22ce"),
)
"""Flag, name and colour of the rows of marks."""
MARK = 15.0
CURVES = (("cc", "Fit to map", "#0f766e"), ("q_score", "Q-score", "#4338ca"))
"""Measure, name and colour of the plots from 0 to 1."""
TICKS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
FEWEST_PIXELS = 45
"""Pixels from one numbered residue to the next at least."""
MOST_HOVERS = 4000
"""Residues of a model from which only those worth a look have a text when the mouse is over them."""


def draw_chain(found: ChainFindings, every_hover: bool) -> str:
    """Draw a chain as SVG.

    Parameters
    ----------
    found : ChainFindings
    every_hover : bool
        Whether every built residue tells its values when the mouse is over it, or only flagged and unsure ones.
    """
    step = min(WIDEST, WIDTH / len(found.residues))
    curves = [curve for curve in CURVES if np.isfinite(found.measure(curve[0])).any()]
    rows = MARK_ROWS if np.isfinite(found.measure("phi")).any() else ()
    bottom = (1 + len(curves)) * (PLOT + GAP) + MARK * len(rows) + 2
    parts = [_unbuilt(found, step, bottom), *_confidence(found, step)]
    for index, curve in enumerate(curves, start=1):
        parts += _curve(found, step, index * (PLOT + GAP), curve)
    for index, row in enumerate(rows):
        parts += _marks(found, step, (1 + len(curves)) * (PLOT + GAP) + index * MARK, row)
    parts += _axis(len(found.residues), step, bottom)
    parts.append(_hovers(found, step, bottom, every_hover))
    size = f"{LABELS + WIDTH:.0f} {bottom + 18:.0f}"
    return f'<svg class="tracks" viewBox="{-LABELS:.0f} 0 {size}" role="img">{"".join(parts)}</svg>'


def _unbuilt(found: ChainFindings, step: float, bottom: float) -> str:
    """Grey columns where nothing is built."""
    return f'<path class="none" stroke-width="{step:.2f}" d="{_columns(~found.built(), step, 0, bottom)}"/>'


def _columns(chosen: NDArray[np.bool_], step: float, top: float, height: float) -> str:
    return "".join(f"M{(i + 0.5) * step:.1f} {top:.0f}v{height:.0f}" for i in np.flatnonzero(chosen).tolist())


def _confidence(found: ChainFindings, step: float) -> Iterator[str]:
    yield _label("Confidence", PLOT / 2)
    yield _frame("0", "100", 0, len(found.residues) * step)
    bands = bands_of(found.confidence)
    for band, (_, colour, _) in enumerate(BANDS):
        heights = [(i, PLOT * found.confidence[i] / 100) for i in np.flatnonzero(bands == band).tolist()]
        bars = "".join(f"M{(i + 0.5) * step:.1f} {PLOT:.0f}v{-max(1.0, height):.0f}" for i, height in heights)
        yield f'<path stroke="{colour}" stroke-width="{step:.2f}" d="{bars}"/>'


def _curve(found: ChainFindings, step: float, top: float, curve: tuple[str, str, str]) -> Iterator[str]:
    measure, name, colour = curve
    values = np.clip(found.measure(measure), 0, 1)
    yield _label(name, top + PLOT / 2)
    yield _frame("0", "1", top, len(values) * step)
    words, before = [], -2
    for i in np.flatnonzero(np.isfinite(values)).tolist():
        words.append(f"{'L' if i == before + 1 else 'M'}{(i + 0.5) * step:.1f} {top + PLOT * (1 - values[i]):.1f}")
        before = i
    yield f'<path class="curve" stroke="{colour}" d="{"".join(words)}"/>'


def _marks(found: ChainFindings, step: float, top: float, row: tuple[str, str, str]) -> Iterator[str]:
    flag, name, colour = row
    chosen = found.flagged(flag)
    yield _label(f"{name}: {int(chosen.sum())}", top + MARK / 2)
    ticks = _columns(chosen, step, top + 3, MARK - 6)
    yield f'<path stroke="{colour}" stroke-width="{max(step * 0.8, 2.0):.2f}" d="{ticks}"/>'


def _label(text: str, y: float) -> str:
    return f'<text class="label" x="-22" y="{y + 4:.0f}">{text}</text>'


def _frame(low: str, high: str, top: float, width: float) -> str:
    return (
        f'<path class="frame" d="M0 {top:.0f}h{width:.0f}M0 {top + PLOT:.0f}h{width:.0f}"/>'
        f'<text class="tick" x="-3" y="{top + 9:.0f}">{high}</text>'
        f'<text class="tick" x="-3" y="{top + PLOT:.0f}">{low}</text>'
    )


def _axis(length: int, step: float, bottom: float) -> Iterator[str]:
    """Numbers of residues."""
    every = next((ticks for ticks in TICKS if ticks * step >= FEWEST_PIXELS), TICKS[-1])
    for number in (1, *range(every, length + 1, every)):
        x = (number - 0.5) * step
        yield f'<path class="frame" d="M{x:.1f} {bottom:.0f}v4"/>'
        yield f'<text class="number" x="{x:.1f}" y="{bottom + 15:.0f}">{number}</text>'


def _hovers(found: ChainFindings, step: float, bottom: float, every: bool) -> str:
    worth = found.flags.any(axis=1) | (found.confidence < BANDS[2][0])
    chosen = found.built() & (worth | every)
    columns = (
        f'<path d="M{(i + 0.5) * step:.1f} 0v{bottom:.0f}"><title>{escape(describe(found, i))}</title></path>'
        for i in np.flatnonzero(chosen).tolist()
    )
    return f'<g class="hover" stroke-width="{step:.2f}">{"".join(columns)}</g>'


def describe(found: ChainFindings, index: int) -> str:
    """Say what is known of a residue, in one line."""
    name = THREE_LETTER[found.residues[index]].capitalize()
    said = [f"confidence {found.confidence[index]:.0f}, {found.provenance[index]}"]
    for measure, form in (("cc", "fit {:.2f}"), ("q_score", "Q {:.2f}")):
        value = found.measure(measure)[index]
        said += [form.format(value)] if np.isfinite(value) else []
    if np.isfinite(found.b_factors[index]):
        said.append(f"B {found.b_factors[index]:.0f}")
    wrong = words(found.flags[index])
    said += [f"check: {', '.join(wrong)}"] if wrong else []
    return f"{found.name} {name} {index + 1}: {'; '.join(said)}"
