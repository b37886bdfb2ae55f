"""Refinement by programs that the user has installed: phenix.real_space_refine and CCP4's servalcat."""

import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import gemmi

from emodelx.config import Engine
from emodelx.errors import InputError, ResourceError
from emodelx.io.files import replacing


@dataclass(frozen=True)
class Program:
    """A program that refines.

    Attributes
    ----------
    executable : str
        Looked for on the PATH.
    owner : str
        What is to be set up for it.
    words : callable
        Gives its arguments for a model, a map and a resolution in Angstrom.
    results : tuple of str
        Patterns of the names of its refined model, the best form first.
    """

    executable: str
    owner: str
    words: Callable[[Path, Path, float], tuple[str, ...]]
    results: tuple[str, ...]

    def path(self) -> str:
        """Where the program is.

        Raises
        ------
        InputError
            When it is not on the PATH.
        """
        found = shutil.which(self.executable)
        if found is None:
            raise InputError(f"{self.executable} is not on the PATH; set {self.owner} up, or leave --refine-with out")
        return found


PROGRAMS = {
    Engine.PHENIX: Program(
        "phenix.real_space_refine",
        "Phenix",
        lambda model, density, resolution: (str(model), str(density), f"resolution={resolution:g}"),
        ("*real_space_refined*.cif", "*real_space_refined*.pdb"),
    ),
    Engine.SERVALCAT: Program(
        "servalcat",
        "CCP4",
        lambda model, density, resolution: (
            "refine_spa_norefmac", "--model", str(model), "--map", str(density), "--resolution", f"{resolution:g}",
            "--output_prefix", "refined",
        ),
        ("refined.mmcif", "refined.pdb"),
    ),
}  # fmt: skip


def run_program(engine: Engine, model: Path, density: Path, resolution: float | None, output: Path) -> None:
    """Refine a model with a program of the user.

    Parameters
    ----------
    engine : Engine
        One of `PROGRAMS`.
    model, density : Path
        Model and map files.
    resolution : float or None
        In Angstrom; these programs cannot do without.
    output : Path
        Refined model, mmCIF or, if its name ends in .pdb, PDB; appears only when it is complete.

    Raises
    ------
    InputError
        When the program is not on the PATH, or the resolution is missing.
    ResourceError
        When the program fails or leaves no model.
    """
    program = PROGRAMS[engine]
    path = program.path()
    if resolution is None:
        raise InputError(f"{program.executable} needs the resolution; give --resolution")
    with tempfile.TemporaryDirectory() as folder:
        command = [path, *program.words(model.resolve(), density.resolve(), resolution)]
        result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        found = [file for pattern in program.results for file in sorted(Path(folder).glob(pattern))[-1:]]
        if result.returncode != 0 or not found:
            last = (result.stderr or result.stdout).strip().splitlines()[-1:] or ["it left no model"]
            raise ResourceError(f"{program.executable} failed: {last[0]}")
        copy_model(found[0], output)


def copy_model(source: Path, output: Path) -> None:
    """Copy a structure file, into the format that the name of the copy asks for.

    Raises
    ------
    ResourceError
        When the source cannot be read, or the copy not written.
    """
    is_pdb = output.suffix.lower() == ".pdb"
    with replacing(output) as unfinished:
        if is_pdb == (source.suffix.lower() in (".pdb", ".ent")):
            shutil.copyfile(source, unfinished)
            return
        try:
            structure = gemmi.read_structure(str(source), format=gemmi.CoorFormat.Detect)
        except (RuntimeError, ValueError) as error:
            raise ResourceError(f"{source}: cannot be read as a structure") from error
        structure.setup_entities()
        if is_pdb:
            structure.write_pdb(str(unfinished))
        else:
            structure.make_mmcif_document().write_file(str(unfinished))
