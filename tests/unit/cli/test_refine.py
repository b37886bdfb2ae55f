"""`emodelx refine`: the file, the table, and one line for what is wrong."""

import stat
from textwrap import wrap

import gemmi
import numpy as np
import pytest
import typer
from scipy.ndimage import gaussian_filter
from typer.testing import CliRunner

from emodelx.cli.refine import refine
from emodelx.constants import THREE_LETTER
from emodelx.demo.assembly import build_complex
from emodelx.errors import InputError
from emodelx.io.atoms import read_model
from emodelx.io.maps import write_map
from emodelx.io.structures import CONFIDENCE_NOTE
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
        (["--refine-with", "servalcat"], "is not on the PATH"),
        (["--refine-with", "none"], "leaves the model as it is"),
        (["--bfactor", "adp"], "--bfactor adp needs the resolution"),
    ],
)
def test_what_is_wrong_is_one_line(files, invoke, monkeypatch, arguments, message):
    monkeypatch.setenv("PATH", "")
    model, density = files
    given = [model if a == "MODEL" else a for a in arguments]
    result = invoke(model, "--map", density, *given)
    assert isinstance(result.exception, InputError)
    assert message in str(result.exception)


def program(folder, name, script):
    """A stand-in for a program of the user."""
    made = folder / name
    made.write_text(f"#!/bin/sh\n{script}\n")
    made.chmod(made.stat().st_mode | stat.S_IXUSR)
    return f"{folder}:/usr/bin:/bin"


@pytest.mark.parametrize(
    ("engine", "name", "result"),
    [
        ("phenix", "phenix.real_space_refine", "x_real_space_refined_000.cif"),
        ("servalcat", "servalcat", "refined.mmcif"),
    ],
)
def test_a_program_wins_or_is_undone(files, invoke, monkeypatch, tmp_path, engine, name, result):
    """A good model, made by the built-in engine, is taken; one that is shaken once more is not."""
    model, density = files
    assert invoke(model, "--map", density, "-o", tmp_path / "good.cif", "-j", 1, "-q").exit_code == 0
    shake(tmp_path / "good.cif", tmp_path / "bad.cif")
    for offered, kept in (("good", True), ("bad", False)):
        monkeypatch.setenv("PATH", program(tmp_path, name, f"cp {tmp_path}/{offered}.cif {result}"))
        asked = [model, "--map", density, "--refine-with", engine, "-o", tmp_path / "out.cif", "--resolution", "3"]
        done = invoke(*asked)
        assert done.exit_code == 0, done.output
        assert ("nothing was better" in done.stdout) is not kept
        found = places(tmp_path / "out.cif")
        np.testing.assert_allclose(found, places(tmp_path / "good.cif" if kept else model), atol=2e-3)


def places(path):
    structure = gemmi.read_structure(str(path))
    return np.array([site.atom.pos.tolist() for site in structure[0].all()])


def shake(source, target):
    structure, rng = gemmi.read_structure(str(source)), np.random.default_rng(1)
    for site in structure[0].all():
        site.atom.pos += gemmi.Position(*rng.normal(0, 0.4, 3))
    structure.make_mmcif_document().write_file(str(target))


@pytest.mark.parametrize("name", ["out.cif", "out.pdb"])
def test_b_factors_on_request(files, invoke, tmp_path, name):
    model, density = files
    asked = [model, "--map", density, "--refine-with", "none", "--bfactor", "adp", "--resolution", "2.5", "-j", 1]
    assert invoke(*asked, "-o", tmp_path / name).exit_code == 0
    np.testing.assert_allclose(places(tmp_path / name), places(model), atol=2e-3)
    structure = gemmi.read_structure(str(tmp_path / name))
    columns = [{atom.b_iso for atom in residue} for residue in structure[0][0]]
    assert all(len(values) == 1 for values in columns), "one per residue"
    assert len(set.union(*columns)) > 10
    assert read_model(tmp_path / name).has_b_factors


def test_our_note_goes_when_it_is_no_longer_true(files, invoke, tmp_path):
    """A confidence in the column is said in the file; B factors take its place, and the note goes."""
    model, density = files
    noted = tmp_path / "noted.pdb"
    remarks = [f"REMARK 999 {line}" for line in wrap(CONFIDENCE_NOTE, 69)]
    noted.write_text("\n".join(["REMARK 999 MINE", *remarks]) + "\n" + model.read_text())
    given = invoke(noted, "--map", density, "-j", 1, "-o", tmp_path / "given.pdb")
    assert given.exit_code == 0
    assert "It is not a B factor" in " ".join((tmp_path / "given.pdb").read_text().split()), "still true"
    asked = [noted, "--map", density, "--refine-with", "none", "--bfactor", "adp", "--resolution", "2.5"]
    assert invoke(*asked, "-j", 1, "-o", tmp_path / "adp.pdb").exit_code == 0
    assert "REMARK 999" not in (tmp_path / "adp.pdb").read_text()
