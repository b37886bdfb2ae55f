"""The scores of a model, residue by residue: a table, and colours."""

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emodelx.io.coloured import Place, write_coloured
from emodelx.io.files import replacing
from emodelx.report.measures import MEASURES, cells, flags, measures, words
from emodelx.scoring.card import ScoreCard

READING = ("calpha_probability", "calpha_score", "type_score_own", "type_score", "type_surprise")
COLUMNS = ("chain", "number", "name", *MEASURES, *READING, "flags")
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
    values = np.where(wrong, 0, 100 * np.clip(np.nan_to_num(card.map.agreement.correlations), 0, 1))
    write_coloured(path, source, dict(zip(_places(card), map(float, values), strict=True)), COLOUR)


def _places(card: ScoreCard) -> list[Place]:
    return [
        (chain.name, number, name)
        for chain, labels in zip(card.file.model.chains, card.file.labels, strict=True)
        for number, name in zip(labels.numbers, labels.names, strict=True)
    ]


def _rows(card: ScoreCard) -> Iterator[list[str]]:
    agreement = None if card.map is None else card.map.agreement
    columns = measures(card.geometry.residues, agreement)
    wrong = flags(card.geometry.residues)
    for index, place in enumerate(_places(card)):
        named = [*words(wrong[index]), *_reading_flags(card, index)]
        yield [*place, *cells(columns[index]), *cells(_reading(card, index)), " ".join(named)]


def _reading(card: ScoreCard, index: int) -> NDArray[np.float64]:
    """What the network says of a residue; NaN without a map."""
    if card.map is None:
        return np.full(len(READING), np.nan)
    of = card.map.reading
    columns = (of.calpha, of.calpha_score, of.type, of.type_score, of.type_surprise)
    return np.array([column[index] for column in columns])


def _reading_flags(card: ScoreCard, index: int) -> Iterator[str]:
    """What the network finds wrong with a residue, by one word each."""
    if card.map is None:
        return
    wrong = {"place": card.map.reading.misplaced()[index], "type": card.map.reading.mistyped()[index]}
    yield from (word for word, present in wrong.items() if present)
