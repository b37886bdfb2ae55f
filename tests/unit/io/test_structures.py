"""Models written are read back by gemmi and by the package; files of other programs; bad files."""

import gzip

import gemmi
import numpy as np
import pytest

from emodelx import __version__
from emodelx.constants import AMINO_ACIDS, HEAVY_ATOMS, MOST_ATOMS
from emodelx.errors import InputError, NothingBuildableError, ResourceError
from emodelx.io.chain_names import name_chains
from emodelx.io.structures import read_calphas, write_mmcif, write_pdb
from emodelx.records import AtomicChain, AtomicModel, Sequence


def make_model(sequences, seed=0, missing=0.2):
    """A model with every copy of every sequence; positions and gaps are drawn."""
    rng = np.random.default_rng(seed)

    def chain(index, name):
        codes = sequences[index].codes()
        numbers = np.flatnonzero(rng.random(len(codes)) >= missing)
        types = np.where(codes[numbers] < 0, AMINO_ACIDS.index("C"), codes[numbers]).astype(np.uint8)
        atoms = rng.uniform(-200, 400, (len(numbers), MOST_ATOMS, 3)).round(3)
        for own, kind in zip(atoms, types, strict=True):
            own[len(HEAVY_ATOMS[AMINO_ACIDS[kind]].split()) :] = np.nan
        confidence = rng.uniform(0, 100, len(numbers)).round(2).astype(np.float32)
        return AtomicChain(name, index, numbers, types, atoms, confidence)

    names = name_chains(sequences)
    return AtomicModel(tuple(sequences), tuple(chain(i, n) for i in range(len(sequences)) for n in names[i]))


@pytest.fixture
def model():
    return make_model([Sequence("p", "MAGUXO" + "ACDEFGHIKLMNPQRSTVWY" * 3, ("Q", "B1"), 3), Sequence("q", "GGGGMK")])


def check_read_back(model, chains):
    """Every residue is there with its number, type and Calpha, and nothing else."""
    assert [c.name for c in chains] == [c.name for c in model.chains]
    for wrote, read in zip(model.chains, chains, strict=True):
        sequence = model.sequences[wrote.sequence].residues
        assert list(read.numbers) == list(wrote.numbers + 1)
        assert read.residues == "".join(sequence[i] for i in wrote.numbers)
        assert read.sequence == sequence
        np.testing.assert_allclose(read.positions, wrote.atoms[:, 1], atol=5e-4)


@pytest.mark.parametrize("seed", range(5))
def test_mmcif_round_trip(tmp_path, seed):
    sequences = [Sequence("p", "MAGUXO" + "ACDEFGHIKLMNPQRSTVWY" * 3, ("Q", "B1"), 3), Sequence("q", "GGGGMKVLA")]
    model = make_model(sequences, seed)
    write_mmcif(tmp_path / "m.cif", model)
    check_read_back(model, read_calphas(tmp_path / "m.cif"))


def test_every_atom_is_written_by_its_name_and_element(tmp_path):
    model = make_model([Sequence("p", "MAGUXOACDEFGHIKLMNPQRSTVWY")], missing=0)
    (chain,) = model.chains
    write_mmcif(tmp_path / "m.cif", model)
    (read,) = gemmi.read_structure(str(tmp_path / "m.cif"))[0]
    for i, residue in enumerate(read):
        names = HEAVY_ATOMS[AMINO_ACIDS[chain.types[i]]].split()
        assert [atom.name.replace("SE", "SG") for atom in residue] == names
        assert [atom.element.name for atom in residue if atom.name != "SE"] == [
            n[0] for n in names if i != 3 or n != "SG"
        ]
        np.testing.assert_allclose([atom.pos.tolist() for atom in residue], chain.atoms[i, : len(names)], atol=5e-4)
    assert [(residue.name, atom.element.name) for residue in read for atom in residue if atom.name == "SE"] == [
        ("SEC", "Se")
    ]


def test_atoms_without_a_position_are_left_out(tmp_path):
    model = make_model([Sequence("p", "MKV")], missing=0)
    model.chains[0].atoms[1, 3:] = np.nan
    write_mmcif(tmp_path / "m.cif", model)
    (read,) = gemmi.read_structure(str(tmp_path / "m.cif"))[0]
    assert [atom.name for atom in read[1]] == ["N", "CA", "C"]


