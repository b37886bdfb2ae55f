"""Maps that fall off faster along one direction than along others, as preferred orientations of particles leave them.

A network knows molecules whose details are as strong along all directions. What a map lacks along some is an
anisotropic B factor: amplitudes fall as ``exp(-s B s / 4)`` with the frequency ``s``, B symmetric and without trace
(what all directions share is the radial spectrum's affair).
"""

from __future__ import annotations

from itertools import combinations_with_replacement

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from emodelx.network.radial_grid import LEAST_POWER, SHELLS_PER_FREQUENCY, RadialGrid

Volume = NDArray[np.float32]
Fall = NDArray[np.float64]

COARSEST, FINEST = 10.0, 3.0
"""Spacings in Angstrom; coarser ones tell the molecule's outline, finer ones are mostly noise."""
ENVELOPE = 12.0
"""Angstrom: the density is smoothed to this spacing to tell where the molecule is."""
BRIGHT = 97.0
"""Percentile of the smoothed density from which on all is molecule."""
OWN_CUTS, OWN = (3.8, 4.3, 4.75), (12.0, 18.0, 24.0)
"""Square Angstrom (Frobenius norm) that molecules have of their own in maps cut at these spacings, since helices and
sheets lie along directions: a third more than the root mean square of ten simulated maps without a fall."""
COARSEST_CUT = 5.0
"""Angstrom; what coarser maps show of directions is the molecule's own: 49, 79 and 111 in such maps of 6, 7 and 8 A."""
EVEN: Fall = np.zeros((3, 3))
"""The fall of a map that shows details alike along all directions."""
ROUNDS = 6
"""Of the fit, which is to first order."""
MOST_GAIN = 4.0
"""Natural logarithm of the largest factor on an amplitude."""


def directional_fall(volume: Volume, matched: Volume, cut: float) -> Fall:
    """Find the anisotropic B factor of a map, as far as it is more than molecules have of their own.

    Parameters
    ----------
    volume
        Densities on the 1 A grid, ``(nx, ny, nz)``.
    matched
        The same with its radial spectrum matched; tells where the molecule is.
    cut
        Angstrom; finer spacings are left out.

    Returns
    -------
    Fall
        ``(3, 3)``, square Angstrom, symmetric, trace 0; all 0 where the map is as even as molecules are.
    """
    if cut > COARSEST_CUT:
        return EVEN
    grid = RadialGrid.around(volume.shape)
    inside = ((volume - np.median(volume)) * _envelope(matched)).astype(np.float32)
    found = _fit_fall(*_band(grid, grid.transform(inside), max(cut, FINEST)))
    # Shrunk as James and Stein do: hardly believed where it is little more than molecules have, else nearly in full.
    size, own = float(np.linalg.norm(found)), float(np.interp(cut, OWN_CUTS, OWN))
    return found * max(0.0, 1 - (own / size) ** 2) if size else found


def even_out(volume: Volume, fall: Fall) -> Volume:
    """Take the anisotropic B factor `fall` out of a map.

    Parameters
    ----------
    volume
        Densities on the 1 A grid, ``(nx, ny, nz)``.
    fall
        Of :func:`directional_fall`.

    Returns
    -------
    Volume
        Same shape, median 0 before the scaling.
    """
    grid = RadialGrid.around(volume.shape)
    transform = grid.transform(volume)
    for slab in range(len(transform)):
        axes = grid.frequencies(slab)
        exponent = sum(float(fall[i, j]) * axes[i] * axes[j] for i in range(3) for j in range(3)) / 4
        transform[slab] *= torch.exp(torch.as_tensor(exponent).clamp(-MOST_GAIN, MOST_GAIN))
    return grid.volume(transform, volume.shape)


def weakest_direction(fall: Fall, spacing: float) -> tuple[NDArray[np.float64], float]:
    """Tell along which direction details fade most, and how much.

    Parameters
    ----------
    fall
        Of :func:`directional_fall`.
    spacing
        Angstrom; of the details.

    Returns
    -------
    direction : ndarray, dtype=float64, shape=(3,)
        Along x, y, z; of length 1, its largest component positive.
    ratio : float
        Amplitude along the best direction, divided by that along this one.
    """
    strengths, axes = np.linalg.eigh(fall)
    direction = axes[:, -1] * np.sign(axes[np.abs(axes[:, -1]).argmax(), -1])
    return direction, float(np.exp((strengths[-1] - strengths[0]) / (4 * spacing**2)))


def _envelope(matched: Volume) -> Volume:
    """Where the molecule is: 0 to 1."""
    grid = RadialGrid.around(matched.shape)
    raised = (matched - np.median(matched)).clip(min=0)
    transform = grid.transform(raised)
    shells = len(grid.log_amplitude(transform))
    grid.scale(transform, torch.exp(-((grid.radius(shells) * ENVELOPE) ** 2)))
    smooth = grid.volume(transform, matched.shape)
    smooth -= np.median(smooth)
    top = max(float(np.percentile(smooth, BRIGHT)), np.finfo(np.float32).tiny)
    return np.clip(smooth / top, 0, 1)


def _band(grid: RadialGrid, transform: Tensor, finest: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Frequencies, ``(n, 3)``, between the coarsest and the finest spacing, and the power there."""
    places, power = [], []
    for slab, plane in enumerate(transform):
        frequencies = torch.stack(torch.broadcast_tensors(*grid.frequencies(slab)), dim=-1)
        radius = frequencies.square().sum(dim=-1).sqrt()
        within = (radius > 1 / COARSEST) & (radius < 1 / finest)
        places.append(frequencies[within])
        power.append(plane[within].abs().square())
    return torch.cat(places).double().numpy(), torch.cat(power).double().numpy() + LEAST_POWER


def _fit_fall(places: NDArray[np.float64], power: NDArray[np.float64]) -> Fall:
    """Fit the anisotropic B factor with which the power of no shell prefers a direction.

    To first order, the second moment of the directions in a shell, weighed by their power, differs by
    ``-s^2 B / 15`` from that of all directions.
    """
    square = (places**2).sum(axis=1)
    axes = places.T / np.sqrt(square)
    shell = np.unique((np.sqrt(square) * SHELLS_PER_FREQUENCY).astype(int), return_inverse=True)[1]
    pairs = np.where(places[:, 2] > 0, 2.0, 1.0)  # a real map's transform is the same, conjugated, at -s
    number, even = _second_moments(axes, shell, pairs)
    middle = np.bincount(shell, pairs * square) / number
    fall = np.zeros((3, 3))
    for _ in range(ROUNDS):
        left = power * np.exp(np.einsum("ni,ij,nj->n", places, fall, places, optimize=True) / 2)
        _, seen = _second_moments(axes, shell, pairs * left)
        fall += np.einsum("s,sij->ij", number * middle, 15 * (even - seen)) / (number * middle**2).sum()
    return fall


def _second_moments(
    axes: NDArray[np.float64], shell: NDArray[np.intp], weights: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sum of the weights in every shell, and the weighed mean of the products of the direction's components."""
    total = np.bincount(shell, weights).astype(np.float64)
    moments = np.empty((len(total), 3, 3))
    for i, j in combinations_with_replacement(range(3), 2):
        moments[:, i, j] = moments[:, j, i] = np.bincount(shell, weights * axes[i] * axes[j]) / total
    return total, moments
