"""Peptides with chosen torsions, and their files."""

import gemmi
import numpy as np
import pytest

from emodelx.constants import AMINO_ACIDS, HEAVY_ATOMS, MOST_ATOMS, THREE_LETTER
from emodelx.io.atoms import read_model
from emodelx.records import AtomicChain
from emodelx.vectors import place

HELIX = (-62.0, -42.0, 180.0)


def add(a, b, c, internal):
    return place(a, b, c, *internal)


def make_peptide(sequence, torsions=None):
    """Main chain and Cbeta with ideal geometry; `torsions` are (phi, psi, omega) per residue."""
    torsions = [HELIX] * len(sequence) if torsions is None else torsions
    atoms = np.full((len(sequence), MOST_ATOMS, 3), np.nan)
    n, ca = np.array([0.0, 0.0, 0.0]), np.array([1.458, 0.0, 0.0])
    c = add(np.array([0.0, 1.0, 0.3]), n, ca, (1.525, 111.0, 60.0))
    for i, code in enumerate(sequence):
        _, psi, _ = torsions[i]
        after = add(n, ca, c, (1.329, 117.2, psi))
        atoms[i, :4] = n, ca, c, add(n, ca, c, (1.231, 120.1, psi + 180))
        if code != "G":
            atoms[i, 4] = (add(n, c, ca, (1.53, 110.1, 122.8)) + add(c, n, ca, (1.53, 110.5, -122.6))) / 2
        if i + 1 < len(sequence):
            phi, _, omega = torsions[i + 1]
            after_ca = add(ca, c, after, (1.458, 121.7, omega))
            n, ca, c = after, after_ca, add(c, after, after_ca, (1.525, 111.0, phi))
    types = np.array([AMINO_ACIDS.index(code) for code in sequence], np.uint8)
    return AtomicChain("A", 0, np.arange(len(sequence)), types, atoms, np.zeros(len(sequence), np.float32))


def write_peptide(path, chain, b_factor=20.0):
    """A PDB or mmCIF file of a chain."""
    structure = gemmi.Structure()
    structure.add_model(gemmi.Model(1))
    written = structure[0].add_chain(gemmi.Chain(chain.name))
    for number, (kind, atoms) in enumerate(zip(chain.types, chain.atoms, strict=True), start=1):
        code = AMINO_ACIDS[kind]
        residue = gemmi.Residue()
        residue.name, residue.seqid = THREE_LETTER[code], gemmi.SeqId(number, " ")
        for name, position in zip(HEAVY_ATOMS[code].split(), atoms, strict=False):
            if np.isfinite(position[0]):
                atom = gemmi.Atom()
                atom.name, atom.element, atom.pos = name, gemmi.Element(name[0]), gemmi.Position(*position)
                atom.occ, atom.b_iso = 1.0, b_factor + number
                residue.add_atom(atom)
        written.add_residue(residue)
    structure.setup_entities()
    if path.suffix == ".cif":
        structure.make_mmcif_document().write_file(str(path))
    else:
        structure.write_pdb(str(path))
    return path


@pytest.fixture
def peptide():
    return make_peptide


@pytest.fixture
def model_file(tmp_path):
    """Read a peptide through a file."""
    return lambda chain: read_model(write_peptide(tmp_path / "peptide.pdb", chain))


@pytest.fixture
def peptide_on_disk():
    return write_peptide
