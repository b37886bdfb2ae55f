"""All scores of a model: geometry, and agreement with a map, with a network's reading of it, and with a reference."""

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from emodelx.constants import AMINO_ACIDS
from emodelx.io.atoms import ModelFile
from emodelx.records import Ints, Prediction
from emodelx.scoring.agreement import Agreement, Evidence, measure_agreement
from emodelx.scoring.compare import Comparison
from emodelx.scoring.geometry import Geometry, measure_geometry
from emodelx.scoring.reading import ReadResidues, read_residues
from emodelx.scoring.register_shift import UNKNOWN_TYPE
from emodelx.scoring.scatterers import scatterers_of
from emodelx.scoring.torsions import CA


@dataclass(frozen=True)
class MapScores:
    """Agreement with a map, and with what the network reads in it."""

    agreement: Agreement
    reading: ReadResidues


@dataclass(frozen=True)
class ScoreCard:
    """The scores of one model."""

    file: ModelFile
    geometry: Geometry
    comparison: Comparison | None = None
    map: MapScores | None = None


def score_model(
    file: ModelFile,
    comparison: Comparison | None = None,
    evidence: Evidence | None = None,
    prediction: Prediction | None = None,
    threads: int = 0,
) -> ScoreCard:
    """Score a model.

    Parameters
    ----------
    file : ModelFile
    comparison : Comparison, optional
        With a reference, as `compare` makes it.
    evidence : Evidence, optional
        The map that the model belongs to; goes with `prediction`.
    prediction : Prediction, optional
        What the network reads in that map.
    threads : int
        0 takes all that the process may use.

    Raises
    ------
    InputError
        When no atom of the model lies inside the map.
    """
    scatterers = scatterers_of(file)
    geometry = measure_geometry(file.model, scatterers)
    scores = None
    if evidence is not None and prediction is not None:
        residues = sum(map(len, file.model.chains))
        agreement = measure_agreement(scatterers, residues, evidence, has_b_factors=file.has_b_factors, threads=threads)
        scores = MapScores(agreement, read_residues(*calphas_of(file), prediction))
    return ScoreCard(file, geometry, comparison, scores)


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
    found |= geometry_summary(card.geometry)
    for name in ("nucleotides", "ligands", "waters", "hydrogens"):
        found[name] = getattr(card.file, name)
    return found


def geometry_summary(geometry: Geometry) -> dict[str, float | int | None]:
    """All scores of a geometry by name."""
    return {field.name: getattr(geometry, field.name) for field in fields(geometry) if field.name != "residues"}


def agreement_summary(agreement: Agreement) -> dict[str, float | int | None]:
    """All scores of the agreement with a map by name."""
    fit = {field.name: getattr(agreement.fit, field.name) for field in fields(agreement.fit)}
    return {
        "resolution": agreement.resolution,
        **fit,
        "q_score": agreement.q_score,
        "atoms_outside": agreement.atoms_outside,
    }


def _map_summary(scores: MapScores) -> dict[str, float | int | None]:
    agreement, reading = scores.agreement, scores.reading
    return agreement_summary(agreement) | {
        "type_score": float(reading.type.mean()),
        "mistyped_residues": int(reading.mistyped().sum()),
        "shifted_residues": int(reading.shifted().sum()),
        "misplaced_residues": int(reading.misplaced().sum()),
    }