def test_pdb_round_trip(tmp_path):
    model = make_model([Sequence("p", "MAGUXO" + "ACDEFGHIKLMNPQRSTVWY" * 3, (), 2), Sequence("q", "GGGGMKVLA")])
    write_pdb(tmp_path / "m.pdb", model)
    check_read_back(model, read_calphas(tmp_path / "m.pdb"))


def test_many_chains_and_long_names(tmp_path):
    model = make_model([Sequence("p", "MKVLAWFDER", (), 200)], missing=0)
    write_mmcif(tmp_path / "m.cif", model)
    check_read_back(model, read_calphas(tmp_path / "m.cif"))


def test_mmcif_categories(tmp_path, model):
    write_mmcif(tmp_path / "m.cif", model)
    block = gemmi.cif.read(str(tmp_path / "m.cif")).sole_block()
    assert [str(v) for v in block.find_values("_entity_poly.pdbx_strand_id")] == ["Q,B1,A", "B"]
    assert len(block.find_values("_entity_poly_seq.mon_id")) == sum(len(s.residues) for s in model.sequences)
    assert list(block.find_values("_struct_asym.id")) == ["Q", "B1", "A", "B"]
    assert list(block.find_values("_struct_asym.entity_id")) == ["1", "1", "1", "2"]
    atoms = block.find("_atom_site.", ["label_seq_id", "auth_seq_id", "label_asym_id", "auth_asym_id", "label_atom_id"])
    assert len(atoms) == model.atom_count()
    assert all(row[0] == row[1] and row[2] == row[3] for row in atoms)
    assert {row[1] for row in block.find("_software.", ["name", "version"])} == {__version__}
    assert "not a B factor" in gemmi.cif.as_string(block.find_value("_pdbx_database_remark.text"))
    assert "." not in list(block.find_values("_chem_comp.type"))


def test_confidence_is_in_the_b_factor_column_and_in_the_metric(tmp_path, model):
    write_mmcif(tmp_path / "m.cif", model)
    expected = np.concatenate([chain.confidence for chain in model.chains])
    structure = gemmi.read_structure(str(tmp_path / "m.cif"))
    residues = [residue for chain in structure[0] for residue in chain]
    for residue, confidence in zip(residues, expected, strict=True):
        np.testing.assert_allclose([atom.b_iso for atom in residue], confidence, atol=0.006)
        assert {atom.occ for atom in residue} == {1.0}
    block = gemmi.cif.read(str(tmp_path / "m.cif")).sole_block()
    local = [float(v) for v in block.find_values("_ma_qa_metric_local.metric_value")]
    np.testing.assert_allclose(local, expected, atol=0.006)


def test_low_confidence_is_left_out(tmp_path, model):
    write_mmcif(tmp_path / "m.cif", model, min_confidence=70)
    read = sum(map(len, read_calphas(tmp_path / "m.cif")))
    assert read == sum(int((chain.confidence >= 70).sum()) for chain in model.chains)
    assert 0 < read < sum(map(len, model.chains))


def test_same_model_gives_same_bytes(tmp_path, model):
    write_mmcif(tmp_path / "m.cif", model)
    first = (tmp_path / "m.cif").read_bytes()
    write_mmcif(tmp_path / "m.cif", model)
    assert (tmp_path / "m.cif").read_bytes() == first


def test_names_with_blanks_make_a_valid_file(tmp_path, model):
    write_mmcif(tmp_path / "my first model.cif", model)
    assert gemmi.cif.read(str(tmp_path / "my first model.cif")).sole_block().name == "my_first_model"


@pytest.mark.parametrize("write", [write_mmcif, write_pdb])
def test_nothing_to_write(tmp_path, write):
    with pytest.raises(NothingBuildableError, match="no residue"):
        write(tmp_path / "m", make_model([Sequence("p", "MKV")]), min_confidence=100.1)
    with pytest.raises(NothingBuildableError, match="no residue"):
        write(tmp_path / "m", AtomicModel((Sequence("p", "MKV"),)))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("write", [write_mmcif, write_pdb])
