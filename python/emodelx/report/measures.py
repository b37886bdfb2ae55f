"""What is measured on every residue of a model, by the names of the tables."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from emodelx.scoring.agreement import Agreement
from emodelx.scoring.covalent import CBETA_LIMIT
from emodelx.scoring.geometry import ResidueGeometry

MEASURES = ("phi", "psi", "omega", "ramachandran", "rotamer", "cbeta", "clash", "cc", "q_score")
"""Columns of `measures`."""
GEOMETRY_FLAGS = ("ramachandran", "rotamer", "cbeta", "clash")
"""Columns of `flags`."""


def measures(geometry: ResidueGeometry, agreement: Agreement | None) -> NDArray[np.float64]:
    """Give all measures of every residue, NaN where there is nothing to measure. Shape (r, 9)."""
    known = [geometry.phi, geometry.psi, geometry.omega, geometry.ramachandran, geometry.rotamer]
    known += [geometry.cbeta, geometry.clash]
    unknown = np.full(len(geometry.phi), np.nan)
    fit = [unknown, unknown] if agreement is None else [agreement.correlations, agreement.q_scores]
    return np.stack([*known, *fit], axis=1).astype(np.float64)


def flags(geometry: ResidueGeometry) -> NDArray[np.bool_]:
    """Tell what is wrong with the geometry of every residue. Shape (r, 4)."""
    wrong = [geometry.ramachandran_outlier, geometry.rotamer_outlier, geometry.cbeta > CBETA_LIMIT, geometry.clash > 0]
    return np.stack(wrong, axis=1)


def cells(values: NDArray[np.floating]) -> Iterator[str]:
    """Give the measures of one residue as text, empty where there is nothing."""
    return (f"{value:.4g}" if np.isfinite(value) else "" for value in values)


def words(wrong: NDArray[np.bool_]) -> list[str]:
    """Name what is wrong with one residue."""
    return [name for name, present in zip(GEOMETRY_FLAGS, wrong, strict=True) if present]
