"""Refinement engines beside the built-in one, by one name each."""

import tempfile
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from emodelx.config import Engine, RunConfig
from emodelx.errors import InputError
from emodelx.io.refinement import read_moved
from emodelx.io.structures import write_mmcif
from emodelx.records import AtomicModel, DensityMap
from emodelx.tools.programs import PROGRAMS, run_program

FIRST_B_FACTOR = 60.0
"""B factor in square Angstrom that programs are given to start from."""


def require_engine(engine: Engine) -> None:
    """Refuse an engine that is not installed.

    Raises
    ------
    InputError
        When it is missing; says how to get it.
    """
    if engine in PROGRAMS:
        PROGRAMS[engine].path()
    if engine is Engine.OPENMM and find_spec("openmm") is None:
        raise InputError("--refine-with openmm needs OpenMM; install it with: pip install 'emodelx[refine]'")


def move_atoms(
    engine: Engine,
    model: AtomicModel,
    density: DensityMap,
    density_file: Path,
    resolution: float | None,
    run: RunConfig,
) -> AtomicModel:
    """Let an engine other than the built-in one move the atoms of a model; whether that is better is not asked here.

    Parameters
    ----------
    engine : Engine
    model : AtomicModel
    density : DensityMap
    density_file : Path
        The file that the map was read from.
    resolution : float or None
        In Angstrom; programs cannot do without.
    run : RunConfig

    Raises
    ------
    InputError
        When the engine is not installed, or lacks the resolution.
    ResourceError
        When it fails.
    """
    require_engine(engine)
    if engine is Engine.OPENMM:
        from emodelx.tools.dynamics import relax

        return relax(model, density, run)
    with tempfile.TemporaryDirectory() as folder:
        given, moved = Path(folder) / "model.cif", Path(folder) / "moved.cif"
        write_mmcif(given, _with_b_factors(model))
        run_program(engine, given, density_file, resolution, moved)
        return read_moved(moved, model)


def _with_b_factors(model: AtomicModel) -> AtomicModel:
    """The model with a B factor where its confidence would stand."""
    chains = (replace(chain, b_factors=np.full(len(chain), FIRST_B_FACTOR, np.float32)) for chain in model.chains)
    return replace(model, chains=tuple(chains))
