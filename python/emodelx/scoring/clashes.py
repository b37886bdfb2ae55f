"""Clashes: atoms whose spheres overlap by 0.4 A or more, in the way of MolProbity's clashscore.

Word et al., J. Mol. Biol. 285, 1711-1733 (1999). Radii are those of its later version for hydrogens at electron-cloud
distances; hydrogens are placed by `scoring.hydrogens`. A polar hydrogen may come 0.6 A closer to an acceptor.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array, eye_array
from scipy.spatial import KDTree

from emodelx.constants import AMINO_ACIDS, HEAVY_ATOMS
from emodelx.records import AtomicChain, Floats, Ints, Points
from emodelx.scoring.covalent import bonds_of
from emodelx.scoring.hydrogens import POLAR, Hydrogens, place_hydrogens
from emodelx.scoring.scatterers import NO_RESIDUE, Scatterers
from emodelx.scoring.torsions import C, N

OVERLAP = 0.4
"""Angstrom."""
HYDROGEN_BOND = 0.6
"""Angstrom by which a polar hydrogen and an acceptor may overlap more."""
DISULFIDE = 2.5
"""Angstrom; sulfur atoms closer than this are bonded."""

_RADII = {6: 1.70, 7: 1.55, 8: 1.40, 15: 1.80, 16: 1.80, 34: 1.90}
_CARBONYL_RADIUS = 1.65
_HYDROGEN_RADII = (1.22, 1.05, 1.05)
_BONDED_OUTSIDE = 2.0  # Angstrom; ligands and nucleic acids are bonded by distance
_FURTHEST = 2 * max(_RADII.values()) - OVERLAP


@dataclass(frozen=True)
class Clashes:
    """Overlapping pairs of atoms.

    Attributes
    ----------
    residues : ndarray, dtype=int64, shape=(c, 2)
        Residues of the two atoms; `NO_RESIDUE` outside the protein.
    overlap : ndarray, dtype=float64, shape=(c,)
        In Angstrom.
    atoms : int
        Atoms looked at, hydrogens included.
    """

    residues: Ints
    overlap: NDArray[np.float64]
    atoms: int

    def score(self) -> float | None:
        """Clashes per 1,000 atoms; None without atoms."""
        return 1000 * len(self.overlap) / self.atoms if self.atoms else None


@dataclass(frozen=True)
class _Atoms:
    """Heavy atoms, then hydrogens."""

    positions: Points
    radii: NDArray[np.float64]
    residues: Ints
    polar: NDArray[np.bool_]
    acceptors: NDArray[np.bool_]
    hydrogen: NDArray[np.bool_]
    bonds: csr_array


def find_clashes(chain: AtomicChain, bonded: NDArray[np.bool_], scatterers: Scatterers) -> Clashes:
    """Find the clashes of a model.

    Parameters
    ----------
    chain : AtomicChain
        All residues of the model.
    bonded : ndarray, dtype=bool, shape=(r,)
        Whether a residue is bonded to the one before it.
    scatterers : Scatterers
        The atoms of `chain`, residue by residue and slot by slot, and those outside the protein. Atoms without
        occupancy, and elements other than C, N, O, P, S and Se, are left out.
    """
    atoms = _all_atoms(chain, bonded, scatterers)
    if len(atoms.positions) == 0:
        return Clashes(np.empty((0, 2), np.int64), np.empty(0), 0)
    pairs = KDTree(atoms.positions).query_pairs(_FURTHEST, output_type="ndarray")
    overlap = _overlap(atoms, pairs)
    pairs, overlap = pairs[overlap >= OVERLAP], overlap[overlap >= OVERLAP]
    apart = ~_near_by_bonds(atoms, pairs)
    return Clashes(atoms.residues[pairs[apart]], overlap[apart], len(atoms.positions))


def _overlap(atoms: _Atoms, pairs: Ints) -> NDArray[np.float64]:
    a, b = pairs.T
    distance = np.linalg.norm(atoms.positions[a] - atoms.positions[b], axis=1)
    hydrogen_bond = (atoms.polar[a] & atoms.acceptors[b]) | (atoms.polar[b] & atoms.acceptors[a])
    return atoms.radii[a] + atoms.radii[b] - distance - HYDROGEN_BOND * hydrogen_bond


def _near_by_bonds(atoms: _Atoms, pairs: Ints) -> NDArray[np.bool_]:
    """Whether two atoms are three bonds apart or less, four where one is a hydrogen."""
    step = atoms.bonds + csr_array(eye_array(len(atoms.positions), format="csr"))
    three = csr_array(step @ step @ step)
    four = csr_array(three @ step)
    a, b = pairs.T
    either_hydrogen = atoms.hydrogen[a] | atoms.hydrogen[b]
    return np.where(either_hydrogen, _entries(four, a, b), _entries(three, a, b))


def _entries(matrix: csr_array, rows: Ints, columns: Ints) -> NDArray[np.bool_]:
    return np.asarray(matrix[rows, columns]).ravel() > 0 if len(rows) else np.zeros(0, bool)


def _all_atoms(chain: AtomicChain, bonded: NDArray[np.bool_], scatterers: Scatterers) -> _Atoms:
    index = np.full(chain.atoms.shape[:2], -1)
    in_protein = int((scatterers.residues != NO_RESIDUE).sum())
    index[np.isfinite(chain.atoms[..., 0])] = np.arange(in_protein)
    counted = (scatterers.occupancy > 0) & np.isin(scatterers.elements, list(_RADII))
    hydrogens = place_hydrogens(chain, bonded)
    parents = index[hydrogens.residues, hydrogens.slots]
    bonds = _heavy_bonds(chain, bonded, index, scatterers)
    keep_heavy, keep_light = counted.nonzero()[0], counted[parents].nonzero()[0]
    new_index = np.full(len(scatterers), -1)
    new_index[keep_heavy] = np.arange(len(keep_heavy))
    heavy = new_index[bonds[(counted[bonds]).all(axis=1)]]
    light = np.stack([new_index[parents[keep_light]], len(keep_heavy) + np.arange(len(keep_light))], axis=1)
    return _assembled(chain, scatterers, (keep_heavy, keep_light), hydrogens, np.concatenate([heavy, light]))


def _assembled(
    chain: AtomicChain, scatterers: Scatterers, kept: tuple[Ints, Ints], hydrogens: Hydrogens, bonds: Ints
) -> _Atoms:
    heavy, light = kept
    elements = scatterers.elements[heavy]
    radii = np.array([_RADII[int(element)] for element in elements])
    radii[_carbonyl(chain, scatterers)[heavy]] = _CARBONYL_RADIUS
    kinds, count = hydrogens.kinds[light], len(heavy) + len(light)
    none_heavy = np.zeros(len(heavy), bool)
    return _Atoms(
        positions=np.concatenate([scatterers.positions[heavy], hydrogens.positions[light]]),
        radii=np.concatenate([radii, np.array(_HYDROGEN_RADII)[kinds]]),
        residues=np.concatenate([scatterers.residues[heavy], hydrogens.residues[light]]),
        polar=np.concatenate([none_heavy, kinds == POLAR]),
        acceptors=np.concatenate([np.isin(elements, (7, 8, 16)), np.zeros(len(light), bool)]),
        hydrogen=np.concatenate([none_heavy, np.ones(len(light), bool)]),
        bonds=_symmetric(bonds, count),
    )


def _carbonyl(chain: AtomicChain, scatterers: Scatterers) -> NDArray[np.bool_]:
    """Which heavy atoms are carbons of a C=O group."""
    slots = np.zeros((len(AMINO_ACIDS), chain.atoms.shape[1]), bool)
    slots[:, C] = True
    for code, name in (("D", "CG"), ("N", "CG"), ("E", "CD"), ("Q", "CD")):
        slots[AMINO_ACIDS.index(code), HEAVY_ATOMS[code].split().index(name)] = True
    found = np.zeros(len(scatterers), bool)
    present = np.isfinite(chain.atoms[..., 0])
    found[: int(present.sum())] = slots[chain.types][present]
    return found


def _symmetric(bonds: Ints, count: int) -> csr_array:
    ones = np.ones(len(bonds), np.int32)
    one_way = coo_array((ones, (bonds[:, 0], bonds[:, 1])), shape=(count, count))
    return csr_array(one_way + one_way.T)


def _heavy_bonds(chain: AtomicChain, bonded: NDArray[np.bool_], index: Ints, scatterers: Scatterers) -> Ints:
    """Pairs of scatterers that are bonded. Shape (b, 2)."""
    parts = [np.stack([index[bonded.nonzero()[0] - 1, C], index[bonded, N]], axis=1)]
    for kind, code in enumerate(AMINO_ACIDS):
        mine = index[chain.types == kind]
        parts += [mine[:, [a, b]] for a, others in bonds_of(code).items() for b in others if a < b]
    sulfurs = (scatterers.elements == 16).nonzero()[0]
    parts.append(sulfurs[_close_pairs(scatterers.positions[sulfurs], DISULFIDE)])
    parts.append(_bonds_outside(scatterers))
    pairs = np.concatenate(parts)
    return pairs[(pairs >= 0).all(axis=1)]


def _close_pairs(positions: Points, distance: float) -> Ints:
    if len(positions) < 2:
        return np.empty((0, 2), np.int64)
    return KDTree(positions).query_pairs(distance, output_type="ndarray")


def _bonds_outside(scatterers: Scatterers) -> Ints:
    """Bonds with at least one atom outside the protein, by distance."""
    outside = (scatterers.residues == NO_RESIDUE).nonzero()[0]
    if len(outside) == 0:
        return np.empty((0, 2), np.int64)
    tree = KDTree(scatterers.positions)
    near = tree.query_ball_point(scatterers.positions[outside], _BONDED_OUTSIDE)
    pairs = [(a, b) for a, others in zip(outside, near, strict=True) for b in others if a != b]
    return np.array(pairs, np.int64).reshape(-1, 2)


def worst_overlap(clashes: Clashes, residues: int) -> Floats:
    """Largest overlap of every residue in Angstrom, 0 without a clash. Shape (residues,)."""
    worst = np.zeros(residues, np.float32)
    for column in clashes.residues.T:
        mine = column != NO_RESIDUE
        np.maximum.at(worst, column[mine], clashes.overlap[mine])
    return worst
