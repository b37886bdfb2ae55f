"""What a built model is worth: its geometry, and its agreement with the map that it was built in."""

from dataclasses import dataclass

from emodelx.records import AtomicModel
from emodelx.scoring.agreement import Agreement, Evidence, measure_agreement
from emodelx.scoring.geometry import Geometry, measure_geometry
from emodelx.scoring.scatterers import scatterers_of_built

MARGIN = 8.0
"""Angstrom of the map around the model that count."""


@dataclass(frozen=True)
class BuiltScores:
    """Scores of a built model; residues are those of its chains, one after the other.

    Attributes
    ----------
    geometry : Geometry
    agreement : Agreement or None
        None where there is no map, or nothing says at which resolution it is to be read.
    """

    geometry: Geometry
    agreement: Agreement | None = None


def score_built(model: AtomicModel, evidence: Evidence | None, threads: int = 0) -> BuiltScores:
    """Score a model that was built.

    Parameters
    ----------
    model : AtomicModel
    evidence : Evidence or None
        The map; only what lies around the model is looked at.
    threads : int
        0 takes all that the process may use.
    """
    scatterers = scatterers_of_built(model)
    geometry = measure_geometry(model, scatterers)
    if evidence is None:
        return BuiltScores(geometry)
    near = Evidence(evidence.density.around(scatterers.positions, MARGIN), evidence.resolution)
    residues = sum(map(len, model.chains))
    agreement = measure_agreement(scatterers, residues, near, has_b_factors=model.has_b_factors, threads=threads)
    return BuiltScores(geometry, agreement)
