"""The density that a model would have at a resolution, on the grid of a map."""

from dataclasses import replace

import gemmi
import numpy as np
from numpy.typing import NDArray
from scipy import fft

from emodelx.records import DensityMap, Floats
from emodelx.scoring.scatterers import Scatterers

_SHARPEST = 1.6  # density of atoms is sampled well when B reaches 8 pi^2 (voxel / this)^2
_NEGLIGIBLE = 1e-5  # relative density at which an atom ends


def model_density(scatterers: Scatterers, density: DensityMap, resolution: float) -> Floats:
    """Compute the electrostatic density of a model with all terms up to a resolution and none beyond.

    Parameters
    ----------
    scatterers : Scatterers
    density : DensityMap
        The map whose grid is used; its box is taken as periodic.
    resolution : float
        In Angstrom.

    Returns
    -------
    ndarray, dtype=float32, shape of the map
    """
    return synthesise(structure_factors(scatterers, density, resolution), density)


def structure_factors(scatterers: Scatterers, density: DensityMap, resolution: float) -> NDArray[np.complex64]:
    """Fourier terms of a model in the box of a map, zero beyond the resolution. Shape of `scipy.fft.rfftn`."""
    blur = _needed_blur(scatterers, density)
    terms = np.asarray(fft.rfftn(_blurred(scatterers, density, resolution, blur)))
    squared = squared_frequencies(density)
    terms *= np.exp(np.minimum(blur * squared / 4, 80))
    terms[squared > resolution**-2] = 0
    return terms


def synthesise(terms: NDArray[np.complex64], density: DensityMap) -> Floats:
    """Density of Fourier terms on the grid of a map."""
    return np.asarray(fft.irfftn(terms, density.values.shape), np.float32)


def squared_frequencies(density: DensityMap) -> Floats:
    """1 / d^2 of every Fourier term of a map, in 1 / Angstrom^2. Shape of `scipy.fft.rfftn`."""
    axes = [np.fft.fftfreq(n, d) for n, d in zip(density.values.shape[:2], density.spacing[:2], strict=True)]
    axes.append(np.fft.rfftfreq(density.values.shape[2], density.spacing[2]))
    x, y, z = (np.square(axis).astype(np.float32) for axis in axes)
    return x[:, None, None] + y[:, None] + z


def damped(scatterers: Scatterers, b_factor: float) -> Scatterers:
    """The same atoms with one B factor in square Angstrom."""
    return replace(scatterers, b_factors=np.full(len(scatterers), b_factor, np.float32))


def gemmi_model(scatterers: Scatterers, density: DensityMap) -> gemmi.Model:
    """The atoms in one residue, placed relative to voxel 0, 0, 0."""
    residue = gemmi.Residue()
    for index, position in enumerate(scatterers.positions - density.origin):
        atom = gemmi.Atom()
        atom.element = gemmi.Element(int(scatterers.elements[index]))
        atom.pos = gemmi.Position(*position)
        atom.occ = float(scatterers.occupancy[index])
        atom.b_iso = float(scatterers.b_factors[index])
        residue.add_atom(atom)
    chain = gemmi.Chain("A")
    chain.add_residue(residue)
    model = gemmi.Model(1)
    model.add_chain(chain)
    return model


def box_grid(density: DensityMap) -> gemmi.FloatGrid:
    """An empty grid like that of a map."""
    grid = gemmi.FloatGrid()
    grid.set_size(*density.values.shape)
    a, b, c = (density.spacing * density.values.shape).tolist()
    grid.set_unit_cell(gemmi.UnitCell(a, b, c, 90, 90, 90))
    grid.spacegroup = gemmi.SpaceGroup("P 1")
    return grid


def _needed_blur(scatterers: Scatterers, density: DensityMap) -> float:
    """B factor to add so that the sharpest atom does not fall between voxels."""
    enough = 8 * np.pi**2 * (float(density.spacing.max()) / _SHARPEST) ** 2
    return max(0.0, enough - float(scatterers.b_factors.min(initial=np.inf)))


def _blurred(scatterers: Scatterers, density: DensityMap, resolution: float, blur: float) -> Floats:
    calculator = gemmi.DensityCalculatorE()
    calculator.d_min, calculator.blur, calculator.cutoff = resolution, blur, _NEGLIGIBLE
    calculator.grid.copy_metadata_from(box_grid(density))
    calculator.grid.set_size(*density.values.shape)
    calculator.add_model_density_to_grid(gemmi_model(scatterers, density))
    return np.array(calculator.grid, copy=False)
