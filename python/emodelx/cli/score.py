"""`emodelx score`: a model against a reference."""

from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from emodelx.scoring import Comparison

_MEANINGS = {
    "n_true": "residues of the reference",
    "n_model": "residues of the model",
    "ca_recall": "reference residues with a model Calpha within 3 A",
    "ca_precision": "model Calphas within 3 A of the reference",
    "seq_recall": "reference residues with a model Calpha of the same type within 3 A",
    "reg_acc": "register accuracy: reference residues with their own residue within 3 A, chains matched one to one",
    "reg_precision": "the same residues as a part of the model",
    "reg_any": "register accuracy when any copy of the chain counts",
    "tm": "TM-score of the complex in place",
    "coverage": "reference residues that the matched chains hold",
    "rmsd": "A, of the reference residues with a model Calpha within 3 A",
}


def score(
    model: Path = typer.Argument(..., metavar="MODEL", help="Model to score, mmCIF or PDB."),
    reference: Path = typer.Option(..., "--reference", "-r", help="Model that is right, mmCIF or PDB, same frame."),
    json: bool = typer.Option(False, "--json", help="Print one line of JSON instead of a table."),
) -> None:
    """Score a model against a reference, both in place."""
    from dataclasses import asdict
    from json import dumps

    from emodelx.io.structures import read_calphas
    from emodelx.scoring import compare

    comparison = compare(read_calphas(model), read_calphas(reference))
    if json:
        rounded = {
            key: round(value, 6) if isinstance(value, float) else value for key, value in asdict(comparison).items()
        }
        print(dumps(rounded))
    else:
        _print_table(comparison)


def _print_table(comparison: "Comparison") -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    table.add_column("score")
    table.add_column("value", justify="right")
    table.add_column("meaning", overflow="fold")
    for key, meaning in _MEANINGS.items():
        value = getattr(comparison, key)
        table.add_row(
            key, "-" if value is None else f"{value:.3f}" if isinstance(value, float) else str(value), meaning
        )
    Console().print(table)
