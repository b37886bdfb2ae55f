"""`emodelx templates`: predicted structures that help to read a map."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from emodelx.cli import options
from emodelx.errors import InputError

if TYPE_CHECKING:
    from emodelx.records import Sequence

app = typer.Typer(help="Get predicted structures for 'emodelx build --template'.", rich_markup_mode=None)

Accessions = Annotated[
    list[str] | None, typer.Argument(metavar="ACCESSION", help="UniProt accessions, such as P69905.")
]
Fasta = Annotated[
    Path | None,
    typer.Option(
        "--fasta",
        "-f",
        metavar="FASTA",
        help="Instead: the sequences of the complex. Their accessions are read from headers like "
        "'>sp|P69905|HBA_HUMAN'; without one, AlphaFold DB is asked for exactly the same sequence.",
    ),
]
Output = Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Folder of the predictions.")]


@app.callback()
def group() -> None:
    """Get predicted structures for 'emodelx build --template'."""


@app.command()
def fetch(
    accessions: Accessions = None,
    fasta: Fasta = None,
    output: Output = Path("templates"),
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,  # noqa: ARG001 - read by main, which prints the traceback
) -> None:
    """Get predictions from AlphaFold DB: structures, and aligned errors beside them.

    What is in the folder and whole is not fetched again. Nothing else in emodelx goes online.
    """
    if bool(accessions) == (fasta is not None):
        raise InputError("give either UniProt accessions or --fasta")
    refused = [_fetch(name, sequence, output, quiet) for name, sequence in _wanted(accessions, fasta)]
    if any(refused):
        raise InputError("; ".join(filter(None, refused)))
    _say(f"to use them: emodelx build --template {output}", quiet)


def _wanted(accessions: list[str] | None, fasta: Path | None) -> Iterator[tuple[str, "Sequence | None"]]:
    """Accessions, or sequences by their names."""
    from emodelx.io.sequences import read_sequences

    if fasta is None:
        yield from ((name, None) for name in dict.fromkeys(name.upper() for name in accessions or ()))
    else:
        yield from ((sequence.name, sequence) for sequence in read_sequences(fasta).sequences)


def _fetch(name: str, sequence: "Sequence | None", folder: Path, quiet: bool) -> str:
    """Fetch a prediction; return why there is none, for the others may be there."""
    from emodelx.io.template_fetching import accession_of, fetch_template

    try:
        _say(fetch_template(name if sequence is None else accession_of(sequence), folder, sequence), quiet)
    except InputError as error:
        return str(error)
    return ""


def _say(line: str, quiet: bool) -> None:
    if not quiet:
        print(line, flush=True)
