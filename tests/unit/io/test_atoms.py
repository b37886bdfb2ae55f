"""All atoms of hand-made files: slots, alternatives, modifications, what is left out, and bad files."""

import gemmi
import numpy as np
import pytest

from emodelx.constants import AMINO_ACIDS, HEAVY_ATOMS, THREE_LETTER
from emodelx.errors import InputError
from emodelx.io.atoms import read_atoms, read_model

ATOM = (
    "{record:6s}{serial:5d} {name:4s}{alt}{residue:>3s} {chain}{number:4d}{icode}   "
    "{x:8.3f}{y:8.3f}{z:8.3f}{occ:6.2f}{b:6.2f}          {element:>2s}\n"
)


def line(name, residue="ALA", number=1, at=(1.0, 2.0, 3.0), **rest):
    """One atom of a PDB file."""
    values = {"record": "ATOM", "serial": 1, "alt": " ", "chain": "A", "icode": " ", "occ": 1.0, "b": 20.0}
    element = rest.pop("element", name.strip()[0])
    x, y, z = at
    padded = name if len(name) == 4 else f" {name:<3s}"
    return ATOM.format(**(values | rest), name=padded, residue=residue, number=number, x=x, y=y, z=z, element=element)


def backbone(residue="ALA", number=1, **rest):
    names = ("N", "CA", "C", "O")
    return "".join(line(name, residue, number, (3.8 * number, i, 0), **rest) for i, name in enumerate(names))


@pytest.fixture
def read(tmp_path):
    def write_and_read(text):
        (tmp_path / "m.pdb").write_text(text)
        return read_model(tmp_path / "m.pdb")

    return write_and_read


def test_every_amino_acid_fills_its_slots(read):
    text = "".join(
        line(name, THREE_LETTER[code], n, (n, slot, 0.5))
        for n, code in enumerate(AMINO_ACIDS, start=1)
        for slot, name in enumerate(HEAVY_ATOMS[code].split())
    )
    chain = read(text).model.chains[0]
    assert "".join(AMINO_ACIDS[t] for t in chain.types) == AMINO_ACIDS
    for n, code in enumerate(AMINO_ACIDS):
        used = len(HEAVY_ATOMS[code].split())
        np.testing.assert_array_equal(chain.atoms[n, :used], [[n + 1, slot, 0.5] for slot in range(used)])
        assert np.isnan(chain.atoms[n, used:]).all()


def test_hydrogens_are_counted_and_the_terminal_oxygen_is_another_atom(read):
    found = read(backbone() + line("H", element="H") + line("D", element="D") + line("OXT", at=(9, 9, 9)))
    assert found.model.atom_count() == 4
    assert found.hydrogens == 2
    np.testing.assert_array_equal(found.others.positions, [[9, 9, 9]])


def test_the_most_occupied_alternative_is_taken_for_the_whole_residue(read):
    text = backbone() + "".join(
        line(name, alt=alt, occ=occ, at=(x, 0, 0)) for name in ("CB",) for alt, occ, x in (("A", 0.4, 1), ("B", 0.6, 2))
    )
    found = read(text)
    assert found.model.chains[0].atoms[0, 4, 0] == 2
    assert found.labels[0].occupancy[0, 4] == pytest.approx(1.0)


def test_of_two_residues_of_one_number_the_more_occupied_is_read(read):
    one, other = backbone("SER", alt="A", occ=0.3), backbone("THR", alt="B", occ=0.7)
    found = read(one + other + backbone("GLY", 2))
    assert found.labels[0].names == ("THR", "GLY")


def test_atoms_of_no_occupancy_are_read_and_marked(read):
    found = read(backbone(occ=0.0))
    assert found.model.atom_count() == 4
    assert (found.labels[0].occupancy == 0).all()


