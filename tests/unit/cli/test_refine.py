"""`emodelx refine`: the file, the table, and one line for what is wrong."""

import stat

import gemmi
import numpy as np
import pytest
import typer
from scipy.ndimage import gaussian_filter
from typer.testing import CliRunner

from emodelx.cli.refine import refine
from emodelx.constants import THREE_LETTER
from emodelx.demo.assembly import build_complex
from emodelx.errors import InputError, ResourceError
from emodelx.io.maps import write_map
from emodelx.records import DensityMap


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A shaken chain, and a blurred map of it."""
    folder = tmp_path_factory.mktemp("refine")
    chain = next(iter(build_complex(7).values()))
    low = chain.xyz.min(axis=0) - 8
    values = np.zeros(np.ceil(chain.xyz.max(axis=0) + 8 - low).astype(int))
    np.add.at(values, tuple(np.rint(chain.xyz - low).astype(int).T), 1)
    write_map(folder / "map.mrc", DensityMap(gaussian_filter(values, 1.0).astype(np.float32), low, np.ones(3)))
    shaken = chain.xyz + np.random.default_rng(0).normal(0, 0.15, chain.xyz.shape)
    lines = [
        f"ATOM  {i + 1:5d} {' ' + name:<4s} {THREE_LETTER[chain.sequence[residue]]} A{residue + 1:4d}    "
        f"{x:8.3f}{y:8.3f}{z:8.3f}  1.00 20.00          {name[0]:>2s}\n"
        for i, (name, residue, (x, y, z)) in enumerate(zip(chain.names, chain.residues, shaken, strict=True))
    ]
    (folder / "shaken.pdb").write_text("".join(lines) + "END\n")
    return folder / "shaken.pdb", folder / "map.mrc"


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
    assert model.with_name("shaken.pdb.seen").read_text() == "resolution=3.2\n"


def test_phenix_fails(files, invoke, monkeypatch, tmp_path):
    model, density = files
    monkeypatch.setenv("PATH", phenix(tmp_path, "echo 'Sorry: no licence' >&2; exit 1"))
    asked = [model, "--map", density, "--refine-with", "phenix", "-o", tmp_path / "out.cif", "--resolution", "3"]
    result = invoke(*asked)
    assert isinstance(result.exception, ResourceError)
    assert "Sorry: no licence" in str(result.exception)
    assert not (tmp_path / "out.cif").exists()
