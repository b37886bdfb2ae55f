"""From atoms to the density of one window, as a microscope and its processing would have left it.

Every random choice about how a map looks is drawn once into :class:`Conditions`; given these and a seed the simulation
is a plain function. Windows are cubes on the 1 A grid, float32, indexed ``[x, y, z]``; atoms are in voxel coordinates
of the padded window. Everything large runs in torch on the device of the caller.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from emodelx.constants import AMINO_ACIDS
from emodelx.network.spectrum import matching_gain, smooth_profile, soft_cut
from emodelx.training.structures import Structure

PADDING = 8  # voxels simulated around the window and cut off again

ACIDS = tuple(AMINO_ACIDS.index(letter) for letter in "DE")
LYSINE = AMINO_ACIDS.index("K")
STIFF = tuple(AMINO_ACIDS.index(letter) for letter in "FWYHR")  # rings and guanidinium: seen to their tips

# Gaussians exist at these B factors (A^2); an atom is shared between the two around its own.
B_CLASSES = (0.0, 20.0, 45.0, 80.0, 130.0, 220.0, 350.0, 550.0)
ATOM_B = 24.0  # an atom's own width, as a B factor
EDGE = 1.5  # voxels that an atom needs towards the edge
BURIAL_SIGMA = 5.0  # A; how far around an atom its surroundings count
REGION_REACH, MOTION_REACH = 20.0, 6.0  # A; over which mobility and displacements change
MOBILITY_RANGE = 0.05, 8.0
ENVELOPE_SIGMA = 3.0  # A; smoothness of the displaced solvent
EVENING_SIGMA = 6.0  # A; over which local contrast is measured
SIDE_CHAIN_LOSS = (2.6, 3.4, 4.2), (0.5, 1.1, 1.5)  # resolutions in A, and the largest loss of side chains there


@dataclass(frozen=True)
class Conditions:
    """How one simulated map looks. Lengths in A, B factors in A^2, the rest are factors.

    Attributes
    ----------
    resolution
        Where noise takes over.
    base_b
        B factor that main chains of mobility 1 have beyond the least.
    unrest, exposure
        Spread of the logarithm of the mobility: by chance, from region to region, and by how exposed atoms are.
    side_chain_b, side_chain_spread
        B factor added per bond from the Calpha, and the spread of its logarithm between residues.
    side_chain_loss
        Largest occupancy that the end of a side chain loses.
    acid_occupancy
        Mean occupancy of Asp and Glu side chains (charge, radiation damage).
    carbonyl_occupancy
        Least occupancy of carbonyl oxygens.
    motion
        Root mean square distance of two conformations, of which the map is the mean, from that of the labels, where
        the mobility is 1; 0: one conformation.
    residue_spread
        Spread of the logarithm of the occupancies from residue to residue.
    fading
        Occupancies fall with this power of the mobility.
    solvent
        Scattering of the displaced solvent as a part of the molecule's.
    blobs
        Density of disordered matter (detergent, lipid) beside the molecule, relative to the molecule's mean.
    anisotropy
        B factor of the extra fall-off along one direction.
    cut_softness
        Width in 1/A of the low-pass at the resolution.
    noise, noise_onset, noise_floor, noise_contrast
        Noise amplitude; resolution of half correlation over the map's; loss of correlation at low frequency;
        unevenness over the map.
    curve_error, cut_error
        Slope of the error of the radial spectrum (log10 between 8 and 3 A), and wrong estimate of the resolution.
    low_frequency
        log10 factor of everything coarser than 12 A; unsharpened maps of weak resolution have far too much of it.
    ripple
        Spread of what else the radial spectrum of a part of the map differs by from that of the whole, log10.
    evening
        Power of the local contrast that is taken away, as local sharpening and networks that enhance maps do.
    """

    resolution: float
    base_b: float
    unrest: float
    exposure: float
    side_chain_b: float
    side_chain_spread: float
    side_chain_loss: float
    acid_occupancy: float
    carbonyl_occupancy: float
    motion: float
    residue_spread: float
    fading: float
    solvent: float
    blobs: float
    anisotropy: float
    cut_softness: float
    noise: float
    noise_onset: float
    noise_floor: float
    noise_contrast: float
    curve_error: float
    cut_error: float
    low_frequency: float
    ripple: float
    evening: float


def draw_conditions(rng: np.random.Generator, resolution: float | None = None) -> Conditions:
    """Draw the look of one map; the ranges were set by comparing with real maps (``docs/training.md``)."""
    d = float(np.clip(rng.normal(3.3, 0.7), 1.9, 4.8)) if resolution is None else resolution
    weak = float(np.clip(d - 3.2, 0, 1))  # side chains fade faster than the resolution alone says, and so does solvent
    return Conditions(
        resolution=d,
        base_b=20.0 * d**1.2 * rng.uniform() ** 1.5,
        unrest=rng.uniform(0.0, 0.7),
        exposure=rng.uniform(0.0, 1.0),
        side_chain_b=1.15 * (1 + weak) * d**2 * rng.uniform() ** 1.5,
        side_chain_spread=0.6,
        side_chain_loss=rng.uniform(0, np.interp(d, *SIDE_CHAIN_LOSS)),
        acid_occupancy=rng.uniform(0.05, 0.8),
        carbonyl_occupancy=0.6,
        motion=rng.uniform(0, 0.8 * (d - 1.9)),
        residue_spread=rng.uniform(0, 0.12),
        fading=rng.uniform(0, 0.4),
        solvent=rng.uniform(0, 1.15) * (1 - 0.5 * weak * rng.uniform()),
        blobs=rng.uniform(0.4, 1.2) if rng.uniform() < 0.25 else 0.0,
        anisotropy=rng.uniform(0, 140) if rng.uniform() < 0.35 else 0.0,
        cut_softness=rng.uniform(0.02, 0.05),
        noise=rng.uniform(0.4, 1.9),
        noise_onset=rng.uniform(1.0, 1.35),
        noise_floor=0.12 * rng.uniform() ** 2,
        noise_contrast=rng.uniform(0.1, 0.6) if rng.uniform() < 0.6 else 0.0,
        curve_error=rng.normal(0, 0.12),
        cut_error=rng.uniform(0.88, 1.08),
        low_frequency=rng.normal(0, 0.12) + (rng.uniform(0, 0.4 + 0.3 * weak) if rng.uniform() < 0.5 else 0.0),
        ripple=rng.uniform(0, 0.12),
        evening=rng.uniform(0.1, 0.8) if rng.uniform() < 0.25 else 0.0,
    )


def atom_mobility(
    xyz: NDArray[np.float32], buried: NDArray[np.float32], conditions: Conditions, rng: np.random.Generator
) -> NDArray[np.float32]:
    """How mobile the place of each atom is, about 1 in the median.

    Weak parts of real maps are weak over whole regions, mostly at the surface, and in all bands of the spectrum.

    Parameters
    ----------
    xyz
        ``(n, 3)`` voxel coordinates.
    buried
        ``(n,)`` how much of the molecule is around each atom, in any unit.
    conditions
    rng
    """
    exposed = (buried.mean() - buried) / (buried.std() + 1e-6) if len(buried) else buried
    field = conditions.unrest * np.sqrt(2) * _smooth_field(xyz, REGION_REACH, rng) + conditions.exposure * exposed
    return np.clip(np.exp(field), *MOBILITY_RANGE).astype(np.float32)


def atom_b_factors(
    atoms: Structure, mobility: NDArray[np.float32], conditions: Conditions, rng: np.random.Generator
) -> NDArray[np.float32]:
    """B factors that follow the mobility and grow along the side chains, A^2."""
    place = conditions.base_b * mobility
    residues = int(atoms.residue.max(initial=0)) + 1
    loose = np.exp(rng.normal(0, conditions.side_chain_spread, residues))[atoms.residue]
    loose *= np.where(atoms.amino == LYSINE, rng.uniform(1.2, 2.5), 1)
    loose *= np.where(np.isin(atoms.amino, STIFF), rng.uniform(0.15, 0.85), 1)
    b = 8 + place + conditions.side_chain_b * loose * atoms.remoteness
    return np.clip(b, 2, 500).astype(np.float32)


def atom_occupancies(
    atoms: Structure, mobility: NDArray[np.float32], conditions: Conditions, rng: np.random.Generator
) -> NDArray[np.float32]:
    """How much of each atom is seen."""
    residues = int(atoms.residue.max(initial=0)) + 1
    loss = conditions.side_chain_loss * rng.uniform(size=residues)[atoms.residue] * atoms.remoteness / 3
    loss = np.where(np.isin(atoms.amino, STIFF), loss / 2, loss)
    seen = 1 - np.clip(loss, 0, 0.85)
    acid = conditions.acid_occupancy * rng.uniform(0.5, 1.5, residues)[atoms.residue]
    seen = np.where(np.isin(atoms.amino, ACIDS) & (atoms.remoteness > 1), seen * acid, seen)
    seen = np.where(atoms.carbonyl, seen * rng.uniform(conditions.carbonyl_occupancy, 1, len(atoms)), seen)
    seen = seen * np.exp(rng.normal(0, conditions.residue_spread, residues))[atoms.residue]
    return (seen * mobility**-conditions.fading).astype(np.float32)


def conformations(
    atoms: Structure, mobility: NDArray[np.float32], conditions: Conditions, size: int, rng: np.random.Generator
) -> list[NDArray[np.float32]]:
    """Where the atoms are in the conformations that the map is the mean of. Shapes (n, 3), in voxels of a cube."""
    if not conditions.motion:
        return [atoms.xyz]
    scale = conditions.motion * np.sqrt(2 / 3) * np.sqrt(mobility)[:, None]
    fields = (np.stack([_smooth_field(atoms.xyz, MOTION_REACH, rng) for _ in range(3)], axis=1) for _ in range(2))
    return [np.clip(atoms.xyz + scale * field, EDGE, size - 1 - EDGE).astype(np.float32) for field in fields]


def _smooth_field(xyz: NDArray[np.float32], reach: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """A random field at points that changes over some `reach` A, mean about 0 and variance about 1/2."""
    waves = rng.normal(0, 1 / reach, (4, 3))
    return np.sin(xyz @ waves.T + rng.uniform(0, 2 * np.pi, 4)).sum(1) / 2


@dataclass(frozen=True)
class FourierGrid:
    """Half-complex Fourier grid of a cube of `size` voxels of 1 A, with radial shells ``1/size`` wide.

    Attributes
    ----------
    axis, half_axis
        Frequencies along x or y and along z, 1/A.
    radius
        ``(size, size, size // 2 + 1)``, 1/A.
    shell, shell_radius, shell_count
        Shell of every coefficient; frequency and number of coefficients of every shell.
    """

    size: int
    axis: Tensor
    half_axis: Tensor
    radius: Tensor
    shell: Tensor
    shell_radius: Tensor
    shell_count: Tensor

    def transform(self, volume: Tensor) -> Tensor:
        """Fourier transform of a cube."""
        return torch.fft.rfftn(volume)

    def volume(self, transform: Tensor) -> Tensor:
        """Undo :meth:`transform`."""
        return torch.fft.irfftn(transform, s=(self.size,) * 3)

    def shell_power(self, transform: Tensor) -> Tensor:
        """Mean squared amplitude per shell."""
        power = torch.view_as_real(transform).square().sum(-1)
        total = torch.bincount(self.shell.reshape(-1), power.reshape(-1), minlength=len(self.shell_radius))
        return total / self.shell_count

    def along(self, direction: Tensor) -> Tensor:
        """Frequency component along a unit vector."""
        x, y, z = direction
        return self.axis[:, None, None] * x + self.axis[None, :, None] * y + self.half_axis * z


@lru_cache(maxsize=4)
def fourier_grid(size: int, device: torch.device) -> FourierGrid:
    """Return the (cached) grid of a cube."""
    axis = torch.fft.fftfreq(size, device=device)
    half_axis = torch.fft.rfftfreq(size, device=device)
    radius = (axis[:, None, None] ** 2 + axis[None, :, None] ** 2 + half_axis**2).sqrt()
    shell = (radius * size).long()
    count = torch.bincount(shell.reshape(-1))
    shell_radius = torch.arange(len(count), device=device) / size
    return FourierGrid(size, axis, half_axis, radius, shell, shell_radius, count.clamp(min=1).float())


@lru_cache(maxsize=4)
def _class_transforms(size: int, device: torch.device) -> Tensor:
    """Gaussian of every B class, the spline of the spreading divided out; ``(classes, size, size, size // 2 + 1)``."""
    grid = fourier_grid(size, device)
    spline = torch.sinc(grid.axis)[:, None, None] * torch.sinc(grid.axis)[None, :, None] * torch.sinc(grid.half_axis)
    b = torch.tensor(B_CLASSES, device=device)[:, None, None, None] + ATOM_B
    return torch.exp(-b * grid.radius**2 / 4) / spline**4


def spread_atoms(xyz: Tensor, weights: Tensor, channels: Tensor, shape: tuple[int, int]) -> Tensor:
    """Spread points over the 64 voxels around them by cubic B-splines.

    Parameters
    ----------
    xyz
        ``(n, 3)`` voxel coordinates, at least 1 and less than ``size - 2``.
    weights, channels
        ``(n,)`` amplitude, and the volume it goes into.
    shape
        Number of volumes and their edge ``size``.

    Returns
    -------
    Tensor
        ``(volumes, size, size, size)``; every volume sums to the weights of its points.
    """
    count, size = shape
    base = xyz.floor()
    along_x, along_y, along_z = _cubic_spline(xyz - base).unbind(1)
    values = torch.einsum("n,nx,ny,nz->nxyz", weights, along_x, along_y, along_z)
    corner = base.long() - 1
    reach = torch.arange(4, device=xyz.device)
    x, y, z = ((corner[:, axis, None] + reach) for axis in range(3))
    index = ((channels[:, None] * size + x)[:, :, None] * size + y[:, None, :])[..., None] * size + z[:, None, None, :]
    flat = torch.zeros(count * size**3, device=xyz.device)
    return flat.index_add_(0, index.reshape(-1), values.reshape(-1)).view(count, size, size, size)


def _cubic_spline(t: Tensor) -> Tensor:
    """Weights of the four grid points around a point at fraction `t` between the middle two; adds a last axis."""
    u = 1 - t
    return torch.stack([u**3, 3 * t**3 - 6 * t**2 + 4, 3 * u**3 - 6 * u**2 + 4, t**3], dim=-1) / 6


def molecule_transform(xyz: Tensor, amplitude: Tensor, b_factor: Tensor, size: int) -> Tensor:
    """Fourier transform of the atoms, each a Gaussian of its own B factor."""
    classes = torch.tensor(B_CLASSES, device=xyz.device)
    upper = torch.bucketize(b_factor, classes).clamp(1, len(classes) - 1)
    low, high = classes[upper - 1], classes[upper]
    share = ((b_factor - low) / (high - low)).clamp(0, 1)
    spread = spread_atoms(
        xyz.repeat(2, 1),
        torch.cat([amplitude * (1 - share), amplitude * share]),
        torch.cat([upper - 1, upper]),
        (len(classes), size),
    )
    return (torch.fft.rfftn(spread, dim=(1, 2, 3)) * _class_transforms(size, xyz.device)).sum(0)


def occupied(xyz: Tensor, size: int) -> Tensor:
    """Boolean cube of the voxels that hold an atom's centre."""
    cube = torch.zeros((size,) * 3, dtype=torch.bool, device=xyz.device)
    x, y, z = xyz.round().long().clamp(0, size - 1).unbind(1)
    cube[x, y, z] = True
    return cube


class Scene:
    """One window under way: its atoms, its conditions, its random numbers.

    Parameters
    ----------
    atoms
        Atoms in voxel coordinates of the padded window.
    conditions
        How the map looks.
    size
        Edge of the padded window in voxels.
    rng
        Source of every random number (the device's own are seeded from it).
    device
        Where the volumes live.
    """

    def __init__(
        self, atoms: Structure, conditions: Conditions, size: int, rng: np.random.Generator, device: torch.device
    ) -> None:
        self.atoms = atoms
        self.conditions = conditions
        self.rng = rng
        self.grid = fourier_grid(size, device)
        self.device = device
        self.generator = torch.Generator(device).manual_seed(int(rng.integers(2**62)))
        self.xyz = torch.as_tensor(atoms.xyz, device=device)

    def density(self) -> Tensor:
        """Return the finished density of the padded window, spectrum matched, arbitrary unit."""
        transform = self._molecule()
        transform *= self._fall_off()
        transform += self._noise(transform)
        density = self.grid.volume(transform * self._spectrum_match(transform))
        return density / self._local_contrast(density) if self.conditions.evening else density

    def noise(self) -> Tensor:
        """Return a map without a molecule: noise alone, its spectrum matched as that of any map."""
        transform = self.grid.transform(self._white_noise() * self._noise_level())
        return self.grid.volume(transform * self._spectrum_match(transform))

    def _molecule(self) -> Tensor:
        """Atoms less the solvent that they displace, plus disordered matter around them."""
        atoms, rng, size = self.atoms, self.rng, self.grid.size
        mask = self.grid.transform(occupied(self.xyz, size).float())
        mobility = atom_mobility(atoms.xyz, self._at_atoms(mask * self._gaussian(BURIAL_SIGMA)), self.conditions, rng)
        amplitude = atoms.scattering * atom_occupancies(atoms, mobility, self.conditions, rng)
        b_factor = atom_b_factors(atoms, mobility, self.conditions, rng)
        amplitude, b_factor = (torch.as_tensor(a, device=self.device) for a in (amplitude, b_factor))
        places = conformations(atoms, mobility, self.conditions, size, rng)
        transform = torch.zeros((), device=self.device)
        for place in places:
            xyz = torch.as_tensor(place, device=self.device)
            transform = transform + molecule_transform(xyz, amplitude / len(places), b_factor, size)
        level = amplitude.sum() / mask[0, 0, 0].real.clamp(min=1)  # at frequency 0: how many voxels are occupied
        envelope = mask * self._gaussian(ENVELOPE_SIGMA)
        transform -= self.conditions.solvent * level * envelope
        if self.conditions.blobs:
            transform += self.grid.transform(self._disordered(self.grid.volume(envelope), level))
        return transform

    def _at_atoms(self, transform: Tensor) -> NDArray[np.float32]:
        """Value of a volume, given its Fourier transform, at every atom."""
        x, y, z = self.xyz.round().long().clamp(0, self.grid.size - 1).unbind(1)
        return self.grid.volume(transform)[x, y, z].cpu().numpy()

    def _gaussian(self, sigma: float) -> Tensor:
        return torch.exp(-2 * (np.pi * sigma * self.grid.radius) ** 2)

    def _disordered(self, envelope: Tensor, level: Tensor) -> Tensor:
        """Lumps of smooth density, the rounder the coarser, only where the molecule is not."""
        lumps = self.grid.transform(self._white_noise()) * self._gaussian(float(self.rng.uniform(1.5, 5)))
        field = self.grid.volume(lumps)
        field = (field / field.std() - self.rng.uniform(0, 1)).clamp(0, 1.5)
        inside = envelope / envelope.max().clamp(min=1e-6)
        return self.conditions.blobs * level * envelope.max() * field * (1 - 3 * inside).clamp(0, 1)

    def _fall_off(self) -> Tensor:
        """Low-pass at the resolution, and a preferred orientation's loss along one direction."""
        grid, now = self.grid, self.conditions
        factor = torch.sigmoid((1 / now.resolution - grid.radius) / now.cut_softness)
        if now.anisotropy:
            direction = self.rng.normal(size=3)
            along = grid.along(torch.as_tensor(direction / np.linalg.norm(direction), device=self.device).float())
            factor = factor * torch.exp(-now.anisotropy * along**2 / 4)
        return factor

    def _white_noise(self) -> Tensor:
        return torch.randn((self.grid.size,) * 3, generator=self.generator, device=self.device)

    def _noise(self, transform: Tensor) -> Tensor:
        """Noise whose power per shell follows from the FSC: ``signal * (1 - FSC) / FSC``."""
        grid, now = self.grid, self.conditions
        noise = grid.transform(self._white_noise() * self._noise_level())
        signal = grid.shell_power(transform)
        onset = 1 / (now.resolution * now.noise_onset)
        fsc = torch.sigmoid((onset - grid.shell_radius) / 0.035) * (1 - now.noise_floor)
        fsc = fsc.clamp(0.05, 0.999)
        wanted = torch.minimum(signal * (1 - fsc) / fsc, signal.max())
        amplitude = (wanted / grid.shell_power(noise).clamp(min=1e-12)).sqrt()
        return noise * (now.noise * amplitude)[grid.shell]

    def _noise_level(self) -> Tensor | float:
        """Smooth field of the noise's standard deviation over the window."""
        if not self.conditions.noise_contrast:
            return 1.0
        voxel = torch.arange(self.grid.size, device=self.device)
        field = torch.zeros((), device=self.device)
        waves, phases = self.rng.normal(0, 1 / 14, (3, 3)), self.rng.uniform(0, 2 * np.pi, 3)
        for (kx, ky, kz), phase in zip(waves, phases, strict=True):
            # sin(a + b) from the sines and cosines of its parts: no sine per voxel
            a, b = kx * voxel[:, None] + ky * voxel + phase, kz * voxel
            field = field + a.sin()[..., None] * b.cos() + a.cos()[..., None] * b.sin()
        return torch.exp(self.conditions.noise_contrast * field / 1.7)

    def _local_contrast(self, density: Tensor) -> Tensor:
        """Root mean square around every voxel to the power of `evening`, at least a fifth of that of the window."""
        power = density.square()
        local = self.grid.volume(self.grid.transform(power) * self._gaussian(EVENING_SIGMA))
        return local.clamp(min=max(float(power.mean()) / 25, 1e-12)) ** (self.conditions.evening / 2)

    def _spectrum_match(self, transform: Tensor) -> Tensor:
        """The normalisation rule ``spectrum``, with the errors that a real map's processing brings in."""
        grid, now = self.grid, self.conditions
        radius = grid.shell_radius
        profile = smooth_profile(0.5 * torch.log10(grid.shell_power(transform) + 1e-12), 1.5)
        gain = matching_gain(radius, profile).clamp(min=-3)
        gain = gain + now.curve_error * ((radius - 1 / 8) / (1 / 3 - 1 / 8)).clamp(0, 1.5)
        gain = gain + now.ripple * self._ripple(radius)
        gain = torch.where(radius < 1 / 12, now.low_frequency, gain)
        return (10**gain * soft_cut(radius, now.resolution * now.cut_error))[grid.shell]

    def _ripple(self, radius: Tensor) -> Tensor:
        """A smooth random function of the frequency, mean about 0 and variance about 1."""
        rates, phases = self.rng.uniform(4, 16, 3), self.rng.uniform(0, 2 * np.pi, 3)
        waves = [(2 * np.pi * rate * radius + phase).sin() for rate, phase in zip(rates, phases, strict=True)]
        return torch.stack(waves).sum(0) * np.sqrt(2 / 3)
