"""Bands of confidence and their colours, those of ChimeraX's palette `alphafold`."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

BANDS = (
    (90.0, "#0053d6", "very high"),
    (70.0, "#65cbf3", "high"),
    (50.0, "#ffdb13", "low"),
    (0.0, "#ff7d45", "very low"),
)
"""Lowest confidence, colour and name."""
NO_BAND = -1
"""Band of a residue that is not built."""
UNBUILT_COLOUR = "#e5e5e5"


def bands_of(confidence: ArrayLike) -> NDArray[np.int64]:
    """Index in `BANDS` of every confidence; `NO_BAND` for NaN."""
    values = np.asarray(confidence, np.float64)
    found = np.searchsorted([-low for low, _, _ in BANDS], -np.nan_to_num(values))
    return np.where(np.isfinite(values), found, NO_BAND)


def legend() -> str:
    """Give the bands as a line of HTML."""
    known = [f'<i style="background:{colour}"></i>{name} (&ge; {low:.0f})' for low, colour, name in BANDS]
    return " ".join([*known, f'<i style="background:{UNBUILT_COLOUR}"></i>not built'])
