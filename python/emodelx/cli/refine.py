"""`emodelx refine`: a model against its map."""

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from emodelx.cli import options

if TYPE_CHECKING:
    from emodelx.records import RefinementReport


class Engine(str, Enum):
    """What refines."""

    BUILTIN = "builtin"
    PHENIX = "phenix"


def refine(
    model: Path = typer.Argument(..., metavar="MODEL", help="Model to refine, mmCIF or PDB."),
    map: Path = typer.Option(..., "--map", "-v", metavar="MAP", help="Density map, .mrc/.map/.ccp4, plain or .gz."),
    output: Path | None = typer.Option(
        None, "--output", "-o", metavar="FILE", help="Refined model, .cif or .pdb. [default: MODEL_refined.cif]"
    ),
    resolution: options.Resolution = None,
    refine_with: Engine = typer.Option(Engine.BUILTIN, "--refine-with", help="phenix needs an installation of yours."),
    threads: options.Threads = 0,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,  # noqa: ARG001 - read by main, which prints the traceback
) -> None:
    """Refine all atoms of a model against its map; the model never comes out worse than it went in."""
    from emodelx.errors import InputError

    output = output or model.with_name(f"{model.name.split('.')[0]}_refined.cif")
    if output.exists() and output.samefile(model):
        raise InputError(f"{output}: is the model itself; give another --output")
    options.require_resolution(resolution)
    if refine_with is Engine.PHENIX:
        from emodelx.io.phenix import run_phenix

        run_phenix(model, map, resolution, output)
        print(output)
    else:
        _refine_here(model, map, output, resolution, threads, quiet)


def _refine_here(model: Path, map: Path, output: Path, resolution: float | None, threads: int, quiet: bool) -> None:
    import time

    from emodelx.cli.console import show_progress
    from emodelx.config import RefinementConfig, RunConfig
    from emodelx.io.maps import read_map
    from emodelx.io.refinement import read_refinable, write_refined
    from emodelx.stages.refine import refine_model

    started = time.perf_counter()
    given, density = read_refinable(model), read_map(map)
    with show_progress(quiet) as progress:
        for line in (*density.warnings, *_left_out(given.hydrogens, given.alternatives)):
            progress.warn(line)
        progress.start("refine")
        run = RunConfig(threads=threads, progress=progress.advance)
        refined = refine_model(given.model, density.density, resolution, RefinementConfig(), run, given.others)
        write_refined(output, model, refined.model)
        progress.finish(round(time.perf_counter() - started, 3), reused=False)
    if refined.report is not None and not quiet:
        _print_table(refined.report)
    print(output)


def _left_out(hydrogens: int, alternatives: int) -> list[str]:
    counts = {f"{hydrogens} hydrogens of the protein": hydrogens, f"{alternatives} alternative atoms": alternatives}
    return [f"{what} are left out" for what, count in counts.items() if count > 0]


def _print_table(report: "RefinementReport") -> None:
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
        print("no round was better than the model given: it is kept as it is")
