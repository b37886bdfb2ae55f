"""A map made ready to be compared with a template: what stands out from its surroundings, equally strong everywhere."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft
from scipy.ndimage import affine_transform, gaussian_filter, laplace

from emodelx.records import DensityMap, Floats, Prediction

DETAIL = 0.35
"""Width (sigma) of the details that are looked for, as a part of the resolution."""
FINEST, COARSEST = 1.2, 2.8
"""Its bounds in Angstrom."""
OUTLINE = 25.0
"""Angstrom; what is coarser tells where a molecule is, not how it lies."""
EDGE = 0.15
"""Half of the width of the cut at the resolution, as a part of it."""
SHELLS = 150
"""Radial shells per 1/Angstrom."""
LEAST_AMPLITUDE = 1e-6
"""Part of the largest amplitude below which there is nothing to be made stronger."""
WHITE = 2.0
"""Weight of the whitened map, in the contrast, against its Laplacian and that of the main chain."""
MAIN_CHAIN = 2.0
"""The same for the network's main chain, in Angstrom."""
SURROUNDINGS = 7.0
"""Angstrom (sigma) over which the strength of details is made equal: maps fade from their middle to their rim."""
FAINT = 0.1
"""Share of the power of the details that is taken for noise, so that empty space is not blown up."""
USUAL_RESOLUTION = 5.0
"""Angstrom, where it is not known."""

Spectrum = NDArray[np.float64]


def read_contrast(prediction: Prediction, density: DensityMap | None) -> Floats:
    """Combine the details of the map and of the network's main chain.

    Both are filtered by the Laplacian of a Gaussian. The map is whitened besides: what a part of a molecule is mistaken
    for is other parts, whose spectrum is its own, so that every frequency tells as much as the others. Each is divided
    by its local root mean square; where the network reads nothing, the map alone tells.

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
    parts = [_equalised(_edges(prediction.bb_prob, MAIN_CHAIN))]
    if density is not None:
        resolution = prediction.resolution or USUAL_RESOLUTION
        values = _on_grid(density, prediction)
        width = float(np.clip(DETAIL * resolution, FINEST, COARSEST))
        parts += [_equalised(_edges(values, width)), np.float32(WHITE) * _equalised(whitened(values, resolution))]
    total = sum(parts, np.zeros_like(prediction.bb_prob))
    return np.ascontiguousarray(total / max(float(total.std()), 1e-9), np.float32)


def whitened(values: Floats, resolution: float) -> Floats:
    """Give the details of a map the same strength, from `OUTLINE` to its resolution.

    Parameters
    ----------
    values : ndarray, dtype=float32, shape=(nx, ny, nz)
        On the 1 A grid.
    resolution : float
        Angstrom.

    Returns
    -------
    ndarray, dtype=float32, shape=(nx, ny, nz)
        Root mean square amplitude 1 in the shells between; all 0 of an empty map.
    """
    shape: Any = [fft.next_fast_len(n, real=True) for n in values.shape]
    transform: Any = fft.rfftn((values - np.median(values)).astype(np.float32), shape)  # typed wrongly by the stubs
    frequency = _frequencies(shape)
    middles, amplitude = _radial_amplitude(transform, frequency)
    if not amplitude.any():
        return np.zeros_like(values)
    known = np.maximum(amplitude, LEAST_AMPLITUDE * amplitude.max())
    transform *= np.interp(frequency, middles, _band(middles, resolution) / known).astype(np.float32)
    whole: Any = fft.irfftn(transform, shape)
    return np.ascontiguousarray(whole[tuple(map(slice, values.shape))], np.float32)


def _frequencies(shape: list[int]) -> Floats:
    """Length of the frequency of every coefficient of a real transform, 1/Angstrom."""
    x, y, z = (fft.fftfreq(n).astype(np.float32) for n in shape)
    square = x[:, None, None] ** 2 + y[:, None] ** 2 + z[: shape[2] // 2 + 1] ** 2
    return np.asarray(np.sqrt(square), np.float32)


def _radial_amplitude(transform: NDArray[np.complex64], frequency: Floats) -> tuple[Spectrum, Spectrum]:
    """Middle (1/Angstrom) and root mean square amplitude of every shell with coefficients in it."""
    shell = (frequency * SHELLS).astype(np.int64).ravel()
    power, count = np.bincount(shell, (np.abs(transform) ** 2).ravel()), np.bincount(shell)
    held = np.flatnonzero(count)
    return (held + 0.5) / SHELLS, np.sqrt(power[held] / count[held])


def _band(frequency: Spectrum, resolution: float) -> Spectrum:
    """1 between the coarsest details and the resolution, with soft edges to 0."""
    beyond = np.clip((frequency * resolution - 1 + EDGE) / (2 * EDGE), 0, 1)
    return 0.5 * (1 + np.cos(np.pi * beyond)) * (1 - np.exp(-((OUTLINE * frequency) ** 2)))


def coarsened(field: Floats, spacing: int) -> Floats:
    """Blur a field on the 1 A grid, and take every `spacing`-th voxel."""
    blurred = gaussian_filter(field, 0.4 * spacing)
    return np.ascontiguousarray(blurred[::spacing, ::spacing, ::spacing], np.float32)


def _on_grid(density: DensityMap, prediction: Prediction) -> Floats:
    """The map on the grid of the prediction, blurred first where it is finer."""
    blur = np.maximum(0.5 * (1 / density.spacing - 1), 0)
    smooth = np.asarray(gaussian_filter(density.values, blur), np.float32) if blur.any() else density.values
    offset: Any = (prediction.origin - density.origin) / density.spacing  # scipy's stubs know no offset per axis
    found = affine_transform(smooth, 1 / density.spacing, offset, prediction.bb_prob.shape, order=1, mode="nearest")
    return np.asarray(found, np.float32)


def _edges(values: Floats, width: float) -> Floats:
    """Laplacian of a Gaussian of `width` (sigma) Angstrom, the other way round: positive in the middle of details."""
    return np.asarray(-laplace(np.asarray(gaussian_filter(values, width), np.float32)), np.float32)


def _equalised(details: Floats) -> Floats:
    """Details at equal strength everywhere; all 0 where there are none."""
    power = gaussian_filter(details * details, SURROUNDINGS)
    total = float(power.sum())
    if total <= 0:
        return np.zeros_like(details)
    typical = float((power * power).sum()) / total
    found = details / np.sqrt(power + FAINT * typical)
    return np.asarray(found / found.std(), np.float32)
