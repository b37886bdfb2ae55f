"""phenix.real_space_refine, where the user has it."""

import shutil
import subprocess
import tempfile
from pathlib import Path

from emodelx.errors import InputError, ResourceError
from emodelx.io.files import replacing

PROGRAM = "phenix.real_space_refine"


def run_phenix(model: Path, density: Path, resolution: float | None, output: Path) -> None:
    """Refine a model with the program of Phenix.

    Parameters
    ----------
    model, density : Path
        Model and map files.
    resolution : float or None
        In Angstrom; Phenix cannot do without.
    output : Path
        Refined model; appears only when it is complete.

    Raises
    ------
    InputError
        When the program is not on the PATH, or the resolution is missing.
    ResourceError
        When the program fails or leaves no model.
    """
    program = shutil.which(PROGRAM)
    if program is None:
        raise InputError(f"{PROGRAM} is not on the PATH; set Phenix up, or leave --refine-with out")
    if resolution is None:
        raise InputError(f"{PROGRAM} needs the resolution; give --resolution")
    with tempfile.TemporaryDirectory() as folder:
        command = [program, str(model.resolve()), str(density.resolve()), f"resolution={resolution:g}"]
        result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        found = sorted(Path(folder).glob(f"*real_space_refined*{output.suffix or '.cif'}"))
        if result.returncode != 0 or not found:
            last = (result.stderr or result.stdout).strip().splitlines()[-1:] or ["it left no model"]
            raise ResourceError(f"{PROGRAM} failed: {last[0]}")
        with replacing(output) as unfinished:
            shutil.copyfile(found[-1], unfinished)
