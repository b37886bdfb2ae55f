"""`unmodelled.fasta`: the stretches of the sequences that the model does not hold."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emodelx.records import CalphaModel
from emodelx.runs import runs

LINE = 60


def write_unmodelled(path: Path, model: CalphaModel) -> None:
    """Write a record per stretch, named by chain and 1-based positions; the file is empty when all is built."""
    with path.open("w", encoding="utf-8") as file:
        for header, residues in _records(model):
            lines = (residues[i : i + LINE] for i in range(0, len(residues), LINE))
            file.write(f">{header}\n" + "\n".join(lines) + "\n")


def _records(model: CalphaModel) -> Iterator[tuple[str, str]]:
    for chain in model.chains:
        sequence = model.sequences[chain.sequence]
        for first, end in missing_stretches(chain.placed()):
            yield (
                f"{chain.name} {first + 1}-{end} of {len(sequence.residues)} | {sequence.name}",
                sequence.residues[first:end],
            )
    found = Counter(chain.sequence for chain in model.chains)
    for index, sequence in enumerate(model.sequences):
        for copy in range(found[index], sequence.copies):
            yield f"not found, copy {copy + 1} of {sequence.copies} | {sequence.name}", sequence.residues


def missing_stretches(placed: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return the runs of False as (first, end) with `end` exclusive.

    Examples
    --------
    >>> missing_stretches(np.array([False, True, False, False]))
    [(0, 1), (2, 4)]
    """
    return runs(~placed)
