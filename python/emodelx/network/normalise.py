"""Bring the values of a whole map to the scale of a network, by the rule that its weights file names.

A network reads only what looks like its training data, so the rule belongs to the weights: the program obeys.
Volumes are ``(nx, ny, nz)`` float32 on the 1 A grid, indexed ``[x, y, z]``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from emodelx.network.anisotropy import EVEN, Fall, directional_fall, even_out
from emodelx.network.noise import take_out_noise
from emodelx.network.radial_grid import RadialGrid
from emodelx.network.spectrum import fall_spacing, matching_gain, smooth_profile, soft_cut

Volume = NDArray[np.float32]

SMOOTHING_SHELLS = 2.0
PERCENTILE_SAMPLES = 4_000_000


@dataclass(frozen=True)
class NormalisationRule:
    """How map values become network input.

    Attributes
    ----------
    name
        ``paper``: eq. 1; ``published``: what the published program does; ``spectrum``: radial amplitudes scaled to one
        curve, alike in all directions, and cut at the resolution first, and what is nothing but noise taken out.
    percentile
        The value at this percentile becomes 1: of all voxels (``paper``) or of the positive ones.
    cut
        The soft cut stands at this fraction of the resolution (``spectrum`` only).
    ceiling
        Larger values become this one.
    """

    name: Literal["paper", "published", "spectrum"]
    percentile: float
    cut: float = 0.95
    ceiling: float = 1.0

    @property
    def needs_resolution(self) -> bool:
        """Whether the rule looks at the resolution of the map."""
        return self.name == "spectrum"


PAPER = NormalisationRule("paper", 99.0)
PUBLISHED = NormalisationRule("published", 99.9)
SPECTRUM = NormalisationRule("spectrum", 97.0, ceiling=2.5)
"""The rule of new weights."""


class Normalised(NamedTuple):
    """A map on the scale of a network.

    Attributes
    ----------
    values
        float32, of the map's shape.
    fall
        ``(3, 3)``, square Angstrom: the anisotropic B factor that was taken out; 0 where there was none to take.
    """

    values: Volume
    fall: Fall


def normalise(volume: Volume, rule: NormalisationRule, resolution: float | None = None) -> Normalised:
    """Return the map as the network wants it.

    Parameters
    ----------
    volume
        Finite densities on the 1 A grid, ``(nx, ny, nz)``.
    rule
        The rule of the weights file.
    resolution
        In Angstrom; only the rule ``spectrum`` looks at it, and needs it.

    Returns
    -------
    Normalised
        Its values run from 0 to the rule's ceiling.
    """
    scaled = to_scale(volume, rule, resolution)
    np.clip(scaled.values, 0, rule.ceiling, out=scaled.values)
    return scaled


def to_scale(volume: Volume, rule: NormalisationRule, resolution: float | None = None) -> Normalised:
    """Do what :func:`normalise` does, but for the clipping: no density is 0, and the rule's top value is 1."""
    if rule.name == "paper":
        return Normalised(_stretch(volume, np.median(volume), _percentile(volume, rule.percentile)), EVEN)
    if rule.name == "published":
        raised = volume - np.median(volume)
        top = _percentile(_positive_box(raised).clip(min=0), rule.percentile)
        return Normalised(_stretch(raised, np.float32(0), top), EVEN)
    assert resolution is not None
    matched, fall = _match_directions(volume, rule.cut * resolution)
    floor = np.median(matched)
    positive = matched[matched > floor]
    top = _percentile(positive, rule.percentile) if positive.size else floor
    scaled = _stretch(matched, floor, top)
    take_out_noise(scaled)
    return Normalised(scaled, fall)


def _stretch(volume: Volume, floor: np.floating, top: np.floating) -> Volume:
    """Eq. 1 without the clipping: `floor` becomes 0 and `top` 1."""
    span = max(float(top - floor), np.finfo(np.float32).tiny)
    return ((volume - floor) / np.float32(span)).astype(np.float32, copy=False)


def _percentile(values: Volume, percentile: float) -> np.floating:
    """Percentile of at most `PERCENTILE_SAMPLES` evenly spaced values; sorting all of a 400^3 map would take long."""
    flat = values.reshape(-1)
    return np.percentile(flat[:: 1 + flat.size // PERCENTILE_SAMPLES], percentile)


def _positive_box(volume: Volume) -> Volume:
    """The bounding box of the positive voxels (the whole volume when there is none)."""
    positive = volume > 0
    spans = [np.flatnonzero(positive.any(axis=tuple(b for b in range(3) if b != axis))) for axis in range(3)]
    if any(span.size == 0 for span in spans):
        return volume
    return volume[tuple(slice(span[0], span[-1] + 1) for span in spans)]


def _match_directions(volume: Volume, cut: float) -> Normalised:
    """Match the spectrum; a map that falls off faster along one direction than along others, evened first."""
    matched = match_spectrum(volume, cut)
    fall = directional_fall(volume, matched, cut)
    return Normalised(match_spectrum(even_out(volume, fall), cut) if fall.any() else matched, fall)


def match_spectrum(volume: Volume, cut: float) -> Volume:
    """Scale the radial amplitudes to the common curve and cut softly at `cut` Angstrom.

    Returns
    -------
    Volume
        Same shape, median 0 before the scaling; its unit is arbitrary.
    """
    grid = RadialGrid.around(volume.shape)
    transform = grid.transform(volume)
    profile = smooth_profile(grid.log_amplitude(transform), SMOOTHING_SHELLS)
    radius = grid.radius(len(profile))
    grid.scale(transform, 10 ** matching_gain(radius, profile) * soft_cut(radius, cut))
    return grid.volume(transform, volume.shape)


def estimate_resolution(volume: Volume) -> float:
    """Estimate a map's resolution in Angstrom from where its radial spectrum falls off.

    Good to about 0.4 A (``docs/training.md``), which is enough to place the soft cut; a user's own value is better.
    """
    grid = RadialGrid.around(volume.shape)
    profile = grid.log_amplitude(grid.transform(volume))
    return fall_spacing(grid.radius(len(profile)), smooth_profile(profile, 1.0))
