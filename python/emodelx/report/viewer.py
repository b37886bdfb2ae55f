"""`<name>.cxc`: opens the map and the model in ChimeraX, coloured by confidence."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from emodelx.records import CalphaModel, DensityMap, Floats, Points

SHOWN_FRACTION = 0.8
"""The surface is drawn at the level that this fraction of the built Calphas exceeds."""


def write_viewer_script(
    path: Path,
    model: str,
    beside: Mapping[str, str],
    map_path: Path | None,
    level: float | None,
    *,
    b_factors: bool = False,
) -> None:
    """Write the script.

    Parameters
    ----------
    path : Path
        The script.
    model : str
        File name of the model, in the same folder.
    beside : mapping of str to str
        File names of what is kept apart from it, in the same folder, and their colours.
    map_path : Path or None
        The input map, when the run started from one.
    level : float or None
        Value at which its surface is drawn; None leaves it to ChimeraX.
    b_factors : bool
        Whether the column holds B factors, instead of the confidence.
    """
    lines = []
    if map_path is not None:
        shown = "" if level is None else f" level {level:.6g}"
        # format mrc: in a file called .map ChimeraX would not look at the ORIGIN words
        lines += [f'open "{map_path.resolve()}" id #1 format mrc', f"volume #1 style surface{shown} color #b2b2b280"]
    palette = "" if b_factors else " palette alphafold"
    lines += [f'open "{name}" id #{i}' for i, name in enumerate([model, *beside], start=2)]
    lines += [f"color bfactor #2{palette}"]
    lines += [f"color #{i} {colour}" for i, colour in enumerate(beside.values(), start=3)]
    path.write_text("\n".join([*lines, "view #2"]) + "\n", encoding="utf-8")


def surface_level(density: DensityMap, model: CalphaModel) -> float | None:
    """Return the map value that most built Calphas exceed; None when none lies in the map."""
    values = _values_at(density, np.concatenate([chain.positions[chain.placed()] for chain in model.chains]))
    return float(np.quantile(values, 1 - SHOWN_FRACTION)) if values.size else None


def _values_at(density: DensityMap, points: Points) -> Floats:
    """Map values of the voxels nearest to `points`, (n, 3) in Angstrom; points outside are left out."""
    voxels = np.rint((points - density.origin) / density.spacing).astype(np.int64)
    inside = ((voxels >= 0) & (voxels < density.values.shape)).all(axis=1)
    return density.values[tuple(voxels[inside].T)]
