"""Predicted aligned errors (PAE): which parts of a predicted structure are rigid."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emodelx.errors import InputError
from emodelx.io.files import read_bytes
from emodelx.records import Floats

RIGID = 10.0
"""Mean PAE in Angstrom up to which two groups of residues are one rigid part."""

_SIZE_LIMIT = 2 << 30
_KEYS = ("predicted_aligned_error", "pae")
# What the names of a structure and of its PAE differ by: AlphaFold DB, AlphaFold 3, ColabFold.
_RENAMES = (
    ("-model_v", "-predicted_aligned_error_v"),
    ("_model_", "_full_data_"),
    ("_model", "_confidences"),
    ("_unrelaxed_", "_scores_"),
    ("_relaxed_", "_scores_"),
    ("", ""),
)


def find_pae(structure: Path) -> Path | None:
    """Find the PAE file beside a structure by the names that prediction programs give; None where there is none."""
    stem = structure.name.removesuffix(".gz")
    stem = stem.rsplit(".", 1)[0]
    names = (stem.replace(old, new) + ".json" for old, new in _RENAMES if old in stem)
    return next((path for name in names if (path := structure.with_name(name)).is_file()), None)


def read_pae(path: Path) -> Floats:
    """Read a PAE file of AlphaFold DB, AlphaFold 3, ColabFold, or of any program that writes a square matrix as `pae`.

    Returns
    -------
    ndarray, dtype=float32, shape=(n, n)
        In Angstrom.

    Raises
    ------
    InputError
        When the file is missing, damaged, or holds no square matrix of errors.
    """
    try:
        content = json.loads(read_bytes(path, _SIZE_LIMIT))
    except ValueError as error:
        raise InputError(f"{path}: not a JSON file that can be read ({error})") from error
    try:
        matrix = _matrix(content[0] if isinstance(content, list) and content else content)
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(f"{path}: holds no PAE (a square matrix named {' or '.join(_KEYS)})") from error
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or not np.isfinite(matrix).all():
        raise InputError(f"{path}: its PAE is no square matrix of numbers")
    return matrix


def _matrix(content: Any) -> Floats:  # noqa: ANN401 - JSON
    for key in _KEYS:
        if key in content:
            return np.array(content[key], np.float32)
    size = max(content["residue1"])  # first version of the AlphaFold DB
    return np.array(content["distance"], np.float32).reshape(size, size)


def rigid_parts(pae: Floats) -> NDArray[np.int64]:
    """Split residues into rigid parts: groups whose mean error to each other is small (average linkage).

    Parameters
    ----------
    pae : ndarray, dtype=float32, shape=(n, n)

    Returns
    -------
    ndarray, dtype=int64, shape=(n,)
        Number of the part of every residue.
    """
    if len(pae) < 2:
        return np.zeros(len(pae), np.int64)
    from scipy.cluster.hierarchy import fcluster, linkage  # slow to load, and few builds have errors of predictions
    from scipy.spatial.distance import squareform

    error = (pae + pae.T) / 2
    np.fill_diagonal(error, 0)
    return fcluster(linkage(squareform(error, checks=False), "average"), RIGID, "distance").astype(np.int64)
