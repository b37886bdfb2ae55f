"""`emodelx score`: a table, a line of JSON, and one line for what is wrong."""

import json

import pytest
import typer
from typer.testing import CliRunner

from emodelx.cli.score import score
from emodelx.errors import InputError

ATOM = "ATOM  {0:5d}  CA  {1} A{0:4d}    {2:8.3f}   0.000   0.000  1.00 50.00           C\n"
RESIDUES = ["MET", "LYS", "VAL", "LEU", "ALA", "TRP", "PHE", "ASP"]


@pytest.fixture
def files(tmp_path):
    """A reference of eight residues, and a model that lacks the last two."""
    lines = [ATOM.format(n, residue, 3.8 * n) for n, residue in enumerate(RESIDUES, start=1)]
    (tmp_path / "reference.pdb").write_text("".join(lines))
    (tmp_path / "model.pdb").write_text("".join(lines[:6]))
    return str(tmp_path / "model.pdb"), "--reference", str(tmp_path / "reference.pdb")


@pytest.fixture
def invoke():
    app = typer.Typer()
    app.command()(score)
    return lambda *arguments: CliRunner().invoke(app, arguments)


def test_json_is_one_line(files, invoke):
    result = invoke(*files, "--json")
    assert result.exit_code == 0
    assert result.stdout.count("\n") == 1
    values = json.loads(result.stdout)
    assert values["n_true"] == 8
    assert (values["ca_recall"], values["ca_precision"], values["reg_acc"], values["rmsd"]) == (0.75, 1, 0.75, 0)


def test_table_has_every_score(files, invoke):
    result = invoke(*files)
    assert result.exit_code == 0
    names = [line.split()[0] for line in result.stdout.splitlines() if line[:1].strip()]
    values = json.loads(invoke(*files, "--json").stdout)
    assert names == ["score", *values]
    assert "0.750" in result.stdout


def test_no_rmsd_is_a_dash(files, invoke, tmp_path):
    far = [ATOM.format(n, residue, 1000 + 3.8 * n) for n, residue in enumerate(RESIDUES, start=1)]
    (tmp_path / "far.pdb").write_text("".join(far))
    result = invoke(str(tmp_path / "far.pdb"), *files[1:])
    assert any(line.split()[:2] == ["rmsd", "-"] for line in result.stdout.splitlines())
    assert json.loads(invoke(str(tmp_path / "far.pdb"), *files[1:], "--json").stdout)["rmsd"] is None


def test_missing_model(files, invoke, tmp_path):
    result = invoke(str(tmp_path / "none.cif"), *files[1:])
    assert isinstance(result.exception, InputError)
    assert "none.cif: no such file" in str(result.exception)


def test_something_to_score_against_is_required(files, invoke):
    assert invoke(files[0]).exit_code == 2
