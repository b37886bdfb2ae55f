"""`emodelx refine`: the file, the table, and one line for what is wrong."""

import stat

import gemmi
import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from emodelx.cli.refine import refine
from emodelx.demo.example import make_example
from emodelx.errors import InputError, ResourceError


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Model and map of the demo, the model shaken."""
    folder = tmp_path_factory.mktemp("refine")
    example = make_example(folder)
    structure = gemmi.read_structure(str(example.truth))
    rng = np.random.default_rng(0)
    for site in structure[0].all():
        site.atom.pos += gemmi.Position(*rng.normal(0, 0.15, 3))
    structure.make_mmcif_document().write_file(str(folder / "shaken.cif"))
    return folder / "shaken.cif", example.map


@pytest.fixture
def invoke():
    app = typer.Typer()
    app.command()(refine)

    def run(*arguments):
        return CliRunner().invoke(app, [str(a) for a in arguments])

    return run


def test_refines(files, invoke, tmp_path):
    model, density = files
    result = invoke(model, "--map", density, "--output", tmp_path / "out.cif", "-j", 1)
    assert result.exit_code == 0, result.output
    assert "Ramachandran favoured" in result.stdout
    assert result.stdout.splitlines()[-1] == str(tmp_path / "out.cif")
    before, after = (gemmi.read_structure(str(path)) for path in (model, tmp_path / "out.cif"))
    assert before[0].count_atom_sites() == after[0].count_atom_sites()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--output", "MODEL"], "is the model itself"),
        (["--resolution", "99"], "--resolution 99: give Angstrom"),
        (["--refine-with", "phenix"], "is not on the PATH"),
    ],
)
def test_what_is_wrong_is_one_line(files, invoke, monkeypatch, arguments, message):
    monkeypatch.setenv("PATH", "")
    model, density = files
    given = [model if a == "MODEL" else a for a in arguments]
    result = invoke(model, "--map", density, *given)
    assert isinstance(result.exception, InputError)
    assert message in str(result.exception)


def phenix(folder, script):
    """A stand-in for the program."""
    program = folder / "phenix.real_space_refine"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return f"{folder}:/usr/bin:/bin"


def test_phenix(files, invoke, monkeypatch, tmp_path):
    model, density = files
    monkeypatch.setenv("PATH", phenix(tmp_path, 'cp "$1" x_real_space_refined_000.cif; echo "$3" >> "$1.seen"'))
    asked = [model, "--map", density, "--refine-with", "phenix", "-o", tmp_path / "out.cif"]
    assert "needs the resolution" in str(invoke(*asked).exception)
    assert invoke(*asked, "--resolution", "3.2").exit_code == 0
    assert (tmp_path / "out.cif").read_text() == model.read_text()
    assert model.with_name("shaken.cif.seen").read_text() == "resolution=3.2\n"


def test_phenix_fails(files, invoke, monkeypatch, tmp_path):
    model, density = files
    monkeypatch.setenv("PATH", phenix(tmp_path, "echo 'Sorry: no licence' >&2; exit 1"))
    asked = [model, "--map", density, "--refine-with", "phenix", "-o", tmp_path / "out.cif", "--resolution", "3"]
    result = invoke(*asked)
    assert isinstance(result.exception, ResourceError)
    assert "Sorry: no licence" in str(result.exception)
    assert not (tmp_path / "out.cif").exists()
