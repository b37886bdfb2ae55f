"""The model in its map, seen from three sides: the density as a grey shadow, the chains coloured by confidence."""

from collections.abc import Iterator
from html import escape

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import zoom

from emodelx.records import CalphaModel, Chain, DensityMap, Floats, Ints, Points
from emodelx.report.bands import BANDS, bands_of
from emodelx.report.png import data_address, grey_png
from emodelx.report.viewer import surface_level

SIDES = (("along z", 0, 1, 2, 1), ("along y", 0, 2, 1, -1), ("along x", 1, 2, 0, 1))
"""Name, axes that go right, up and towards the eye, and whether that one grows towards the eye."""
MARGIN = 6.0
"""Angstrom around the model."""
MOST_PIXELS = 360
"""Width and height of the shadow at most."""
DARKEST = 170
"""How much darker than white the densest place is, of 255."""
SHARE_OF_LEVEL = 0.5
"""Density counts from this part of the level that most Calphas exceed."""
LAYERS = (0.35, 0.65, 1.0)
"""Opacity of the far, the middle and the near third of the model."""
BARS = (10, 20, 50, 100, 200, 500)
"""Angstrom; the scale bar is the longest of these that fits into a third of the picture."""
LETTERS = 24
"""Heights of a letter that are as wide as the picture."""
MOST_NAMES = 16
"""Chains at most that are named in the picture."""


def draw_model(model: CalphaModel, density: DensityMap | None) -> str:
    """Draw the model from three sides, as three SVG pictures; empty for a model without residues."""
    points = np.concatenate([np.zeros((0, 3)), *(chain.positions[chain.placed()] for chain in model.chains)])
    if len(points) == 0:
        return ""
    low, high = points.min(axis=0) - MARGIN, points.max(axis=0) + MARGIN
    shadow = None if density is None else _shadow_source(density, model, points)
    views = (_view(model, shadow, (low, high), side) for side in SIDES)
    return f'<div class="views">{"".join(views)}</div>'


def _shadow_source(density: DensityMap, model: CalphaModel, points: Points) -> DensityMap | None:
    """What the map has above the noise, around the model."""
    level, near = surface_level(density, model), density.around(points, MARGIN)
    if level is None or near.values.size == 0:
        return None
    return DensityMap(np.maximum(near.values - np.float32(SHARE_OF_LEVEL * level), 0), near.origin, near.spacing)


def _view(
    model: CalphaModel, shadow: DensityMap | None, box: tuple[Points, Points], side: tuple[str, int, int, int, int]
) -> str:
    name, right, up, towards, sign = side
    low, high = box
    width, height = high[right] - low[right], high[up] - low[up]
    parts = [] if shadow is None else [_shadow(shadow, box, side)]
    flat = {chain.name: _flattened(chain.positions, box, side) for chain in model.chains}
    parts += _traces(model, flat, sign * np.sort(sign * np.array([low[towards], high[towards]])))
    parts += _names(model, flat)
    parts.append(_scale_bar(width, height))
    size = f'viewBox="0 0 {width:.1f} {height:.1f}" font-size="{width / LETTERS:.1f}"'
    return f'<figure><svg {size} role="img">{"".join(parts)}</svg><figcaption>{name}</figcaption></figure>'


def _flattened(positions: Points, box: tuple[Points, Points], side: tuple[str, int, int, int, int]) -> Points:
    """Places on the picture, and depth. Shape (n, 3)."""
    _, right, up, towards, _ = side
    return np.stack([positions[:, right] - box[0][right], box[1][up] - positions[:, up], positions[:, towards]], axis=1)


def _shadow(shadow: DensityMap, box: tuple[Points, Points], side: tuple[str, int, int, int, int]) -> str:
    """The summed density as a picture that lies where the map does."""
    _, right, up, towards, _ = side
    summed = shadow.values.sum(axis=towards)
    summed = summed if right < up else summed.T
    scale = min(1.0, MOST_PIXELS / max(summed.shape))
    pixels = _grey(np.asarray(zoom(summed, scale, order=1)) if scale < 1 else summed)
    size, start = shadow.spacing * shadow.values.shape, shadow.origin - shadow.spacing / 2
    x, y = start[right] - box[0][right], box[1][up] - start[up] - size[up]
    address = data_address(grey_png(pixels.T[::-1]))
    return (
        f'<image x="{x:.1f}" y="{y:.1f}" width="{size[right]:.1f}" height="{size[up]:.1f}" '
        f'preserveAspectRatio="none" href="{address}"/>'
    )


def _grey(summed: Floats) -> NDArray[np.uint8]:
    top = float(np.quantile(summed, 0.995)) or 1.0
    return (255 - DARKEST * np.sqrt(np.clip(summed / top, 0, 1))).astype(np.uint8)


def _traces(model: CalphaModel, flat: dict[str, Points], depths: Points) -> Iterator[str]:
    """The chains as lines, the far ones first."""
    far, near = depths
    for layer, opacity in enumerate(LAYERS):
        lines = []
        for chain in model.chains:
            steps = _steps(chain)
            place = flat[chain.name]
            depth = (place[steps, 2] - far) / (near - far)
            mine = np.clip((depth * len(LAYERS)).astype(int), 0, len(LAYERS) - 1) == layer
            lines += _lines(chain, place, steps[mine])
        yield f'<g class="trace" opacity="{opacity}">{"".join(lines)}</g>'


def _steps(chain: Chain) -> Ints:
    """Residues that are built and followed by one that is."""
    placed = chain.placed()
    return np.flatnonzero(placed[:-1] & placed[1:])


def _lines(chain: Chain, place: Points, steps: Ints) -> Iterator[str]:
    """One path per band; a step has the colour of its less sure end."""
    band = np.maximum(bands_of(chain.confidence)[steps], bands_of(chain.confidence)[steps + 1])
    for index, (_, colour, _) in enumerate(BANDS):
        path = _path(place, steps[band == index])
        if path:
            yield f'<path stroke="{colour}" d="{path}"><title>chain {escape(chain.name)}</title></path>'


def _path(place: Points, steps: Ints) -> str:
    words, before = [], -2
    for step in steps.tolist():
        if step != before + 1:
            words.append(f"M{place[step, 0]:.1f} {place[step, 1]:.1f}L")
        words.append(f"{place[step + 1, 0]:.1f} {place[step + 1, 1]:.1f} ")
        before = step
    return "".join(words).strip()


def _names(model: CalphaModel, flat: dict[str, Points]) -> list[str]:
    if len(model.chains) > MOST_NAMES:
        return []
    middles = {name: np.nanmean(place, axis=0) for name, place in flat.items() if np.isfinite(place).any()}
    return [f'<text x="{x:.1f}" y="{y:.1f}">{escape(name)}</text>' for name, (x, y, _) in middles.items()]


def _scale_bar(width: float, height: float) -> str:
    length = max([bar for bar in BARS if bar <= width / 3], default=BARS[0])
    x, y = width / 60, height - width / 60
    return (
        f'<path class="bar" d="M{x:.1f} {y:.1f}h{length}"/>'
        f'<text class="bar" x="{x + length / 2:.1f}" y="{y - x:.1f}">{length} A</text>'
    )
