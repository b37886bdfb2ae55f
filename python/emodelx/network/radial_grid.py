"""The Fourier transform of a volume, shell by shell.

Volumes are ``(nx, ny, nz)`` float32 on the 1 A grid, indexed ``[x, y, z]``; frequencies are in 1/Angstrom.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Volume = NDArray[np.float32]

SHELLS_PER_FREQUENCY = 100  # radial shells are 0.01 1/A wide
LEAST_POWER = 1e-36  # keeps the logarithm of an empty map finite


@dataclass(frozen=True)
class RadialGrid:
    """Half-complex Fourier grid of a zero-padded volume, handled slab by slab so that no index volume is held."""

    shape: tuple[int, int, int]

    @classmethod
    def around(cls, shape: tuple[int, ...]) -> RadialGrid:
        """Return the grid with each edge raised to an even number that the FFT likes."""
        nx, ny, nz = (_fast_even_size(n) for n in shape)
        return cls((nx, ny, nz))

    def transform(self, volume: Volume) -> Tensor:
        """Fourier transform of the volume less its median, complex64 ``(nx, ny, nz // 2 + 1)``."""
        box = np.zeros(self.shape, np.float32)
        box[tuple(slice(n) for n in volume.shape)] = volume - np.median(volume)
        return torch.fft.rfftn(torch.from_numpy(box))

    def volume(self, transform: Tensor, shape: tuple[int, ...]) -> Volume:
        """Back from the Fourier transform, without the padding: a volume of `shape`."""
        full: Tensor = torch.fft.irfftn(transform, s=self.shape)
        return np.ascontiguousarray(full[tuple(slice(n) for n in shape)].numpy())

    def radius(self, shells: int) -> Tensor:
        """Middle frequency of every shell, 1/Angstrom."""
        return (torch.arange(shells) + 0.5) / SHELLS_PER_FREQUENCY

    def frequencies(self, slab: int) -> tuple[Tensor, Tensor, Tensor]:
        """Frequencies along x, y and z of the coefficients with x index `slab`; they broadcast to a slab."""
        nx, ny, nz = self.shape
        return torch.fft.fftfreq(nx)[slab], torch.fft.fftfreq(ny)[:, None], torch.fft.rfftfreq(nz)

    def shells(self, slab: int) -> Tensor:
        """Shell number of every coefficient with x index `slab`, int64 ``(ny, nz // 2 + 1)``."""
        x, y, z = self.frequencies(slab)
        return ((x**2 + y**2 + z**2).sqrt() * SHELLS_PER_FREQUENCY).long()

    def log_amplitude(self, transform: Tensor) -> Tensor:
        """log10 of the root mean square amplitude of every shell, float32; interpolated where a shell is empty."""
        count = int(np.sqrt(0.75) * SHELLS_PER_FREQUENCY) + 1
        power, number = torch.zeros(count, dtype=torch.float64), torch.zeros(count, dtype=torch.float64)
        for slab, plane in enumerate(transform):
            shells = self.shells(slab).reshape(-1)
            power += torch.bincount(shells, plane.abs().square().double().reshape(-1), minlength=count)
            number += torch.bincount(shells, minlength=count)
        filled = number.nonzero()[:, 0].numpy()
        values = 0.5 * np.log10(power.numpy()[filled] / number.numpy()[filled] + LEAST_POWER)
        return torch.from_numpy(np.interp(np.arange(count), filled, values)).float()

    def scale(self, transform: Tensor, factor: Tensor) -> None:
        """Multiply every coefficient in place by the `factor` of its shell."""
        for slab in range(len(transform)):
            transform[slab] *= factor[self.shells(slab)]


def _fast_even_size(size: int) -> int:
    """Smallest even number >= `size` without prime factors above 5."""
    size += size % 2
    while _rest_after_small_primes(size) > 1:
        size += 2
    return size


def _rest_after_small_primes(number: int) -> int:
    for prime in (2, 3, 5):
        while number % prime == 0:
            number //= prime
    return number
