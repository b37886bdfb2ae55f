"""`residues.csv`: every built residue with its confidence, its scores, and what the network read there."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emodelx.constants import AMINO_ACIDS
from emodelx.records import CalphaModel, Candidates, Chain
from emodelx.report.findings import ChainFindings
from emodelx.report.measures import MEASURES, cells, words

COLUMNS = (
    "chain", "label_seq", "auth_seq", "aa", "x", "y", "z", "confidence", "part", "provenance", "b_factor",
    *MEASURES, "flags", "ca_prob", *(f"p_{letter}" for letter in AMINO_ACIDS),
)  # fmt: skip


def write_residues(
    path: Path, parts: Mapping[str, tuple[CalphaModel, Sequence[ChainFindings]]], candidates: Candidates
) -> None:
    """Write one row per residue that has a position; what is not known of it is left empty.

    Parameters
    ----------
    path : Path
    parts : mapping of str to (CalphaModel, sequence of ChainFindings)
        The model and what is kept apart from it, by name, with what was found of their chains.
    candidates : Candidates
    """
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for part, (model, findings) in parts.items():
            for chain, found in zip(model.chains, findings, strict=True):
                writer.writerows(_rows(part, chain, found, candidates))


def _rows(part: str, chain: Chain, found: ChainFindings, candidates: Candidates) -> Iterator[list[str]]:
    for i in np.flatnonzero(chain.placed()):
        number = str(i + 1)
        place = [f"{value:.3f}" for value in chain.positions[i]]
        origin = [f"{chain.confidence[i]:.2f}", part, found.provenance[i], *cells(found.b_factors[i : i + 1])]
        scored = [*cells(found.measures[i]), " ".join(words(found.flags[i]))]
        read = _reading(candidates, int(chain.candidates[i]))
        yield [chain.name, number, number, found.residues[i], *place, *origin, *scored, *read]


def _reading(candidates: Candidates, candidate: int) -> list[str]:
    if candidate < 0:
        return [""] * (1 + len(AMINO_ACIDS))
    types: NDArray[np.float32] = candidates.type_prob[candidate]
    return [f"{candidates.ca_score[candidate]:.4f}", *(f"{p:.4f}" for p in types)]
