"""All scores of a model: geometry, and agreement with a map, with a network's reading of it, and with a reference."""

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from emodelx import _core
from emodelx.constants import AMINO_ACIDS
from emodelx.errors import InputError
from emodelx.io.atoms import ModelFile
from emodelx.records import DensityMap, Floats, Ints, Prediction
from emodelx.scoring.compare import Comparison
from emodelx.scoring.geometry import Geometry, measure_geometry
from emodelx.scoring.map_fit import LEAST_RADIUS, MapFit, map_fit, residue_correlations
from emodelx.scoring.reading import UNKNOWN_TYPE, ReadResidues, read_residues
from emodelx.scoring.scatterers import NO_RESIDUE, Scatterers, scatterers_of
from emodelx.scoring.torsions import CA


@dataclass(frozen=True)
class Evidence:
    """What a model is held against: a map, its resolution in Angstrom, and what the network reads in it."""

    density: DensityMap
    resolution: float
    prediction: Prediction


@dataclass(frozen=True)
class MapScores:
    """Agreement with a map.

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
    reading : ReadResidues
    """

    resolution: float
    fit: MapFit
    q_score: float
    atoms_outside: int
    correlations: Floats
    q_scores: Floats
    reading: ReadResidues


@dataclass(frozen=True)
class ScoreCard:
    """The scores of one model."""

    file: ModelFile
    geometry: Geometry
    comparison: Comparison | None = None
    map: MapScores | None = None


def score_model(
    file: ModelFile, comparison: Comparison | None = None, evidence: Evidence | None = None, threads: int = 0
) -> ScoreCard:
    """Score a model.

    Parameters
    ----------
    file : ModelFile
    comparison : Comparison, optional
        With a reference, as `compare` makes it.
    evidence : Evidence, optional
        The map that the model belongs to.
    threads : int
        0 takes all that the process may use.

    Raises
    ------
    InputError
        When no atom of the model lies inside the map.
    """
    scatterers = scatterers_of(file)
    geometry = measure_geometry(file.model, scatterers)
    scores = None if evidence is None else _against_map(file, scatterers, evidence, threads)
    return ScoreCard(file, geometry, comparison, scores)


def _against_map(file: ModelFile, scatterers: Scatterers, evidence: Evidence, threads: int) -> MapScores:
    density = evidence.density
    inside = _inside(scatterers, density)
    if not inside[scatterers.residues != NO_RESIDUE].any():
        raise InputError("no atom of the model lies inside the map; give the map that the model was built in")
    seen = scatterers.only(inside & (scatterers.occupancy > 0))
    fit = map_fit(seen, density, evidence.resolution, has_b_factors=file.has_b_factors)
    radius = max(LEAST_RADIUS, evidence.resolution)
    count = sum(map(len, file.model.chains))
    q_scores = _core.q_scores(
        density.values, density.spacing.tolist(), scatterers.positions - density.origin, threads=threads
    )
    return MapScores(
        evidence.resolution,
        fit,
        float(np.nanmean(q_scores[scatterers.residues != NO_RESIDUE])),
        int((~inside).sum()),
        residue_correlations(seen, density, fit.density, radius, count),
        _by_residue(q_scores, scatterers.residues, count),
        read_residues(*calphas_of(file), evidence.prediction),
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


def calphas_of(file: ModelFile) -> tuple[NDArray[np.float64], Ints, list[int]]:
    """Calphas, types and lengths of all chains; a residue whose letter is not an amino acid has no type."""
    chains = file.model.chains
    letters = [np.array(list(file.model.sequences[chain.sequence].residues))[chain.numbers] for chain in chains]
    types = [
        np.where(np.isin(letter, list(AMINO_ACIDS)), chain.types.astype(np.int64), UNKNOWN_TYPE)
        for letter, chain in zip(letters, chains, strict=True)
    ]
    calphas = np.concatenate([chain.atoms[:, CA] for chain in chains])
    return calphas, np.concatenate(types), [len(chain) for chain in chains]


def summary(card: ScoreCard) -> dict[str, float | int | None]:
    """All scores of a whole model by name: of the comparison, the map, and the geometry."""
    found: dict[str, float | int | None] = {}
    if card.comparison is not None:
        found |= {field.name: getattr(card.comparison, field.name) for field in fields(card.comparison)}
    if card.map is not None:
        found |= _map_summary(card.map)
    geometry = (field.name for field in fields(card.geometry) if field.name != "residues")
    found |= {name: getattr(card.geometry, name) for name in geometry}
    for name in ("nucleotides", "ligands", "waters", "hydrogens"):
        found[name] = getattr(card.file, name)
    return found


def _map_summary(scores: MapScores) -> dict[str, float | int | None]:
    fit, reading = scores.fit, scores.reading
    return {
        "resolution": scores.resolution,
        "cc_mask": fit.cc_mask,
        "cc_box": fit.cc_box,
        "cc_volume": fit.cc_volume,
        "cc_peaks": fit.cc_peaks,
        "b_factor": fit.b_factor,
        "q_score": scores.q_score,
        "type_score": float(reading.type.mean()),
        "mistyped_residues": int(reading.mistyped().sum()),
        "misplaced_residues": int(reading.misplaced().sum()),
        "atoms_outside": scores.atoms_outside,
    }
