"""Torsion angles of the main chain and of side chains, in degrees from -180 to 180."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emodelx.constants import AMINO_ACIDS, HEAVY_ATOMS
from emodelx.records import AtomicChain
from emodelx.vectors import torsion

N, CA, C, OXYGEN, CB = range(5)
"""Slots of the main-chain atoms and of Cbeta."""
LONGEST_PEPTIDE_BOND = 2.0
"""Angstrom; a C and the next N further apart are not bonded."""
MOST_CHIS = 4

_CHI_ATOMS = {
    "C": "N CA CB SG", "D": "N CA CB CG OD1", "E": "N CA CB CG CD OE1", "F": "N CA CB CG CD1",
    "H": "N CA CB CG ND1", "I": "N CA CB CG1 CD1", "K": "N CA CB CG CD CE NZ", "L": "N CA CB CG CD1",
    "M": "N CA CB CG SD CE", "N": "N CA CB CG OD1", "P": "N CA CB CG", "Q": "N CA CB CG CD OE1",
    "R": "N CA CB CG CD NE CZ", "S": "N CA CB OG", "T": "N CA CB OG1", "V": "N CA CB CG1",
    "W": "N CA CB CG CD1", "Y": "N CA CB CG CD1",
}  # fmt: skip
HALF_TURN = {"D": 1, "E": 2, "F": 1, "Y": 1}
"""Index of the chi that looks the same after half a turn."""

CHI_COUNT = {code: len(_CHI_ATOMS[code].split()) - 3 if code in _CHI_ATOMS else 0 for code in AMINO_ACIDS}
"""Number of chi angles of every amino acid."""
CHI_SLOTS = {
    code: np.array([HEAVY_ATOMS[code].split().index(name) for name in names.split()])
    for code, names in _CHI_ATOMS.items()
}
"""Slots of the atoms that the chi angles run along."""


@dataclass(frozen=True)
class Backbone:
    """Main-chain torsions of one chain, NaN where atoms or neighbours are absent.

    Attributes
    ----------
    phi, psi : ndarray, dtype=float64, shape=(r,)
    omega : ndarray, dtype=float64, shape=(r,)
        Of the peptide bond before the residue.
    bonded : ndarray, dtype=bool, shape=(r,)
        Whether the residue is bonded to the one before it.
    """

    phi: NDArray[np.float64]
    psi: NDArray[np.float64]
    omega: NDArray[np.float64]
    bonded: NDArray[np.bool_]


def backbone(chain: AtomicChain) -> Backbone:
    """Measure the main chain."""
    atoms = chain.atoms
    before = np.full_like(atoms, np.nan)
    before[1:] = atoms[:-1]
    with np.errstate(invalid="ignore"):
        bonded = np.linalg.norm(atoms[:, N] - before[:, C], axis=1) < LONGEST_PEPTIDE_BOND
    before[~bonded] = np.nan
    after = np.full_like(atoms, np.nan)
    after[:-1][bonded[1:]] = atoms[1:][bonded[1:]]
    return Backbone(
        phi=torsion(before[:, C], atoms[:, N], atoms[:, CA], atoms[:, C]),
        psi=torsion(atoms[:, N], atoms[:, CA], atoms[:, C], after[:, N]),
        omega=torsion(before[:, CA], before[:, C], atoms[:, N], atoms[:, CA]),
        bonded=bonded,
    )


def side_chains(chain: AtomicChain) -> NDArray[np.float64]:
    """Measure chi1 to chi4, NaN where absent; those that half a turn does not change are -90 to 90. Shape (r, 4)."""
    chis = np.full((len(chain), MOST_CHIS), np.nan)
    for code, slots in CHI_SLOTS.items():
        mine = (chain.types == AMINO_ACIDS.index(code)).nonzero()[0]
        along = chain.atoms[mine][:, slots]
        for k in range(CHI_COUNT[code]):
            chis[mine, k] = torsion(*along[:, k : k + 4].swapaxes(0, 1))
        if code in HALF_TURN:
            chis[mine, HALF_TURN[code]] = (chis[mine, HALF_TURN[code]] + 90) % 180 - 90
    return chis
