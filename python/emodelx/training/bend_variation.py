"""What the simulation does not know of real maps, drawn anew whenever the second network sees an example."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from emodelx.network.bends import CEILING, LEAST_TYPE, SCALES

SMOOTHED_NOISE = 27**0.5
"""By which the mean of 27 voxels of noise is smaller than the noise."""
FAINTEST = 1e-4
"""Density has no logarithm below."""


@dataclass(frozen=True)
class Variation:
    """How much examples vary; 0 leaves them as they are.

    Attributes
    ----------
    brightness
        Standard deviation of the logarithm by which boxes are made brighter or darker.
    sharpness
        Largest part of what distinguishes the density from its mean over 27 voxels that is added or taken away, in
        `sharpened` of the boxes.
    noise
        Largest standard deviation of smooth noise, in `noisy` of the boxes.
    contrast, main_chain
        Standard deviation of the logarithms of the power of the density, and of the factor of the main chain.
    trust
        Standard deviation of the logarithm of the power of the U-Net's types.
    """

    brightness: float = 0.1
    sharpness: float = 0.8
    sharpened: float = 0.7
    noise: float = 0.12
    noisy: float = 0.5
    contrast: float = 0.15
    main_chain: float = 0.15
    trust: float = 0.2


def vary(boxes: Tensor, log_types: Tensor, by: Variation) -> tuple[Tensor, Tensor]:
    """Vary boxes and types, each on its own.

    Parameters
    ----------
    boxes
        (n, 2, 11, 12, 12), of :func:`~emodelx.network.bends.cut_boxes`.
    log_types
        (n, 20).
    by
        How much.

    Returns
    -------
    Tensor, Tensor
        The same shapes; densities from `FAINTEST` to the ceiling.
    """
    one = (len(boxes), 1, 1, 1, 1)

    def spread(width: float) -> Tensor:
        return (width * torch.randn(one, device=boxes.device)).exp()

    def some(share: float) -> Tensor:
        return (torch.rand(one, device=boxes.device) < share) * torch.rand(one, device=boxes.device)

    density, main_chain = (boxes * spread(by.brightness)).split(1, dim=1)
    way = torch.rand(one, device=boxes.device).round() * 2 - 1
    density = density + by.sharpness * way * some(by.sharpened) * (density - _blurred(density))
    density = density + by.noise * some(by.noisy) * SMOOTHED_NOISE * _blurred(torch.randn_like(density))
    density = density.clamp(FAINTEST, CEILING * SCALES[0]) ** spread(by.contrast)
    trusted = log_types * spread(by.trust)[..., 0, 0, 0]
    least = torch.tensor(LEAST_TYPE, device=boxes.device).log()
    return torch.cat([density, main_chain * spread(by.main_chain)], dim=1), trusted.log_softmax(dim=1).maximum(least)


def _blurred(values: Tensor) -> Tensor:
    return functional.avg_pool3d(values, 3, 1, 1, count_include_pad=False)
