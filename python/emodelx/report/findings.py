"""What is known of every residue of a chain, built or not: the content of tables and plots."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emodelx.records import AtomicModel, CalphaModel, Chain, Floats, Provenance
from emodelx.report.measures import GEOMETRY_FLAGS, MEASURES, flags, measures
from emodelx.scoring.built import BuiltScores


@dataclass(frozen=True)
class ChainFindings:
    """One chain, along its whole sequence.

    Attributes
    ----------
    name, residues : str
        Name of the chain, and one-letter codes.
    confidence : ndarray, dtype=float32, shape=(length,)
        0 to 100; NaN where the residue is not built.
    provenance : tuple of str
        Where every residue comes from; empty where it is not built.
    measures : ndarray, dtype=float64, shape=(length, 9)
        By `MEASURES`; NaN where there is nothing to measure.
    flags : ndarray, dtype=bool, shape=(length, 4)
        By `GEOMETRY_FLAGS`.
    b_factors : ndarray, dtype=float32, shape=(length,)
        In square Angstrom; NaN where the residue is not built, or none were fitted.
    """

    name: str
    residues: str
    confidence: Floats
    provenance: tuple[str, ...]
    measures: NDArray[np.float64]
    flags: NDArray[np.bool_]
    b_factors: Floats

    def measure(self, name: str) -> NDArray[np.float64]:
        """One column of the measures. Shape (length,)."""
        return self.measures[:, MEASURES.index(name)]

    def flagged(self, name: str) -> NDArray[np.bool_]:
        """One column of the flags. Shape (length,)."""
        return self.flags[:, GEOMETRY_FLAGS.index(name)]

    def built(self) -> NDArray[np.bool_]:
        """Which residues are built. Shape (length,)."""
        return np.isfinite(self.confidence)


def find(model: CalphaModel, atoms: AtomicModel, scores: BuiltScores | None) -> tuple[ChainFindings, ...]:
    """Lay what was measured on the residues of `atoms` along the chains of `model`.

    Parameters
    ----------
    model : CalphaModel
    atoms : AtomicModel
        All atoms of the same residues.
    scores : BuiltScores or None
        Of `atoms`; None where there are no atoms but Calphas.
    """
    count = sum(map(len, atoms.chains))
    known = (np.full((count, len(MEASURES)), np.nan), np.zeros((count, len(GEOMETRY_FLAGS)), bool))
    if scores is not None:
        residues = scores.geometry.residues
        known = (measures(residues, scores.agreement), flags(residues))
    ends = np.cumsum([len(chain) for chain in atoms.chains])[:-1]
    parts = zip(atoms.chains, *(np.split(of, ends) for of in known), strict=True)
    by_name = {chain.name: (chain, *of) for chain, *of in parts}
    return tuple(_along(chain, model.sequences[chain.sequence].residues, by_name) for chain in model.chains)


def _along(chain: Chain, residues: str, by_name: dict) -> ChainFindings:
    length, placed = len(residues), chain.placed()
    measured, wrong = np.full((length, len(MEASURES)), np.nan), np.zeros((length, len(GEOMETRY_FLAGS)), bool)
    b_factors = np.full(length, np.nan, np.float32)
    if chain.name in by_name:
        atomic, own_measures, own_flags = by_name[chain.name]
        measured[atomic.numbers], wrong[atomic.numbers] = own_measures, own_flags
        if atomic.b_factors is not None:
            b_factors[atomic.numbers] = atomic.b_factors
    origin = [
        Provenance(int(p)).name.lower() if there else "" for p, there in zip(chain.provenance, placed, strict=True)
    ]
    confidence = np.where(placed, chain.confidence, np.nan).astype(np.float32)
    return ChainFindings(chain.name, residues, confidence, tuple(origin), measured, wrong, b_factors)
