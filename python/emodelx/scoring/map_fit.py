"""How well the density of a model correlates with a map: the coefficients of phenix.map_model_cc.

Afonine et al., Acta Cryst. D74, 814-840 (2018), define them.
"""

from dataclasses import dataclass

import gemmi
import numpy as np
from numpy.typing import NDArray

from emodelx.records import DensityMap, Floats, Ints, Points
from emodelx.scoring.density import (
    box_grid,
    damped,
    gemmi_model,
    model_density,
    squared_frequencies,
    structure_factors,
    synthesise,
)
from emodelx.scoring.scatterers import Scatterers

LEAST_RADIUS = 3.0
"""Angstrom; voxels this close to a residue's atoms count for it, or as far as the resolution where that is more."""
TRIED_B_FACTORS = (0, 15, 30, 50, 75, 100, 130, 170, 220, 280, 350)
"""Square Angstrom; of these the one that fits best stands for models without B factors."""

_PAIRS_AT_ONCE = 4_000_000  # atoms times voxels of a ball


@dataclass(frozen=True)
class MapFit:
    """Agreement of a model with a map; correlations are -1 to 1.

    Attributes
    ----------
    cc_mask : float
        Over the voxels inside the solvent-accessible mask of the model.
    cc_box : float
        Over the whole map.
    cc_volume : float
        Over the highest voxels of the model's density, as many as the mask has.
    cc_peaks : float
        Over those and the highest voxels of the map, as many again.
    b_factor : float or None
        The one B factor that was used, None where those of the file were.
    """

    cc_mask: float
    cc_box: float
    cc_volume: float
    cc_peaks: float
    b_factor: float | None


def map_fit(
    scatterers: Scatterers, density: DensityMap, resolution: float, *, has_b_factors: bool
) -> tuple[MapFit, Floats]:
    """Correlate a model with a map.

    Parameters
    ----------
    scatterers : Scatterers
    density : DensityMap
    resolution : float
        In Angstrom.
    has_b_factors : bool
        Without, one B factor for all atoms is fitted.

    Returns
    -------
    MapFit
    ndarray, dtype=float32, shape of the map
        The model's density, on an arbitrary scale.
    """
    inside = molecular_mask(scatterers, density)
    if has_b_factors:
        modelled = model_density(scatterers, density, resolution)
        return _correlate(modelled, density, inside, None), modelled
    sharp = structure_factors(damped(scatterers, 0), density, resolution)
    squared = squared_frequencies(density)

    def at(b_factor: float) -> Floats:
        return synthesise(sharp * np.exp(-b_factor / 4 * squared), density)

    best = max(TRIED_B_FACTORS, key=lambda b_factor: correlation(density.values[inside], at(b_factor)[inside]))
    modelled = at(best)
    return _correlate(modelled, density, inside, float(best)), modelled


def molecular_mask(scatterers: Scatterers, density: DensityMap) -> NDArray[np.bool_]:
    """Voxels that bulk solvent cannot reach: van der Waals radii, a probe of 1.1 A, shrunk by 0.9 A (as in cctbx)."""
    masker = gemmi.SolventMasker(gemmi.AtomicRadiiSet.Cctbx)
    grid = box_grid(density)
    masker.put_mask_on_float_grid(grid, gemmi_model(scatterers, density))
    return np.array(grid, copy=False) == 0


def _correlate(model: Floats, density: DensityMap, inside: NDArray[np.bool_], b_factor: float | None) -> MapFit:
    count = int(inside.sum())
    high = _highest(model, count)
    peaks = high | _highest(density.values, count)
    return MapFit(
        cc_mask=correlation(density.values[inside], model[inside]),
        cc_box=correlation(density.values, model),
        cc_volume=correlation(density.values[high], model[high]),
        cc_peaks=correlation(density.values[peaks], model[peaks]),
        b_factor=b_factor,
    )


def _highest(values: Floats, count: int) -> NDArray[np.bool_]:
    if count == 0:
        return np.zeros(values.shape, bool)
    return values >= np.partition(values, values.size - count, axis=None)[values.size - count]


def correlation(mine: Floats, theirs: Floats) -> float:
    """Pearson's coefficient of two arrays of one shape; 0 where one has no contrast."""
    x, y = mine.ravel().astype(np.float64), theirs.ravel().astype(np.float64)
    if len(x) < 2:
        return 0.0
    x -= x.mean()
    y -= y.mean()
    norm = np.sqrt((x @ x) * (y @ y))
    return float(x @ y / norm) if norm > 0 else 0.0


def residue_correlations(
    scatterers: Scatterers, density: DensityMap, model: Floats, radius: float, residues: int
) -> Floats:
    """Correlate model and map around every residue.

    Parameters
    ----------
    scatterers : Scatterers
    density : DensityMap
    model : ndarray, dtype=float32, shape of the map
        The model's density.
    radius : float
        Voxels this close to an atom of the residue count, in Angstrom.
    residues : int
        Residues of the model, those without atoms too.

    Returns
    -------
    ndarray, dtype=float32, shape=(residues,)
        NaN for residues with fewer than two voxels in the map.
    """
    result = np.full(residues, np.nan, np.float32)
    ball = _ball(density, radius)
    step = max(1, _PAIRS_AT_ONCE // len(ball) // 10)  # a residue has about ten atoms
    for first in range(0, residues, step):
        mine = (scatterers.residues >= first) & (scatterers.residues < first + step)
        owner = scatterers.residues[mine] - first
        pairs = _voxels_near(scatterers.positions[mine], owner, density, ball, radius)
        part = result[first : first + step]
        part[:] = _grouped_correlation(pairs, density.values, model, len(part))
    return result


def _ball(density: DensityMap, radius: float) -> Ints:
    """Offsets of all voxels that can be within a radius of a point in voxel 0, 0, 0. Shape (m, 3)."""
    reach = np.ceil(radius / density.spacing).astype(int) + 1
    offsets = np.stack(np.meshgrid(*(np.arange(-n, n + 1) for n in reach), indexing="ij"), axis=-1).reshape(-1, 3)
    nearest = np.maximum(np.abs(offsets) - 0.5, 0) * density.spacing
    return offsets[np.linalg.norm(nearest, axis=1) <= radius]


def _voxels_near(positions: Points, owner: Ints, density: DensityMap, ball: Ints, radius: float) -> Ints:
    """Every (residue, flat voxel) within a radius, once. Shape (m, 2)."""
    places = (positions - density.origin) / density.spacing
    voxels = np.rint(places).astype(np.int64)[:, None] + ball
    close = np.linalg.norm((voxels - places[:, None]) * density.spacing, axis=2) <= radius
    close &= ((voxels >= 0) & (voxels < density.values.shape)).all(axis=2)
    flat = np.ravel_multi_index(voxels[close].T, density.values.shape)
    keys = np.unique(np.repeat(owner, close.sum(axis=1)) * density.values.size + flat)
    return np.stack(np.divmod(keys, density.values.size), axis=1)


def _grouped_correlation(pairs: Ints, mine: Floats, theirs: Floats, groups: int) -> NDArray[np.float64]:
    group, voxel = pairs.T
    x, y = mine.ravel()[voxel].astype(np.float64), theirs.ravel()[voxel].astype(np.float64)
    count = np.bincount(group, minlength=groups)

    def mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.bincount(group, values, groups) / np.maximum(count, 1)

    x, y = x - mean(x)[group], y - mean(y)[group]
    norm = np.sqrt(mean(x * x) * mean(y * y))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where((count > 1) & (norm > 0), mean(x * y) / norm, np.nan)
