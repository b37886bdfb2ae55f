"""The atoms of a model as points that scatter."""

from dataclasses import dataclass

import gemmi
import numpy as np
from numpy.typing import NDArray

from emodelx.constants import AMINO_ACIDS, HEAVY_ATOMS, MOST_ATOMS
from emodelx.io.atoms import ModelFile
from emodelx.records import AtomicModel, Floats, Ints, Points

NO_RESIDUE = -1
"""Residue of atoms outside the protein."""


def _slot_elements() -> NDArray[np.uint8]:
    elements = np.zeros((len(AMINO_ACIDS), MOST_ATOMS), np.uint8)
    for row, code in enumerate(AMINO_ACIDS):
        names = HEAVY_ATOMS[code].split()
        elements[row, : len(names)] = [gemmi.Element(name[0]).atomic_number for name in names]
    return elements


SLOT_ELEMENTS = _slot_elements()
"""Atomic number of every slot of every amino acid, 0 where it is not used. Shape (20, 14)."""


@dataclass(frozen=True)
class Scatterers:
    """Heavy atoms of a model, protein first, residue by residue.

    Attributes
    ----------
    positions : ndarray, dtype=float64, shape=(n, 3)
        In Angstrom.
    elements : ndarray, dtype=uint8, shape=(n,)
        Atomic numbers.
    occupancy, b_factors : ndarray, dtype=float32, shape=(n,)
    residues : ndarray, dtype=int64, shape=(n,)
        Index of the residue, counted through all chains; `NO_RESIDUE` outside the protein.
    """

    positions: Points
    elements: NDArray[np.uint8]
    occupancy: Floats
    b_factors: Floats
    residues: Ints

    def __len__(self) -> int:
        return len(self.positions)

    def only(self, chosen: NDArray[np.bool_]) -> "Scatterers":
        """The chosen atoms; residues keep their numbers."""
        return Scatterers(
            self.positions[chosen],
            self.elements[chosen],
            self.occupancy[chosen],
            self.b_factors[chosen],
            self.residues[chosen],
        )


def scatterers_of(file: ModelFile) -> Scatterers:
    """List the heavy atoms of a model file; without B factors in the file they are 0."""
    chains, others = file.model.chains, file.others
    atoms = np.concatenate([chain.atoms for chain in chains])
    types = np.concatenate([chain.types for chain in chains])
    residue, slot = np.isfinite(atoms[..., 0]).nonzero()
    b_factors = np.concatenate([np.concatenate([of.b_factors for of in file.labels])[residue, slot], others.b_factors])
    occupancy = np.concatenate([np.concatenate([of.occupancy for of in file.labels])[residue, slot], others.occupancy])
    return Scatterers(
        np.concatenate([atoms[residue, slot], others.positions]),
        np.concatenate([SLOT_ELEMENTS[types[residue], slot], others.elements]),
        occupancy,
        b_factors if file.has_b_factors else np.zeros_like(b_factors),
        np.concatenate([residue, np.full(len(others.positions), NO_RESIDUE)]),
    )


def scatterers_of_built(model: AtomicModel) -> Scatterers:
    """List the atoms of a model that comes from no file: all are occupied, and without B factors they are 0."""
    atoms = np.concatenate([chain.atoms for chain in model.chains])
    types = np.concatenate([chain.types for chain in model.chains])
    residue, slot = np.isfinite(atoms[..., 0]).nonzero()
    b_factors = [np.zeros(len(of), np.float32) if of.b_factors is None else of.b_factors for of in model.chains]
    return Scatterers(
        atoms[residue, slot],
        SLOT_ELEMENTS[types[residue], slot],
        np.ones(len(residue), np.float32),
        np.concatenate(b_factors)[residue],
        residue,
    )
