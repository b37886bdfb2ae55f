"""Hydrogens that the heavy atoms fix, at the electron-cloud distances of MolProbity.

Those that turn freely (hydroxyl, thiol, ammonium) and those of histidine nitrogens, which a program would choose so
that nothing clashes, are left out. Methyls are staggered.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emodelx.constants import AMINO_ACIDS, HEAVY_ATOMS
from emodelx.records import AtomicChain, Ints, Points
from emodelx.scoring.covalent import bonds_of
from emodelx.scoring.torsions import C, N
from emodelx.vectors import place, unit

_FLAT = {
    "F": "CD1 CD2 CE1 CE2 CZ", "Y": "CD1 CD2 CE1 CE2", "W": "CD1 NE1 CE3 CZ2 CZ3 CH2", "H": "CD2 CE1",
    "R": "NE NH1 NH2", "N": "ND2", "Q": "NE2",
}  # fmt: skip
"""Planar side-chain atoms with hydrogens."""
_BARE = {
    "D": "CG", "E": "CD", "F": "CG", "H": "CG", "N": "CG", "Q": "CD", "R": "CZ", "W": "CG CD2 CE2", "Y": "CG CZ",
}  # fmt: skip
"""Side-chain carbons without hydrogens."""
_TETRAHEDRAL = 109.5
_ALIPHATIC_BOND, _AROMATIC_BOND, _POLAR_BOND = 0.97, 0.93, 0.86
ALIPHATIC, AROMATIC, POLAR = range(3)


@dataclass(frozen=True)
class Hydrogens:
    """Placed hydrogens.

    Attributes
    ----------
    positions : ndarray, dtype=float64, shape=(h, 3)
    residues, slots : ndarray, dtype=int64, shape=(h,)
        The heavy atom that each is bonded to.
    kinds : ndarray, dtype=int64, shape=(h,)
        `ALIPHATIC`, `AROMATIC` or `POLAR`.
    """

    positions: Points
    residues: Ints
    slots: Ints
    kinds: Ints


def place_hydrogens(chain: AtomicChain, bonded: NDArray[np.bool_]) -> Hydrogens:
    """Place the hydrogens of all residues.

    Parameters
    ----------
    chain : AtomicChain
    bonded : ndarray, dtype=bool, shape=(r,)
        Whether a residue is bonded to the one before it.
    """
    groups = [_amides(chain, bonded), *_carbons_and_side_chains(chain)]
    positions, residues, slots, kinds = (np.concatenate(parts) for parts in zip(*groups, strict=True))
    known = np.isfinite(positions[:, 0])
    return Hydrogens(positions[known], residues[known], slots[known], kinds[known])


_Group = tuple[Points, Ints, Ints, Ints]


def _amides(chain: AtomicChain, bonded: NDArray[np.bool_]) -> _Group:
    mine = (bonded & (chain.types != AMINO_ACIDS.index("P"))).nonzero()[0]
    centre = chain.atoms[mine, N]
    positions = centre + _POLAR_BOND * _opposite(centre, [chain.atoms[mine - 1, C], chain.atoms[mine, 1]])
    return positions, mine, np.full(len(mine), N), np.full(len(mine), POLAR)


def _carbons_and_side_chains(chain: AtomicChain) -> Iterator[_Group]:
    for index, code in enumerate(AMINO_ACIDS):
        mine = (chain.types == index).nonzero()[0]
        for slot, name in enumerate(HEAVY_ATOMS[code].split()):
            kind = _kind(code, name)
            if kind is None or len(mine) == 0:
                continue
            placed = _around(chain.atoms[mine], code, slot, kind)
            for positions in placed:
                yield positions, mine, np.full(len(mine), slot), np.full(len(mine), kind)


def _kind(code: str, name: str) -> int | None:
    """What kind of hydrogens an atom has; None for none. The main-chain N is treated apart."""
    if name in ("N", "C") or name in _BARE.get(code, "").split():
        return None
    if name in _FLAT.get(code, "").split():
        return POLAR if name[0] == "N" else AROMATIC
    return ALIPHATIC if name[0] == "C" else None


def _around(atoms: Points, code: str, slot: int, kind: int) -> list[Points]:
    """Hydrogens of one atom of one amino acid, each of shape (r, 3)."""
    partners = bonds_of(code)[slot]
    centre, others = atoms[:, slot], [atoms[:, p] for p in partners]
    length = (_ALIPHATIC_BOND, _AROMATIC_BOND, _POLAR_BOND)[kind]
    if len(partners) == 3 or (kind != ALIPHATIC and len(partners) == 2):
        return [centre + length * _opposite(centre, others)]
    if len(partners) == 2:
        return [centre + length * direction for direction in _methylene(centre, others)]
    beyond = next(p for p in bonds_of(code)[partners[0]] if p != slot)
    turns, bend = ((0, 180), 120.0) if kind == POLAR else ((-60, 180, 60), _TETRAHEDRAL)
    return [place(atoms[:, beyond], others[0], centre, length, bend, turn) for turn in turns]


def _opposite(centre: Points, others: list[Points]) -> Points:
    """Direction away from all partners."""
    return -unit(np.sum([unit(other - centre) for other in others], axis=0))


def _methylene(centre: Points, others: list[Points]) -> list[Points]:
    away = _opposite(centre, others)
    across = unit(np.cross(others[0] - centre, others[1] - centre))
    half = np.radians(_TETRAHEDRAL / 2)
    return [np.cos(half) * away + sign * np.sin(half) * across for sign in (1, -1)]
