"""`emodelx search`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from emodelx.cli import options
from emodelx.errors import InputError, NothingBuildableError

if TYPE_CHECKING:
    from emodelx.search import Found

Database = Annotated[Path, typer.Argument(metavar="FASTA", help="Protein sequences to search, plain or .gz.")]
Profiles = Annotated[
    Path,
    typer.Option(
        "--profiles", "-p", metavar="DIR|FILE", help="hmm_profiles of 'emodelx build --no-sequence', or one .hmm file."
    ),
]
Output = Annotated[Path | None, typer.Option("--output", "-o", metavar="CSV", help="Table of all hits.")]
Best = Annotated[
    Path | None, typer.Option("--write-fasta", metavar="FASTA", help="Sequences that explain the chains, for 'build'.")
]
EValue = Annotated[float, typer.Option("--e-value", "-E", metavar="E", min=0.0, help="Largest E-value of a hit.")]


def search(
    database: Database,
    profiles: Profiles,
    output: Output = None,
    write_fasta: Best = None,
    e_value: EValue = 1e-3,
    threads: options.Threads = 0,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,  # noqa: ARG001 - read by main, which prints the traceback
) -> None:
    """Find the sequences of chains that were traced without, in a database.

    Needs pyhmmer (pip install 'emodelx[search]'). The model is then built by: emodelx build --fasta FASTA.
    """
    from emodelx import search as searching

    for path in (output, write_fasta):
        _check_output(path, (database, profiles))
    found = searching.search_profiles(database, profiles, e_value, threads)
    if output is not None:
        searching.write_hits(output, found)
    if not found.hits:
        raise NothingBuildableError(
            f"{database}: no sequence matches any of {len(found.chains)} profiles with an E-value of {e_value:g} or "
            "less; is the protein in the database?"
        )
    if write_fasta is not None:
        searching.write_fasta(write_fasta, found.sequences())
    if not quiet:
        _print_hits(found, write_fasta)


def _check_output(path: Path | None, inputs: tuple[Path, ...]) -> None:
    """Refuse a file that cannot be written before the search."""
    if path is None:
        return
    if path.resolve() in {p.resolve() for p in inputs}:
        raise InputError(f"{path}: the search would overwrite this input; give another name")
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise InputError(f"{path}: cannot be written there; give a file in a folder that exists")


def _print_hits(found: Found, fasta: Path | None) -> None:
    """Print the best hit of every chain, and what they come to."""
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for name in ("chain", "direction", "sequence", "E-value", "score", "chain residues", "sequence residues"):
        table.add_column(name, justify="left" if name in ("chain", "direction", "sequence") else "right")
    for hit in found.best():
        ranges = (f"{first}-{last}" for first, last in (hit.chain_range, hit.sequence_range))
        table.add_row(hit.chain, hit.direction, hit.sequence, f"{hit.e_value:.2g}", f"{hit.score:.1f}", *ranges)
    Console().print(table)
    names = ", ".join(record.header.name for record in found.sequences())
    print(f"{len(found.best())} of {len(found.chains)} chains have a hit; they are explained by: {names}")
    if fasta is not None:
        print(f"to build the model: emodelx build --fasta {fasta}")
