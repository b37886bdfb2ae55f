"""B factors: one per residue, so that the model's density falls off as the map's does."""

from dataclasses import replace
from itertools import pairwise

import gemmi
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.spatial import KDTree

from emodelx import _core
from emodelx.config import BFactorConfig, RunConfig
from emodelx.constants import AMINO_ACIDS, HEAVY_ATOMS, MOST_ATOMS
from emodelx.errors import InputError
from emodelx.records import AtomicModel, DensityMap, Ints, Points

MARGIN = 6.0
"""Angstrom of the map around the model that are kept."""
MASK = 2.5
"""Voxels within this many Angstrom of an atom count."""
COARSEST = 3.5
"""Voxels per resolution that are enough; finer maps are thinned out."""
B_STEP, SQUARE_STEP = 5.0, 0.1
"""Steps of the tabulated densities, in square Angstrom."""
ELEMENTS = ("C", "N", "O", "S")
TRIED = (10, 20, 35, 50, 70, 95, 125, 160, 200, 250, 300)
"""B factors for all residues of which the best is the start, in square Angstrom."""

_Arrays = tuple[Points, Ints, Ints]


def fit_b_factors(
    model: AtomicModel, density: DensityMap, resolution: float, config: BFactorConfig, run: RunConfig
) -> AtomicModel:
    """Give every residue the B factor with which the model's density fits the map best.

    The scale of the map is free: what is maximised is the correlation over the voxels near the model, as the likelihood
    of independent values, one per half resolution in every direction. Neighbours along the chain are held together.

    Parameters
    ----------
    model : AtomicModel
    density : DensityMap
    resolution : float
        In Angstrom; the model's density has all terms up to it and none beyond.
    config : BFactorConfig
    run : RunConfig

    Returns
    -------
    AtomicModel
        The same with `b_factors` in all chains.

    Raises
    ------
    InputError
        When no atom lies in the map.
    """
    task = _Task(model, density, resolution, config, run)
    start = max(TRIED, key=lambda b: task.correlation(np.full(task.residues, float(b)))[0])
    found = minimize(
        task.loss, np.full(task.residues, np.log(start)), jac=True, method="L-BFGS-B",
        bounds=[(np.log(config.least), np.log(config.most))] * task.residues,
        options={"maxiter": config.iterations},
    )  # fmt: skip
    ends = np.cumsum([len(chain) for chain in model.chains])[:-1]
    parts = np.split(np.exp(found.x).astype(np.float32), ends)
    chains = tuple(replace(chain, b_factors=part) for chain, part in zip(model.chains, parts, strict=True))
    return replace(model, chains=chains)


class _Task:
    """A model and the part of the map around it, as the core wants them."""

    def __init__(
        self, model: AtomicModel, density: DensityMap, resolution: float, config: BFactorConfig, run: RunConfig
    ) -> None:
        self._config, self._run = config, run
        self.residues = sum(map(len, model.chains))
        self._joined = _joined(model)
        near = _thinned(density.around(model.atom_positions(), MARGIN), resolution)
        self._atoms = _atoms(model, near)
        inside = _near_atoms(self._atoms[0], near)
        if not inside.any():
            raise InputError("the model lies outside the map; are the two in one frame?")
        self._density = (near.values, inside, near.spacing.tolist())
        self._profiles = (_profiles(resolution, config.most), B_STEP, SQUARE_STEP)
        self._independent = inside.sum() * np.prod(near.spacing) / (resolution / 2) ** 3

    def correlation(self, b_factors: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        """Correlation with the map, and its change with every B factor."""
        return _core.correlate_b_factors(
            self._density, self._atoms, self._profiles, b_factors, threads=self._run.threads
        )

    def loss(self, logs: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        """Minus the logarithm of the likelihood times the prior, and its gradient, for logarithms of B factors."""
        b_factors = np.exp(logs)
        r, slopes = self.correlation(b_factors)
        unexplained = 1 - np.square(r)
        first, second = self._joined
        steps = (logs[first] - logs[second]) / self._config.spread
        gradient = -self._independent * r / unexplained * slopes * b_factors
        np.add.at(gradient, first, steps / self._config.spread)
        np.add.at(gradient, second, -steps / self._config.spread)
        return float(self._independent / 2 * np.log(unexplained) + np.square(steps).sum() / 2), gradient


def _joined(model: AtomicModel) -> tuple[Ints, Ints]:
    """Residues that follow one another in a chain."""
    starts = np.cumsum([0, *(len(chain) for chain in model.chains)])
    pairs = [
        (start + i, start + i + 1)
        for start, chain in zip(starts.tolist(), model.chains, strict=False)
        for i, (a, b) in enumerate(pairwise(chain.numbers.tolist()))
        if b == a + 1
    ]
    first, second = np.array(pairs, np.int64).reshape(-1, 2).T
    return first, second


def _thinned(density: DensityMap, resolution: float) -> DensityMap:
    """Every second, third ... voxel of a map that is finer than needed."""
    steps = np.maximum(1, np.floor(resolution / COARSEST / density.spacing)).astype(int)
    values = density.values[:: steps[0], :: steps[1], :: steps[2]]
    return DensityMap(np.ascontiguousarray(values), density.origin, density.spacing * steps)


def _atoms(model: AtomicModel, density: DensityMap) -> _Arrays:
    """Positions from the first voxel, elements and residues of all atoms."""
    atoms = np.concatenate([chain.atoms for chain in model.chains])
    types = np.concatenate([chain.types for chain in model.chains])
    residue, slot = np.isfinite(atoms[..., 0]).nonzero()
    return atoms[residue, slot] - density.origin, _KINDS[types[residue], slot], np.ascontiguousarray(residue)


def _slot_kinds() -> Ints:
    kinds = np.zeros((len(AMINO_ACIDS), MOST_ATOMS), np.int64)
    for row, code in enumerate(AMINO_ACIDS):
        names = HEAVY_ATOMS[code].split()
        kinds[row, : len(names)] = [ELEMENTS.index(name[0]) for name in names]
    return kinds


_KINDS = _slot_kinds()


def _near_atoms(positions: Points, density: DensityMap) -> NDArray[np.bool_]:
    """Voxels within `MASK` of an atom."""
    axes = [np.arange(n) * step for n, step in zip(density.values.shape, density.spacing, strict=True)]
    inside, tree = np.zeros(density.values.shape, bool), KDTree(positions)
    for plane, x in zip(inside, axes[0], strict=True):
        places = np.stack(np.meshgrid([x], axes[1], axes[2], indexing="ij"), axis=-1)[0]
        plane[:] = np.isfinite(tree.query(places, distance_upper_bound=MASK)[0])
    return inside


def _profiles(resolution: float, most: float) -> NDArray[np.float32]:
    """Density of every element by B factor and squared distance, cut off at the resolution. Shape (k, b, s)."""
    frequency = (np.arange(400) + 0.5) / 400 / resolution
    square = np.arange(0, (1.5 * resolution + 1) ** 2, SQUARE_STEP)
    b_factors = np.arange(0, most + B_STEP, B_STEP)
    waves = 4 * np.pi * np.square(frequency) * np.sinc(2 * frequency * np.sqrt(square)[:, None])
    damping = np.exp(-b_factors[:, None] * np.square(frequency) / 4)
    forms = [[gemmi.Element(name).c4322.calculate_sf(s * s / 4) for s in frequency] for name in ELEMENTS]
    density = np.einsum("kf,bf,sf->kbs", np.array(forms), damping, waves, optimize=True)
    return np.ascontiguousarray(density / (400 * resolution), np.float32)
