"""`residues.csv`: every built residue with its confidence, where it comes from, and what the network read there."""

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emodelx.constants import AMINO_ACIDS
from emodelx.records import CalphaModel, Candidates, Chain, Provenance

COLUMNS = (
    "chain", "label_seq", "auth_seq", "aa", "x", "y", "z", "confidence", "provenance", "ca_prob",
    *(f"p_{letter}" for letter in AMINO_ACIDS),
)  # fmt: skip


def write_residues(path: Path, model: CalphaModel, candidates: Candidates) -> None:
    """Write one row per residue that has a position; residues without a candidate have no probabilities."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for chain in model.chains:
            writer.writerows(_rows(chain, model.sequences[chain.sequence].residues, candidates))


def _rows(chain: Chain, residues: str, candidates: Candidates) -> Iterator[list[str]]:
    for i in np.flatnonzero(chain.placed()):
        number = str(i + 1)
        place = [f"{value:.3f}" for value in chain.positions[i]]
        origin = [f"{chain.confidence[i]:.2f}", Provenance(int(chain.provenance[i])).name.lower()]
        read = _reading(candidates, int(chain.candidates[i]))
        yield [chain.name, number, number, residues[i], *place, *origin, *read]


def _reading(candidates: Candidates, candidate: int) -> list[str]:
    if candidate < 0:
        return [""] * (1 + len(AMINO_ACIDS))
    types: NDArray[np.float32] = candidates.type_prob[candidate]
    return [f"{candidates.ca_score[candidate]:.4f}", *(f"{p:.4f}" for p in types)]
