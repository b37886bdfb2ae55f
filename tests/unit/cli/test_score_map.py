"""`emodelx score` against a map: table, JSON, residues, colours, and what is wrong in one line."""

import csv
import json

import gemmi
import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from emodelx.cli.score import score
from emodelx.constants import THREE_LETTER
from emodelx.errors import InputError
from emodelx.io.atoms import read_model
from emodelx.io.maps import write_map
from emodelx.records import DensityMap
from emodelx.scoring.density import model_density
from emodelx.scoring.scatterers import scatterers_of

SEQUENCE = "MKVLAWFDERSG"


def helix_file(path, shift=0.0):
    """A helix of main chains and Cbetas, with hydrogens, alternatives, an empty atom, DNA, a ligand and water."""
    turn, rise = np.radians(100), 1.5
    rings = {"N": (1.5, -0.5, -0.9), "CA": (2.3, 0, 0), "C": (1.7, 0.45, 1.1), "O": (2.0, 0.5, 2.2)}
    rings |= {"CB": (3.3, -0.4, 0.2), "H": (1.4, -0.6, -1.8)}
    structure = gemmi.Structure()
    structure.add_model(gemmi.Model(1))
    chain = structure[0].add_chain(gemmi.Chain("A"))
    for i, code in enumerate(SEQUENCE):
        residue = gemmi.Residue()
        residue.name, residue.seqid = THREE_LETTER[code], gemmi.SeqId(i + 1, " ")
        for name, (radius, angle, height) in rings.items():
            if (code, name) != ("G", "CB"):
                at = angle + turn * i
                x, y, z = radius * np.cos(at) + 12, radius * np.sin(at) + 12, rise * i + height + 5
                alternatives = ("A", "B") if (i, name) == (4, "CB") else ("\0",)
                for label in alternatives:
                    occupancy = 1.0 / len(alternatives) if (i, name) != (6, "CB") else 0.0
                    residue.add_atom(atom(name, (x + shift, y, z + 0.2 * (label == "B")), occupancy, label))
        chain.add_residue(residue)
    for name, key, place in (("DA", "P", 3.0), ("SO4", "S", 20.0), ("HOH", "O", 22.0)):
        other = gemmi.Residue()
        other.name, other.seqid, other.het_flag = name, gemmi.SeqId(100 + int(place), " "), "H"
        other.add_atom(atom(key, (place + shift, 3.0, 3.0), 1.0, "\0"))
        structure[0].add_chain(gemmi.Chain(name[0])).add_residue(other)
    structure.write_pdb(str(path))
    return path


def atom(name, place, occupancy, label):
    made = gemmi.Atom()
    made.name, made.element, made.pos = name, gemmi.Element(name[0]), gemmi.Position(*place)
    made.occ, made.b_iso, made.altloc = occupancy, 30.0 + place[2], label
    return made


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The helix and its own density at 3 A."""
    folder = tmp_path_factory.mktemp("score")
    model = helix_file(folder / "model.pdb")
    empty = DensityMap(np.zeros((26, 26, 30), np.float32), np.zeros(3), np.ones(3))
    values = model_density(scatterers_of(read_model(model)), empty, 3.0)
    write_map(folder / "map.mrc", DensityMap(values, empty.origin, empty.spacing))
    return folder


@pytest.fixture
def invoke():
    app = typer.Typer()
    app.command()(score)
    return lambda *arguments: CliRunner().invoke(app, [*map(str, arguments), "-d", "cpu", "-j", "1"])


def test_json_table_and_colours(files, invoke):
    csv_file, cif = files / "residues.csv", files / "coloured.cif"
    result = invoke(
        files / "model.pdb", "-v", files / "map.mrc", "--resolution", 3, "--json", "--table", csv_file,
        "--coloured", cif, "--reference", files / "model.pdb",
    )  # fmt: skip
    assert result.exit_code == 0, result.exception
    values = json.loads(result.stdout)
    assert values["cc_mask"] > 0.99
    assert values["q_score"] > 0.3
    assert (values["n_true"], values["reg_acc"], values["forward_rate"], values["mean_length"]) == (12, 1, 1, 12)
    assert (values["nucleotides"], values["ligands"], values["waters"], values["hydrogens"]) == (1, 1, 1, 12)
    rows = list(csv.DictReader(csv_file.read_text().splitlines()))
    assert [row["number"] for row in rows] == [str(n) for n in range(1, 13)]
    assert all(float(row["cc"]) > 0.9 for row in rows)
    assert rows[0]["phi"] == ""
    check_colours(cif, rows)


def check_colours(path, rows):
    """The B-factor column is what the table says, and the file says so."""
    block = gemmi.cif.read(str(path)).sole_block()
    assert "not a B factor" in gemmi.cif.as_string(block.find_value("_pdbx_database_remark.text"))
    assert not read_model(path).has_b_factors
    chain = gemmi.read_structure(str(path))[0]["A"]
    for residue, row in zip(chain, rows, strict=True):
        wrong = {"place", "type", "register"} & set(row["flags"].split())
        expected = 0 if wrong else 100 * float(row["cc"])
        assert residue[0].b_iso == pytest.approx(expected, abs=0.02)


def test_a_model_outside_the_map(files, invoke):
    helix_file(files / "far.pdb", shift=500)
    result = invoke(files / "far.pdb", "-v", files / "map.mrc", "--resolution", 3)
    assert isinstance(result.exception, InputError)
    assert "no atom of the model lies inside the map" in str(result.exception)


def test_atoms_outside_are_counted(files, invoke):
    helix_file(files / "half.pdb", shift=12)
    result = invoke(files / "half.pdb", "-v", files / "map.mrc", "--resolution", 3, "--json")
    assert 10 < json.loads(result.stdout)["atoms_outside"] < 60


def test_calphas_alone_are_scored(files, invoke):
    lines = (files / "model.pdb").read_text().splitlines()
    (files / "calphas.pdb").write_text("\n".join(line for line in lines if line[12:16] == " CA ") + "\n")
    result = invoke(files / "calphas.pdb", "-v", files / "map.mrc", "--resolution", 3, "--json")
    values = json.loads(result.stdout)
    assert (values["ramachandran_favoured"], values["bond_rms"], values["clashscore"]) == (None, None, 0)
    assert values["cc_mask"] > 0.5


def test_an_empty_last_residue_is_scored(files, invoke):
    lines = (files / "model.pdb").read_text().splitlines()
    emptied = [line[:54] + "  0.00" + line[60:] if line[22:26] == "  12" else line for line in lines]
    (files / "emptied.pdb").write_text("\n".join(emptied) + "\n")
    table = files / "emptied.csv"
    result = invoke(files / "emptied.pdb", "-v", files / "map.mrc", "--resolution", 3, "--table", table)
    assert result.exit_code == 0, result.exception
    assert list(csv.DictReader(table.read_text().splitlines()))[-1]["cc"] == ""


def test_an_input_is_not_overwritten(files, invoke):
    result = invoke(files / "model.pdb", "-v", files / "map.mrc", "--table", files / "model.pdb")
    assert isinstance(result.exception, InputError)
    assert "would overwrite this input" in str(result.exception)


def test_colours_need_a_map(files, invoke):
    result = invoke(files / "model.pdb", "-r", files / "model.pdb", "--coloured", files / "c.cif")
    assert result.exit_code == 2


def test_nothing_to_score_against(files, invoke):
    assert invoke(files / "model.pdb").exit_code == 2
