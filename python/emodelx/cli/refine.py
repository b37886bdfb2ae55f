"""`emodelx refine`: a model against its map."""

from __future__ import annotations

import time
from enum import Enum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import typer

from emodelx.cli import options
from emodelx.config import BFactorConfig, Engine, RefinementConfig, RunConfig

if TYPE_CHECKING:
    from emodelx.io.maps import MapFile
    from emodelx.io.refinement import RefinableFile
    from emodelx.records import RefinedModel, RefinementReport


class Column(str, Enum):
    """What the B-factor column of a refined model holds."""

    GIVEN = "given"
    ADP = "adp"


def refine(
    model: Path = typer.Argument(..., metavar="MODEL", help="Model to refine, mmCIF or PDB."),
    map: Path = typer.Option(..., "--map", "-v", metavar="MAP", help="Density map, .mrc/.map/.ccp4, plain or .gz."),
    output: Path | None = typer.Option(
        None, "--output", "-o", metavar="FILE", help="Refined model, .cif or .pdb. [default: MODEL_refined.cif]"
    ),
    resolution: options.Resolution = None,
    refine_with: options.RefineWith = Engine.BUILTIN,
    bfactor: Column = typer.Option(
        Column.GIVEN, "--bfactor", help="adp fits a B factor per residue to the map; needs --resolution."
    ),
    threads: options.Threads = 0,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,  # noqa: ARG001 - read by main, which prints the traceback
) -> None:
    """Refine all atoms of a model against its map; the model never comes out worse than it went in."""
    from emodelx.cli.console import show_progress
    from emodelx.io.maps import read_map
    from emodelx.io.refinement import read_refinable

    output = output or model.with_name(f"{model.name.split('.')[0]}_refined.cif")
    _check(model, output, resolution, refine_with, bfactor)
    started = time.perf_counter()
    given, density = read_refinable(model), read_map(map)
    with show_progress(quiet) as progress, TemporaryDirectory() as folder:
        for line in (*density.warnings, *_left_out(given.hydrogens, given.alternatives)):
            progress.warn(line)
        progress.start("refine")
        run = RunConfig(threads=threads, progress=progress.advance)
        draft = Path(folder) / f"moved{output.suffix or '.cif'}"
        refined = _refined(refine_with, given, (model, map, draft), density, resolution, run)
        source = draft if draft.exists() and refined.report is not None and refined.report.kept else model
        _write(output, source, refined, density, resolution, bfactor, run)
        progress.finish(round(time.perf_counter() - started, 3), reused=False)
    if refined.report is not None and not quiet:
        _print_table(refined.report)
    print(output)


def _check(model: Path, output: Path, resolution: float | None, refine_with: Engine, bfactor: Column) -> None:
    from emodelx.errors import InputError
    from emodelx.tools.engines import require_engine

    if output.exists() and output.samefile(model):
        raise InputError(f"{output}: is the model itself; give another --output")
    options.require_resolution(resolution)
    require_engine(refine_with)
    if refine_with is Engine.NONE and bfactor is Column.GIVEN:
        raise InputError("--refine-with none leaves the model as it is; give --bfactor adp with it")
    if bfactor is Column.ADP and resolution is None:
        raise InputError("--bfactor adp needs the resolution; give --resolution")


def _refined(
    engine: Engine,
    given: RefinableFile,
    files: tuple[Path, Path, Path],
    density: MapFile,
    resolution: float | None,
    run: RunConfig,
) -> RefinedModel:
    """Refine with the engine that was asked for; `files` are the model, the map, and what a program writes."""
    from emodelx.io.refinement import read_refinable
    from emodelx.records import RefinedModel
    from emodelx.stages.refine import judge_refinement, refine_model
    from emodelx.tools.engines import move_atoms
    from emodelx.tools.programs import PROGRAMS, run_program

    if engine is Engine.NONE:
        return RefinedModel(given.model)
    if engine is Engine.BUILTIN:
        return refine_model(given.model, density.density, resolution, RefinementConfig(), run, given.others)
    if engine in PROGRAMS:  # the whole file, with ligands and nucleic acids
        run_program(engine, files[0], files[1], resolution, files[2])
        moved = read_refinable(files[2]).model
    else:
        moved = move_atoms(engine, given.model, density.density, files[1], resolution, run)
    return judge_refinement(given.model, moved, density.density, resolution, run)


def _write(
    output: Path,
    source: Path,
    refined: RefinedModel,
    density: MapFile,
    resolution: float | None,
    bfactor: Column,
    run: RunConfig,
) -> None:
    """Write the refined model, with B factors where asked for, in the file that it was read from."""
    from emodelx.io.refinement import write_refined
    from emodelx.stages.bfactors import fit_b_factors

    model = refined.model
    if bfactor is Column.ADP and resolution is not None:
        model = fit_b_factors(model, density.density, resolution, BFactorConfig(), run)
    write_refined(output, source, model)


def _left_out(hydrogens: int, alternatives: int) -> list[str]:
    counts = {f"{hydrogens} hydrogens of the protein": hydrogens, f"{alternatives} alternative atoms": alternatives}
    return [f"{what} are left out" for what, count in counts.items() if count > 0]


def _print_table(report: RefinementReport) -> None:
    from rich.console import Console
    from rich.table import Table

    from emodelx.report.refinement import refinement_rows

    table = Table(box=None, pad_edge=False)
    for column in ("", "before", "after"):
        table.add_column(column, justify="left" if not column else "right")
    for row in refinement_rows(report):
        table.add_row(*row)
    Console().print(table)
    if not report.kept:
        print("nothing was better than the model given: it is kept as it is")
