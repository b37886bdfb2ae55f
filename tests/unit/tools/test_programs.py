"""Programs of the user, played by scripts that write down how they were called."""

import stat
from dataclasses import replace
from pathlib import Path

import gemmi
import numpy as np
import pytest

from emodelx.config import Engine, RunConfig
from emodelx.errors import InputError, ResourceError
from emodelx.records import AtomicModel, DensityMap, Sequence
from emodelx.tools.engines import move_atoms, require_engine
from emodelx.tools.programs import PROGRAMS, run_program

NAMES = {Engine.PHENIX: "x_real_space_refined_000.cif", Engine.SERVALCAT: "refined.mmcif"}
DENSITY = DensityMap(np.zeros((2, 2, 2), np.float32), np.zeros(3), np.ones(3))


@pytest.fixture
def play(tmp_path, monkeypatch):
    """Put a script in the place of a program; it runs in the folder of the run."""

    def install(engine, script):
        folder = tmp_path / "bin"
        folder.mkdir(exist_ok=True)
        program = folder / PROGRAMS[engine].executable
        program.write_text(f"#!/bin/sh\nprintf '%s\\n' \"$@\" > {tmp_path}/seen\n{script}\n")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")

    return install


@pytest.fixture
def model(peptide):
    return AtomicModel((Sequence("s", "AGVLSFAKU"),), (peptide("AGVLSFAKC"),))


@pytest.fixture
def given(tmp_path, peptide, peptide_on_disk):
    return peptide_on_disk(tmp_path / "given.cif", peptide("AGVLSFAKA"))


@pytest.mark.parametrize(
    ("engine", "words"),
    [
        (Engine.PHENIX, ["MODEL", "MAP", "resolution=3.25"]),
        (
            Engine.SERVALCAT,
            [
                "refine_spa_norefmac",
                "--model",
                "MODEL",
                "--map",
                "MAP",
                "--resolution",
                "3.25",
                "--output_prefix",
                "refined",
            ],
        ),
    ],
)
def test_programs_are_called_as_they_ask(play, given, tmp_path, engine, words):
    play(engine, f"cp {given} {NAMES[engine]}")
    run_program(engine, given, Path("some.map"), 3.25, tmp_path / "out.cif")
    expected = [{"MODEL": str(given), "MAP": str(Path.cwd() / "some.map")}.get(word, word) for word in words]
    assert (tmp_path / "seen").read_text().splitlines() == expected
    assert (tmp_path / "out.cif").read_bytes() == given.read_bytes()


def test_the_form_is_that_of_the_name(play, given, tmp_path):
    play(Engine.PHENIX, f"cp {given} a_real_space_refined_000.cif")
    run_program(Engine.PHENIX, given, Path("m.mrc"), 3, tmp_path / "out.pdb")
    assert (tmp_path / "out.pdb").read_text().splitlines()[-1].startswith("END")
    assert gemmi.read_structure(str(tmp_path / "out.pdb"))[0].count_atom_sites() > 30


def test_atoms_come_back_into_their_slots(play, model, tmp_path):
    """A program that shifts everything along x, in whatever order it writes the atoms, with hydrogens."""
    play(
        Engine.SERVALCAT,
        'awk \'/^(ATOM|HETATM)/ {$11 = $11 + 1.5} {print}\' "$3" > refined.mmcif; cp "$3" ' + f"{tmp_path}/sent.cif",
    )
    moved = move_atoms(Engine.SERVALCAT, model, DENSITY, Path("m.mrc"), 3.0, RunConfig())
    sent = gemmi.cif.read(str(tmp_path / "sent.cif")).sole_block()
    assert sent.find_loop("_atom_site.id").get_loop().tags[10] == "_atom_site.Cartn_x", "the script moves this column"
    assert set(sent.find_loop("_atom_site.B_iso_or_equiv")) == {"60"}, "no confidence in the place of B factors"
    shift = moved.chains[0].atoms - model.chains[0].atoms
    np.testing.assert_allclose(
        shift[np.isfinite(shift[..., 0])], np.tile([1.5, 0, 0], (model.atom_count(), 1)), atol=2e-3
    )


def test_what_a_program_leaves_out_stays(play, model, given):
    """A file of which only chain B is known to us."""
    play(Engine.PHENIX, f"cp {given} x_real_space_refined_1.cif")
    renamed = replace(model, chains=(replace(model.chains[0], name="B"),))
    moved = move_atoms(Engine.PHENIX, renamed, DENSITY, Path("m.mrc"), 3.0, RunConfig())
    np.testing.assert_array_equal(moved.chains[0].atoms, renamed.chains[0].atoms)


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("echo 'Sorry: no licence' >&2; exit 1", "failed: Sorry: no licence"),
        ("exit 0", "failed: it left no model"),
        ("echo rubbish > x_real_space_refined_0.cif", "cannot be read"),
    ],
)
def test_a_failure_is_one_line_and_leaves_nothing(play, given, tmp_path, script, said):
    play(Engine.PHENIX, script)
    with pytest.raises(ResourceError, match=said):
        run_program(Engine.PHENIX, given, Path("m.mrc"), 3.0, tmp_path / "out.pdb")
    assert not (tmp_path / "out.pdb").exists()


def test_what_is_missing_is_said(play, given, tmp_path, monkeypatch):
    play(Engine.PHENIX, "exit 0")
    with pytest.raises(InputError, match="needs the resolution"):
        run_program(Engine.PHENIX, given, Path("m.mrc"), None, tmp_path / "out.cif")
    monkeypatch.setenv("PATH", "")
    for engine, owner in ((Engine.PHENIX, "Phenix"), (Engine.SERVALCAT, "CCP4")):
        with pytest.raises(InputError, match=f"is not on the PATH; set {owner} up"):
            require_engine(engine)
    monkeypatch.setattr("emodelx.tools.engines.find_spec", lambda _: None)
    with pytest.raises(InputError, match=r"pip install 'emodelx\[refine\]'"):
        require_engine(Engine.OPENMM)
    require_engine(Engine.BUILTIN)
    require_engine(Engine.NONE)