def test_a_folder_that_is_not_there(tmp_path, write):
    with pytest.raises(ResourceError, match="cannot be written"):
        write(tmp_path / "none" / "m", make_model([Sequence("p", "MKV")]))


@pytest.mark.parametrize(
    ("sequence", "message"),
    [
        (Sequence("p", "MKV", (), 63), "more than one character"),
        (Sequence("p", "MKV", ("AB",), 1), "more than one character"),
        (Sequence("p", "M" * 10_050), "residue number 10050"),
        (Sequence("p", "M" * 2_000, (), 7), "112007 atoms"),
    ],
)
def test_pdb_refuses_what_does_not_fit(tmp_path, sequence, message):
    with pytest.raises(InputError, match=message):
        write_pdb(tmp_path / "m.pdb", make_model([sequence], missing=0))
    assert list(tmp_path.iterdir()) == []


def test_pdb_refuses_far_coordinates(tmp_path):
    model = make_model([Sequence("p", "MKV")], missing=0)
    model.chains[0].atoms[1, 1, 2] = -1000.5
    with pytest.raises(InputError, match="coordinates"):
        write_pdb(tmp_path / "m.pdb", model)


def test_pdb_holds_62_chains(tmp_path):
    write_pdb(tmp_path / "m.pdb", make_model([Sequence("p", "MKV", (), 62)], missing=0))
    assert len(read_calphas(tmp_path / "m.pdb")) == 62


def test_pdb_says_what_the_b_factors_are(tmp_path, model):
    write_pdb(tmp_path / "m.pdb", AtomicModel(model.sequences, model.chains[:1]))
    assert "REMARK 999 The B-factor column holds the confidence" in (tmp_path / "m.pdb").read_text()


# ---- files of other programs ----

ATOM = (
    "{record:<6}{serial:5d} {name:4s}{alt:1s}{res:>3s} {chain}{number:4d}{code}   "
    "{x:8.3f}{y:8.3f}{z:8.3f}{occ:6.2f} 20.00          {el:>2s}"
)


def line(res, number, x, **other):
    fields = {
        "record": "ATOM",
        "serial": 1,
        "name": " CA ",
        "alt": " ",
        "chain": "A",
        "code": " ",
        "occ": 1.0,
        "el": "C",
    }
    return ATOM.format(**(fields | {"res": res, "number": number, "x": x, "y": 0.0, "z": 0.0} | other))


@pytest.fixture
def read_lines(tmp_path):
    def read(*lines):
        path = tmp_path / "other.pdb"
        path.write_text("\n".join([*lines, "END", ""]))
        return read_calphas(path)

    return read


def test_author_numbers_without_a_sequence(read_lines):
    (chain,) = read_lines(line("MET", -3, 0), line("ALA", 7, 4), line("GLY", 8, 8))
    assert (chain.name, chain.residues, list(chain.numbers), chain.sequence) == ("A", "MAG", [-3, 7, 8], "")
    np.testing.assert_allclose(chain.positions[:, 0], [0, 4, 8])


def test_highest_occupancy_of_alternatives(read_lines):
    (chain,) = read_lines(
        line("MET", 1, 0), line("ALA", 2, 4, alt="A", occ=0.3), line("ALA", 2, 5, alt="B", occ=0.7), line("GLY", 3, 8)
    )
    np.testing.assert_allclose(chain.positions[:, 0], [0, 5, 8])


def test_two_residues_in_one_place_count_once(read_lines):
    (chain,) = read_lines(
        line("MET", 1, 0), line("SER", 2, 4, alt="A", occ=0.5), line("THR", 2, 4, alt="B", occ=0.5), line("GLY", 3, 8)
    )
    assert chain.residues == "MSG"


def test_insertion_codes_are_other_residues(read_lines):
    (chain,) = read_lines(line("MET", 1, 0), line("ALA", 1, 4, code="A"), line("GLY", 2, 8))
    assert chain.residues == "MAG"


def test_first_of_several_models(read_lines):
    models = [f"MODEL     {k:4d}" for k in (1, 2)]
    (chain,) = read_lines(models[0], line("MET", 1, 0), "ENDMDL", models[1], line("MET", 1, 9), "ENDMDL")
    assert chain.positions[0, 0] == 0


