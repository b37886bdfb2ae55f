"""One radial amplitude curve for every map.

Maps of the same resolution differ by a factor of ten in sharpening. Before the network, the amplitudes of a map are
scaled, shell by shell, to the curve below and cut softly at the resolution; a simulated training window goes through
the same functions. Frequencies ``s`` are in 1/Angstrom, amplitudes are log10.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

# Amplitude of well sharpened single-particle maps relative to 7 A.
CURVE_SPACING = (100.0, 10.0, 7.0, 5.0, 4.5, 4.0, 3.6, 3.3, 3.0, 2.7, 2.4, 2.0)
CURVE_LOG_AMPLITUDE = (0.25, 0.19, 0.0, 0.0, -0.02, -0.12, -0.25, -0.38, -0.55, -0.75, -1.0, -1.4)
REFERENCE_SPACING = 7.0
# Coarser than this the amplitudes tell the molecule's outline and the mask, not its sharpening: left alone.
COARSEST_SPACING = 12.0
MAX_LOG_GAIN = 2.0
CUT_WIDTH = 0.015


def target_log_amplitude(radius: Tensor) -> Tensor:
    """Return the curve at frequencies `radius` (1/Angstrom)."""
    knots = 1.0 / np.asarray(CURVE_SPACING)
    values = np.interp(radius.cpu().numpy(), knots, CURVE_LOG_AMPLITUDE)
    return torch.as_tensor(values, dtype=torch.float32, device=radius.device)


def matching_gain(radius: Tensor, log_amplitude: Tensor) -> Tensor:
    """Return log10 of the factor per shell that brings a spectrum onto the curve.

    Parameters
    ----------
    radius
        Frequency of each shell, ``(shells,)``, 1/Angstrom, increasing.
    log_amplitude
        log10 of the shell's root mean square amplitude, smoothed.

    Returns
    -------
    Tensor
        ``(shells,)``; 0 at 7 A and coarser than 12 A, at most 2.
    """
    want = target_log_amplitude(radius)
    reference = int((radius - 1.0 / REFERENCE_SPACING).abs().argmin())
    gain = (want - want[reference]) - (log_amplitude - log_amplitude[reference])
    return gain.clamp(max=MAX_LOG_GAIN).masked_fill(radius < 1.0 / COARSEST_SPACING, 0.0)


def soft_cut(radius: Tensor, resolution: float) -> Tensor:
    """Return the low-pass factor per shell: 1/2 at ``1/resolution`` (Angstrom), logistic."""
    return torch.sigmoid((1.0 / resolution - radius) / CUT_WIDTH)


def smooth_profile(profile: Tensor, sigma: float) -> Tensor:
    """Gaussian smoothing of a radial profile, `sigma` in shells, ends mirrored."""
    reach = int(4 * sigma + 0.5)
    offsets = torch.arange(-reach, reach + 1, device=profile.device, dtype=profile.dtype)
    kernel = torch.exp(-0.5 * (offsets / sigma) ** 2)
    padded = torch.cat([profile[:reach].flip(0), profile, profile[-reach:].flip(0)])
    return torch.nn.functional.conv1d(padded[None, None], (kernel / kernel.sum())[None, None])[0, 0]


# The fall is looked for between these spacings; a 1 A grid holds nothing finer than 2 A.
COARSEST_FALL, FINEST_FALL = 6.0, 2.1
NYQUIST_SPACING = 2.0
# A map that never falls faster than this against the curve (log10 per 1/A) is sharp up to the grid's limit.
LEAST_FALL = 4.0


def fall_spacing(radius: Tensor, log_amplitude: Tensor) -> float:
    """Return the spacing in Angstrom where a radial spectrum falls off against the curve.

    The middle between the steepest point of the fall and the point where its slope has gone back to half: filtered maps
    fall at their resolution, unfiltered ones from signal to noise.

    Parameters
    ----------
    radius
        Frequency of each shell, ``(shells,)``, 1/Angstrom, evenly spaced.
    log_amplitude
        log10 amplitude per shell.
    """
    (slope,) = torch.gradient(log_amplitude - target_log_amplitude(radius), spacing=float(radius[1] - radius[0]))
    band = (radius > 1 / COARSEST_FALL) & (radius < 1 / FINEST_FALL)
    steepest = int(torch.where(band, slope, torch.inf).argmin())
    if slope[steepest] > -LEAST_FALL:
        return NYQUIST_SPACING
    recovered = (slope[steepest:] >= slope[steepest] / 2) | (radius[steepest:] >= 1 / NYQUIST_SPACING)
    end = steepest + int(recovered.long().argmax())
    return float(1 / radius[steepest] + 1 / radius[end]) / 2
