"""A protein with all atoms, and its map."""

from dataclasses import replace

import numpy as np
from scipy.ndimage import gaussian_filter

from emodelx.constants import AMINO_ACIDS, HEAVY_ATOMS
from emodelx.demo.assembly import build_complex
from emodelx.records import AtomicChain, AtomicModel, DensityMap, Sequence

SPACING = np.array([0.9, 1.0, 1.1])
WIDTH = 0.9
"""Of an atom in the map, in Angstrom."""


def protein(residues=70):
    """The first residues of a chain of the demo."""
    chain = next(iter(build_complex(7).values()))
    types = np.array([AMINO_ACIDS.index(letter) for letter in chain.sequence[:residues]], np.uint8)
    atoms = np.full((residues, 14, 3), np.nan)
    for name, residue, xyz in zip(chain.names, chain.residues, chain.xyz, strict=True):
        names = HEAVY_ATOMS[chain.sequence[residue]].split()
        if residue < residues and name in names:
            atoms[residue, names.index(name)] = xyz
    own = AtomicChain("A", 0, np.arange(residues), types, atoms, np.full(residues, 80, np.float32))
    return AtomicModel((Sequence("s", chain.sequence),), (own,))


def density_of(model, noise=0.3, seed=0):
    """A blurred map of a model with smooth noise."""
    (chain,) = model.chains
    points = chain.atoms[np.isfinite(chain.atoms[..., 0])]
    low = points.min(axis=0) - 8
    shape = np.ceil((points.max(axis=0) + 8 - low) / SPACING).astype(int)
    axes = np.meshgrid(*(np.arange(n) * s for n, s in zip(shape, SPACING, strict=True)), indexing="ij")
    values = np.zeros(shape)
    for x, y, z in points - low:
        values += np.exp(-((axes[0] - x) ** 2 + (axes[1] - y) ** 2 + (axes[2] - z) ** 2) / (2 * WIDTH**2))
    rough = gaussian_filter(np.random.default_rng(seed).normal(size=values.shape), 0.9)
    values = values / values.std() + noise * rough / rough.std()
    return DensityMap(values.astype(np.float32), low, SPACING)


def distorted(model, smooth=0.6, random=0.25, seed=0):
    """A model bent by long waves, every atom off by a little."""
    rng = np.random.default_rng(seed)
    (chain,) = model.chains
    waves, phases, ways = rng.normal(0, 1 / 9, (6, 3)), rng.uniform(0, 6.3, 6), rng.normal(size=(6, 3))
    bend = np.sin(chain.atoms @ waves.T + phases) @ ways
    bend *= smooth / np.sqrt(np.nanmean((bend**2).sum(axis=-1)))
    return with_atoms(model, chain.atoms + bend + rng.normal(0, random / np.sqrt(3), bend.shape))


def with_atoms(model, atoms):
    """The model with other atoms."""
    (chain,) = model.chains
    return replace(model, chains=(replace(chain, atoms=atoms),))


def rms(a, b, slots=slice(None)):
    """Root mean squared distance of the atoms of two models."""
    off = a.chains[0].atoms[:, slots] - b.chains[0].atoms[:, slots]
    return float(np.sqrt(np.nanmean((off**2).sum(axis=-1))))
