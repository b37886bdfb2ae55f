"""The scores of a model, residue by residue: a table, and colours."""

import csv
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emodelx.io.coloured import Place, write_coloured
from emodelx.io.files import replacing
from emodelx.report.measures import MEASURES, cells, flags, measures, words
from emodelx.scoring.card import ScoreCard

READING = (
    *("calpha_probability", "calpha_score", "type_score_own", "type_score", "type_surprise"),
    *("register_shift", "register_gain"),
)
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
    reading = card.map.reading
    wrong = reading.misplaced() | reading.mistyped() | reading.shifted()
    values = np.where(wrong, 0, 100 * np.clip(np.nan_to_num(card.map.agreement.correlations), 0, 1))
    write_coloured(path, source, dict(zip(_places(card), map(float, values), strict=True)), COLOUR)


def register_errors(card: ScoreCard) -> Iterator[str]:
    """Name every stretch that is out of register, with the shift at which the sequence fits."""
    if card.map is None:
        return
    reading, places = card.map.reading, _places(card)
    off = np.where(reading.shifted(), reading.shift, 0)
    for (chain, shift), members in groupby(range(len(off)), lambda i: (places[i][0], int(off[i]))):
        stretch = [places[i][1] for i in members]
        if shift:
            way = "later" if shift > 0 else "earlier"
            yield f"chain {chain}, {stretch[0]} to {stretch[-1]}: reads like the sequence {abs(shift)} residues {way}"


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
    columns = (of.calpha, of.calpha_score, of.type, of.type_score, of.type_surprise, of.shift, of.shift_gain)
    return np.array([column[index] for column in columns])


def _reading_flags(card: ScoreCard, index: int) -> Iterator[str]:
    """What the network finds wrong with a residue, by one word each."""
    if card.map is None:
        return
    of = card.map.reading
    wrong = {"place": of.misplaced()[index], "type": of.mistyped()[index], "register": of.shifted()[index]}
    yield from (word for word, present in wrong.items() if present)
