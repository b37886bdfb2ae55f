"""`emodelx score`: a model of any program against a reference, against its map, and by its geometry."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from emodelx.cli import options
from emodelx.config import RunConfig
from emodelx.errors import InputError

if TYPE_CHECKING:
    from emodelx.records import Prediction
    from emodelx.scoring.agreement import Evidence
    from emodelx.scoring.compare import Comparison

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
    "forward_rate": "model residues that run along the reference in its direction",
    "mean_length": "residues, mean length of the segments that do",
    "resolution": "A, at which the map is read and the model's density is made",
    "cc_mask": "correlation with the map inside the model's mask",
    "cc_box": "correlation with the whole map",
    "cc_volume": "correlation over the highest voxels of the model's density",
    "cc_peaks": "correlation over the highest voxels of either",
    "b_factor": "A^2, fitted where the file has no B factors",
    "q_score": "mean Q-score of the protein's atoms",
    "type_score": "log-odds of the residue types as the network reads them; negative is wrong",
    "mistyped_residues": "residues in stretches whose types the network does not see",
    "shifted_residues": "residues in stretches that are out of register, as the network reads their types",
    "misplaced_residues": "residues in stretches where the network sees no Calphas",
    "atoms_outside": "atoms outside the map",
    "ramachandran_favoured": "residues with common phi and psi",
    "ramachandran_outliers": "residues with phi and psi that good structures hardly have",
    "rotamer_favoured": "side chains with common chi angles",
    "rotamer_outliers": "side chains with chi angles that good structures hardly have",
    "clashscore": "clashes per 1,000 atoms, with placed hydrogens",
    "cbeta_outliers": "Cbetas more than 0.25 A from their place",
    "cis_peptides": "cis peptides not before proline",
    "cis_prolines": "cis peptides before proline",
    "twisted_peptides": "peptides neither cis nor trans",
    "bond_rms": "A, deviation of bond lengths",
    "angle_rms": "degrees, deviation of bond angles",
    "bond_rms_z": "the same in standard deviations",
    "angle_rms_z": "the same in standard deviations",
    "nucleotides": "not scored, their density counts",
    "ligands": "not scored, their density counts",
    "waters": "left out",
    "hydrogens": "left out",
}


def score(
    model: Path = typer.Argument(..., metavar="MODEL", help="Model to score, mmCIF or PDB, of any program."),
    reference: Path | None = typer.Option(
        None, "--reference", "-r", metavar="FILE", help="Model that is right, mmCIF or PDB, same frame."
    ),
    map: options.Map = None,
    resolution: options.Resolution = None,
    json: bool = typer.Option(False, "--json", help="Print one line of JSON instead of a table."),
    table: Path | None = typer.Option(None, "--table", metavar="CSV", help="Write the scores of every residue."),
    coloured: Path | None = typer.Option(
        None, "--coloured", metavar="CIF", help="Write the model with its fit in the B-factor column; needs --map."
    ),
    device: options.Device = "auto",
    weights: options.Weights = None,
    threads: options.Threads = 0,
    verbose: options.Verbose = False,  # noqa: ARG001 - read by main, which prints the traceback
) -> None:
    """Score a model: its geometry, and how it agrees with a reference or a map, in place."""
    options.require_resolution(resolution)
    _check(reference, map, coloured, {table, coloured} & {model, reference, map})
    run = RunConfig(threads=threads)
    from emodelx.io.atoms import read_model
    from emodelx.report.scores import register_errors, write_colours, write_scores
    from emodelx.scoring.card import score_model, summary

    file = read_model(model)
    comparison = _compare(model, reference)
    evidence, prediction = (None, None) if map is None else _evidence(map, resolution, (device, weights), run)
    card = score_model(file, comparison, evidence, prediction, run.threads)
    if table is not None:
        write_scores(table, card)
    if coloured is not None:
        write_colours(coloured, model, card)
    _print(summary(card), list(register_errors(card)), json=json)


def _check(reference: Path | None, map: Path | None, coloured: Path | None, overwritten: set[Path | None]) -> None:
    if reference is None and map is None:
        raise typer.BadParameter("give --reference, --map or both")
    if coloured is not None and map is None:
        raise typer.BadParameter("--coloured needs --map")
    for path in overwritten - {None}:
        raise InputError(f"{path}: the scores would overwrite this input; give another name")


def _compare(model: Path, reference: Path | None) -> Comparison | None:
    from emodelx.io.structures import read_calphas
    from emodelx.scoring.compare import compare

    return None if reference is None else compare(read_calphas(model), read_calphas(reference))


def _evidence(
    map: Path, resolution: float | None, reader: tuple[str, str | None], run: RunConfig
) -> tuple[Evidence, Prediction]:
    from emodelx.io.maps import read_map
    from emodelx.network.device import choose_device
    from emodelx.network.predict import read_density
    from emodelx.network.weights import find_weights, verify_weights
    from emodelx.scoring.agreement import Evidence

    density = read_map(map).density
    device, weights = reader
    file = find_weights(weights)
    verify_weights(file)
    prediction = read_density(density, file, choose_device(device), resolution, run=run)
    return Evidence(density, _used(resolution, prediction)), prediction


def _used(resolution: float | None, prediction: Prediction) -> float:
    used = prediction.resolution if resolution is None else resolution
    if used is None:
        raise InputError("these weights do not estimate the resolution; give --resolution")
    return used


def _print(scores: dict[str, float | int | None], errors: list[str], *, json: bool) -> None:
    if json:
        from json import dumps

        print(dumps({key: round(value, 6) if isinstance(value, float) else value for key, value in scores.items()}))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    table.add_column("score")
    table.add_column("value", justify="right")
    table.add_column("meaning", overflow="fold")
    for key, value in scores.items():
        text = "-" if value is None else f"{value:.3f}" if isinstance(value, float) else str(value)
        table.add_row(key, text, _MEANINGS[key])
    Console().print(table)
    if errors:
        print("\nprobably out of register:", *errors, sep="\n  ")
