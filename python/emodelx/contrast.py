"""A map made ready to be compared with a template: what stands out from its surroundings, equally strong everywhere."""

from typing import Any

import numpy as np
from scipy.ndimage import affine_transform, gaussian_filter, laplace

from emodelx.records import DensityMap, Floats, Prediction

DETAIL = 0.35
"""Width (sigma) of the details that are looked for, as a part of the resolution."""
FINEST, COARSEST = 1.2, 2.8
"""Its bounds in Angstrom."""
MAIN_CHAIN = 2.0
"""The same for the network's main chain, in Angstrom."""
SURROUNDINGS = 7.0
"""Angstrom (sigma) over which the strength of details is made equal: maps fade from their middle to their rim."""
FAINT = 0.1
"""Share of the power of the details that is taken for noise, so that empty space is not blown up."""
USUAL_RESOLUTION = 5.0
"""Angstrom, where it is not known."""


def read_contrast(prediction: Prediction, density: DensityMap | None) -> Floats:
    """Combine the details of the map and of the network's main chain.

    Both are filtered by the Laplacian of a Gaussian and divided by the local root mean square of the result; where the
    network reads nothing, the map alone tells.

    Parameters
    ----------
    prediction : Prediction
    density : DensityMap or None
        None where only the prediction is known.

    Returns
    -------
    ndarray, dtype=float32, shape=(nx, ny, nz)
        On the grid of the prediction; variance 1.
    """
    parts = [_equalised(np.asarray(gaussian_filter(prediction.bb_prob, MAIN_CHAIN), np.float32))]
    if density is not None:
        width = np.clip(DETAIL * (prediction.resolution or USUAL_RESOLUTION), FINEST, COARSEST)
        smooth = np.asarray(gaussian_filter(density.values, width / density.spacing), np.float32)
        parts.append(_equalised(_on_grid(smooth, density, prediction)))
    total = sum(parts, np.zeros_like(prediction.bb_prob))
    return np.ascontiguousarray(total / max(float(total.std()), 1e-9), np.float32)


def coarsened(field: Floats, spacing: int) -> Floats:
    """Blur a field on the 1 A grid, and take every `spacing`-th voxel."""
    blurred = gaussian_filter(field, 0.4 * spacing)
    return np.ascontiguousarray(blurred[::spacing, ::spacing, ::spacing], np.float32)


def _on_grid(values: Floats, density: DensityMap, prediction: Prediction) -> Floats:
    offset: Any = (prediction.origin - density.origin) / density.spacing  # scipy's stubs know no offset per axis
    found = affine_transform(values, 1 / density.spacing, offset, prediction.bb_prob.shape, order=1, mode="nearest")
    return np.asarray(found, np.float32)


def _equalised(smooth: Floats) -> Floats:
    """Details of a smoothed volume, at equal strength; all 0 in an empty one."""
    details = -laplace(smooth)
    power = gaussian_filter(details * details, SURROUNDINGS)
    total = float(power.sum())
    if total <= 0:
        return np.zeros_like(smooth)
    typical = float((power * power).sum()) / total
    found = details / np.sqrt(power + FAINT * typical)
    return np.asarray(found / found.std(), np.float32)
