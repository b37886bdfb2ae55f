import numpy as np
import pytest

from emodelx.constants import AMINO_ACIDS
from emodelx.demo.fold import extend_backbone
from emodelx.demo.side_chains import ROTAMERS, build_side_chain

HEAVY_ATOMS = dict(zip(AMINO_ACIDS, (1, 2, 4, 5, 7, 0, 6, 4, 5, 4, 4, 4, 3, 5, 7, 2, 3, 3, 10, 8), strict=True))
"""Of every side chain, in the order of `AMINO_ACIDS`."""
# Bonds that no entry of the table states: they come out right only if all others of the ring are.
RING_CLOSURES = [
    ("F", "CE2", "CZ", 1.39),
    ("H", "CE1", "NE2", 1.32),
    ("P", "CD", "N", 1.47),
    ("W", "CH2", "CZ3", 1.40),
    ("W", "NE1", "CE2", 1.37),
    ("Y", "CE2", "CZ", 1.39),
]
# Atom, its three neighbours, and the chiral volume that crystal structures of L amino acids show, in cubic Angstrom.
CENTRES = [
    ("A", "CA", "N", "C", "CB", 2.5),
    ("I", "CB", "CA", "CG1", "CG2", 2.6),
    ("T", "CB", "CA", "OG1", "CG2", 2.5),
    ("V", "CB", "CA", "CG1", "CG2", -2.6),
    ("L", "CG", "CB", "CD1", "CD2", -2.6),
]


@pytest.fixture
def backbone():
    """N, CA and C of a residue."""
    before = np.array([[0, 0, 0], [1.458, 0, 0], [2.0, 1.42, 0]])
    return dict(zip(("N", "CA", "C"), extend_backbone(before, 130.0, np.array([[[-70.0, 140.0]]]))[0, 0], strict=False))


def rotamers(letter, backbone):
    return [backbone | build_side_chain(letter, backbone, chi) for chi in ROTAMERS[letter]]


def chiral_volume(centre, a, b, c):
    return float(np.dot(np.cross(a - centre, b - centre), c - centre))


@pytest.mark.parametrize("letter", AMINO_ACIDS)
def test_atoms_are_all_there_and_bonded(letter, backbone):
    for atoms in rotamers(letter, backbone):
        assert len(atoms) == 3 + HEAVY_ATOMS[letter]
        xyz = np.array(list(atoms.values()))
        distance = np.linalg.norm(xyz[:, None] - xyz, axis=-1) + 9 * np.eye(len(xyz))
        assert distance.min() > 1.2, "atoms coincide"
        assert distance.min(axis=1).max() < 1.85, "an atom hangs in the air"


@pytest.mark.parametrize(("letter", "a", "b", "bond"), RING_CLOSURES)
def test_rings_close(letter, a, b, bond, backbone):
    for atoms in rotamers(letter, backbone):
        assert np.linalg.norm(atoms[a] - atoms[b]) == pytest.approx(bond, abs=0.04)


@pytest.mark.parametrize(("letter", "centre", "a", "b", "c", "volume"), CENTRES)
def test_hand_of_every_chiral_centre(letter, centre, a, b, c, volume, backbone):
    for atoms in rotamers(letter, backbone):
        assert chiral_volume(*(atoms[name] for name in (centre, a, b, c))) == pytest.approx(volume, abs=0.2)