def test_ligands_ions_and_solvent_are_left_out(read_lines):
    (chain,) = read_lines(
        line("MET", 1, 0),
        line("MSE", 2, 4, record="HETATM"),
        line("GLY", 3, 8),
        "TER",
        line(" CA", 101, 20, record="HETATM", name="CA  ", el="CA"),
        line("GLU", 102, 24, record="HETATM"),
        line("LIG", 103, 28, record="HETATM"),
        line("HOH", 104, 32, record="HETATM", name=" O  ", el="O"),
    )
    assert chain.residues == "MMG"


def test_nucleic_acid_has_no_calphas(read_lines):
    (chain,) = read_lines(line("MET", 1, 0), "TER", line(" DA", 1, 0, chain="B", name=" P  ", el="P"))
    assert chain.name == "A"


def test_unknown_residues_are_x(read_lines):
    (chain,) = read_lines(line("UNK", 1, 0), line("ALA", 2, 4))
    assert chain.residues == "XA"


def test_seqres_gives_positions(read_lines):
    (chain,) = read_lines(
        "SEQRES   1 A    6  MET ALA GLY LYS TRP CYS", line("GLY", 103, 0), line("LYS", 104, 4), line("TRP", 105, 8)
    )
    assert (chain.sequence, list(chain.numbers)) == ("MAGKWC", [3, 4, 5])


def test_label_numbers_come_before_author_numbers(tmp_path):
    model = make_model([Sequence("p", "MKVLAW")], missing=0)
    write_mmcif(tmp_path / "m.cif", model)
    structure = gemmi.read_structure(str(tmp_path / "m.cif"))
    for residue in structure[0][0]:
        residue.seqid.num += 500
    structure.make_mmcif_document().write_file(str(tmp_path / "moved.cif"))
    assert list(read_calphas(tmp_path / "moved.cif")[0].numbers) == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("name", ["m.cif.gz", "m.ent", "m"])
def test_compression_and_names(tmp_path, model, name):
    write_mmcif(tmp_path / "plain.cif", model)
    (tmp_path / name).write_bytes(gzip.compress((tmp_path / "plain.cif").read_bytes()))
    check_read_back(model, read_calphas(tmp_path / name))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty"),
        (b">A\nMKVLAW\n", "no atoms"),
        (b"\x00\x01\x02" * 400, "no atoms|not a PDB"),
        (b"data_x\nloop_\n_atom_site.id\n_atom_site.type_symbol\n1 C 2\n", "not a PDB or mmCIF"),
        (b"data_x\n_entry.id x\n", "no atoms"),
        (b"ATOM      1  CA  ALA A   1      xx.xxx", "no atoms|not a PDB"),
        (gzip.compress(b"ATOM" * 99)[:-9], "damaged"),
        (line("HOH", 1, 0, name=" O  ", el="O").encode(), "no protein"),
        ("\n".join([line("ALA", 1, 0), line("MET", 2, 4), line("ALA", 1, 8)]).encode(), "residue 1 twice"),
        ("\n".join([line("ALA", 1, 0), line("MET", 2, 4), line("LYS", 1, 8)]).encode(), "residue 1 twice"),
    ],
)
def test_bad_files_are_named_in_one_line(tmp_path, content, message):
    (tmp_path / "bad.pdb").write_bytes(content)
    with pytest.raises(InputError, match=message) as error:
        read_calphas(tmp_path / "bad.pdb")
    assert "bad.pdb" in str(error.value)
    assert "\n" not in str(error.value)


def test_calpha_without_coordinates(tmp_path):
    write_mmcif(tmp_path / "m.cif", make_model([Sequence("p", "MKVLAW")], missing=0))
    document = gemmi.cif.read(str(tmp_path / "m.cif"))
    document.sole_block().find(["_atom_site.Cartn_x"])[1][0] = "?"
    document.write_file(str(tmp_path / "m.cif"))
    with pytest.raises(InputError, match="without coordinates"):
        read_calphas(tmp_path / "m.cif")


def test_missing_structure(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_calphas(tmp_path / "none.cif")
