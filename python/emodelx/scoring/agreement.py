"""Agreement of a model with a map: of the whole, and residue by residue."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emodelx import _core
from emodelx.errors import InputError
from emodelx.records import DensityMap, Floats, Ints
from emodelx.scoring.map_fit import LEAST_RADIUS, MapFit, map_fit, residue_correlations
from emodelx.scoring.scatterers import NO_RESIDUE, Scatterers


@dataclass(frozen=True)
class Evidence:
    """What a model is held against: a map, and its resolution in Angstrom."""

    density: DensityMap
    resolution: float


@dataclass(frozen=True)
class Agreement:
    """Agreement of a model with a map.

    Attributes
    ----------
    resolution : float
        In Angstrom.
    fit : MapFit
    q_score : float
        Mean over the atoms of the protein inside the map.
    atoms_outside : int
        Atoms outside the map.
    correlations, q_scores : ndarray, dtype=float32, shape=(r,)
        By residue; NaN outside the map.
    """

    resolution: float
    fit: MapFit
    q_score: float
    atoms_outside: int
    correlations: Floats
    q_scores: Floats


def measure_agreement(
    scatterers: Scatterers, residues: int, evidence: Evidence, *, has_b_factors: bool, threads: int = 0
) -> Agreement:
    """Hold a model against a map.

    Parameters
    ----------
    scatterers : Scatterers
        Its heavy atoms.
    residues : int
        Residues of the protein.
    evidence : Evidence
    has_b_factors : bool
        Without, one B factor for all atoms is fitted.
    threads : int
        0 takes all that the process may use.

    Raises
    ------
    InputError
        When no atom of the protein lies inside the map.
    """
    density = evidence.density
    inside = _inside(scatterers, density)
    if not inside[scatterers.residues != NO_RESIDUE].any():
        raise InputError("no atom of the model lies inside the map; give the map that the model was built in")
    seen = scatterers.only(inside & (scatterers.occupancy > 0))
    fit, modelled = map_fit(seen, density, evidence.resolution, has_b_factors=has_b_factors)
    radius = max(LEAST_RADIUS, evidence.resolution)
    q_scores = _core.q_scores(
        density.values, density.spacing.tolist(), scatterers.positions - density.origin, threads=threads
    )
    return Agreement(
        evidence.resolution,
        fit,
        float(np.nanmean(q_scores[scatterers.residues != NO_RESIDUE])),
        int((~inside).sum()),
        residue_correlations(seen, density, modelled, radius, residues),
        _by_residue(q_scores, scatterers.residues, residues),
    )


def _inside(scatterers: Scatterers, density: DensityMap) -> NDArray[np.bool_]:
    places = (scatterers.positions - density.origin) / density.spacing
    within = (places >= 0) & (places <= np.array(density.values.shape) - 1)
    return np.all(within, axis=1)


def _by_residue(scores: Floats, residues: Ints, count: int) -> Floats:
    """Mean over the atoms of every residue; NaN without any. Shape (count,)."""
    known = (residues != NO_RESIDUE) & np.isfinite(scores)
    atoms = np.bincount(residues[known], minlength=count)
    sums = np.bincount(residues[known], scores[known], count)
    with np.errstate(invalid="ignore"):
        return (sums / atoms).astype(np.float32)
