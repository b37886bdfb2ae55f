"""The scores of a model, residue by residue: a table, and colours."""

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from emodelx.io.coloured import Place, write_coloured
from emodelx.io.files import replacing
from emodelx.scoring.card import ScoreCard
from emodelx.scoring.covalent import CBETA_LIMIT

COLUMNS = (
    "chain", "number", "name", "phi", "psi", "omega", "ramachandran", "rotamer", "cbeta", "clash",
    "cc", "q_score", "calpha_probability", "calpha_score", "type_score_own", "type_score", "type_surprise",
    "flags",
)  # fmt: skip
COLOUR = "correlation of the residue with the map in percent, 0 where chain or sequence are probably wrong"


def write_scores(path: Path, card: ScoreCard) -> None:
    """Write one row per residue; what cannot be measured is left empty.

    Raises
    ------
    ResourceError
        When the file cannot be written.
    """
    with replacing(path) as part, part.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(_rows(card))


def write_colours(path: Path, source: Path, card: ScoreCard) -> None:
    """Copy the model with the scores of its residues in the B-factor column; needs the scores of a map.

    Raises
    ------
    ResourceError
        When the file cannot be written.
    """
    if card.map is None:
        raise ValueError("colours need the scores of a map")
    wrong = card.map.reading.misplaced() | card.map.reading.mistyped()
    values = np.where(wrong, 0, 100 * np.clip(np.nan_to_num(card.map.correlations), 0, 1))
    write_coloured(path, source, dict(zip(_places(card), map(float, values), strict=True)), COLOUR)


def _places(card: ScoreCard) -> list[Place]:
    return [
        (chain.name, number, name)
        for chain, labels in zip(card.file.model.chains, card.file.labels, strict=True)
        for number, name in zip(labels.numbers, labels.names, strict=True)
    ]


def _rows(card: ScoreCard) -> Iterator[list[str]]:
    of = card.geometry.residues
    columns = [of.phi, of.psi, of.omega, of.ramachandran, of.rotamer, of.cbeta, of.clash]
    if card.map is not None:
        read = card.map.reading
        columns += [card.map.correlations, card.map.q_scores, read.calpha, read.calpha_score, read.type]
        columns += [read.type_score, read.type_surprise]
    empty = [""] * (len(COLUMNS) - 4 - len(columns))
    for index, place in enumerate(_places(card)):
        yield [*place, *(_text(column[index]) for column in columns), *empty, " ".join(_flags(card, index))]


def _text(value: float) -> str:
    return f"{value:.4g}" if np.isfinite(value) else ""


def _flags(card: ScoreCard, index: int) -> Iterator[str]:
    """What is wrong with a residue, by one word each."""
    of = card.geometry.residues
    wrong = {
        "ramachandran": of.ramachandran_outlier[index],
        "rotamer": of.rotamer_outlier[index],
        "cbeta": of.cbeta[index] > CBETA_LIMIT,
        "clash": of.clash[index] > 0,
    }
    if card.map is not None:
        wrong |= {"place": card.map.reading.misplaced()[index], "type": card.map.reading.mistyped()[index]}
    return (word for word, present in wrong.items() if present)