@pytest.mark.parametrize(
    ("name", "parent", "atom", "slot"),
    [
        ("MSE", "M", "SE", 6),
        ("SEP", "S", "OG", 5),
        ("SEC", "C", "SE", 5),
        ("HIE", "H", "ND1", 6),
        ("CYX", "C", "SG", 5),
    ],
)
def test_modified_residues_use_the_slots_of_their_parent(read, name, parent, atom, slot):
    record = {"record": "HETATM"} if name in ("MSE", "SEP", "SEC") else {}
    text = backbone("GLY", 1) + backbone(name, 2, **record) + line(atom, name, 2, (7, 7, 7), element=atom[0], **record)
    chain = read(text + backbone("GLY", 3)).model.chains[0]
    assert AMINO_ACIDS[chain.types[1]] == parent
    np.testing.assert_array_equal(chain.atoms[1, slot], [7, 7, 7])


def test_the_phosphate_of_phosphoserine_is_another_atom(read):
    text = backbone("GLY", 1) + backbone("SEP", 2) + line("P", "SEP", 2, (5, 5, 5)) + backbone("GLY", 3)
    np.testing.assert_array_equal(read(text).others.elements, [15])


def test_unknown_residues_are_x_in_the_sequence(read):
    found = read(backbone("GLY", 1) + backbone("UNK", 2) + line("CB", "UNK", 2) + backbone("GLY", 3))
    assert found.model.sequences[0].residues == "GXG"
    assert np.isfinite(found.model.chains[0].atoms[1, :5]).all()


def test_missing_atoms_are_nan(read):
    atoms = read(backbone("ALA", 1) + line("CA", "TRP", 2)).model.chains[0].atoms
    assert np.isfinite(atoms[1, :, 0]).sum() == 1


def test_nucleic_acids_ligands_and_water_are_no_protein(read):
    text = backbone("ALA", 1) + backbone("ALA", 2) + "TER\n"
    text += line("P", "DA", 1, chain="B") + line("P", "DG", 2, chain="B") + "TER\n"
    text += line("CA", "CA", 9, chain="C", record="HETATM", element="CA")
    text += line("O", "HOH", 10, chain="C", record="HETATM")
    found = read(text)
    assert [chain.name for chain in found.model.chains] == ["A"]
    assert (found.nucleotides, found.ligands, found.waters) == (2, 1, 1)
    assert sorted(found.others.elements) == [15, 15, 20]


def test_numbers_keep_gaps_and_insertion_codes_follow(read):
    gap = read(backbone("ALA", 5) + backbone("GLY", 9)).model
    assert list(gap.chains[0].numbers) == [0, 4]
    assert gap.sequences[0].residues == "AXXXG"
    inserted = read(backbone("ALA", 5) + backbone("GLY", 5, icode="A") + backbone("ALA", 6))
    assert list(inserted.model.chains[0].numbers) == [0, 1, 2]
    assert inserted.labels[0].numbers == ("5", "5A", "6")


def test_equal_chains_share_a_sequence(read):
    model = read(backbone("ALA", 1) + "TER\n" + backbone("ALA", 1, chain="B")).model
    assert [chain.sequence for chain in model.chains] == [0, 0]
    assert (model.sequences[0].copies, model.sequences[0].chains) == (2, ("A", "B"))


def test_numbers_are_positions_in_the_sequence_of_the_file(tmp_path):
    structure = gemmi.read_pdb_string(
        "SEQRES   1 A    4  GLY ALA ALA GLY\n" + backbone("ALA", 12) + backbone("ALA", 13)
    )
    structure.setup_entities()
    structure.assign_label_seq_id()
    structure.make_mmcif_document().write_file(str(tmp_path / "m.cif"))
    found = read_model(tmp_path / "m.cif")
    assert found.model.sequences[0].residues == "GAAG"
    assert list(found.model.chains[0].numbers) == [1, 2]
    assert found.labels[0].numbers == ("12", "13")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (line("P", "DA"), "holds no protein"),
        (backbone() + backbone(), "residue 1 twice"),
        (backbone().replace("   0.000", "     nan"), "without coordinates"),
    ],
)
def test_bad_files_are_named(tmp_path, text, reason):
    (tmp_path / "bad.pdb").write_text(text)
    with pytest.raises(InputError, match=reason):
        read_atoms(tmp_path / "bad.pdb")
