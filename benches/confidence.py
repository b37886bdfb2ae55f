"""Whether the confidence of built residues is the share of them that is right, for `docs/accuracy.md`.

Usage: python benches/confidence.py [--maps MAPS_FOLDER OUTPUT_FOLDER] [--cases CASES_FOLDER OUTPUT_FOLDER]
       [--any-copy MODEL REFERENCE]

The folders are those of benches/real_maps.py and benches/cases.py, after these have run. A residue is right within 3 A
of its own place in the chain of the reference that most residues of its chain belong to; with `--any-copy` at its own
place in whichever chain, for maps that hold more copies than were to be built. The expected calibration error (ECE) is
the mean distance between confidence and truth over the rows, weighted by their residues.
"""

import argparse
import csv
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from cases import head, read_cases, row
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from emodelx.io.structures import CalphaChain, read_calphas
from emodelx.scoring.numbering import NumberedChain, number_chains

NEAR = 3.0
EDGES = (0.0, 50.0, 80.0, 95.0, 100.1)
"""Of the rows of the table."""

Judged = tuple[NDArray[np.float64], NDArray[np.bool_]]
"""Confidence of residues, and whether they are right."""


def judge(model: Sequence[CalphaChain], reference: Sequence[CalphaChain]) -> Judged:
    """Judge every residue of a model whose own place the reference has."""
    mine, theirs = number_chains(model, reference)
    pairs = [[_pair(a, at, b, there) for b, there in zip(reference, theirs, strict=True)]
             for a, at in zip(model, mine, strict=True)]  # fmt: skip
    gain = np.array([[right.sum() + 1e-3 * len(right) for _, right in line] for line in pairs])
    chosen = [pairs[i][j] for i, j in zip(*linear_sum_assignment(gain, maximize=True), strict=True)]
    return np.concatenate([c for c, _ in chosen]), np.concatenate([r for _, r in chosen])


def _pair(a: CalphaChain, at: NumberedChain, b: CalphaChain, there: NumberedChain) -> Judged:
    """The residues of chain `a` that `b` has too, if both have one sequence."""
    if at.sequence != there.sequence:
        return np.empty(0), np.empty(0, bool)
    _, i, j = np.intersect1d(at.positions, there.positions, return_indices=True)
    own = at.positions[i] >= 0
    return a.b_factors[i][own], (np.linalg.norm(a.positions[i] - b.positions[j], axis=1) < NEAR)[own]


def judge_any(model: Sequence[CalphaChain], reference: Sequence[CalphaChain]) -> Judged:
    """Judge every residue of a model by the copy of its place that is nearest to it."""
    mine, theirs = number_chains(model, reference)
    said, right = [], []
    for a, at in zip(model, mine, strict=True):
        nearest = np.full(len(a.positions), np.nan)
        for b, there in zip(reference, theirs, strict=True):
            if at.sequence == there.sequence:
                _, i, j = np.intersect1d(at.positions, there.positions, return_indices=True)
                nearest[i] = np.fmin(nearest[i], np.linalg.norm(a.positions[i] - b.positions[j], axis=1))
        known = np.isfinite(nearest) & (at.positions >= 0)
        said.append(a.b_factors[known])
        right.append(nearest[known] < NEAR)
    return np.concatenate(said), np.concatenate(right)


def of_maps(maps: Path, output: Path) -> Iterator[tuple[str, Judged]]:
    """Every map that was built."""
    with (maps / "manifest.csv").open() as file:
        for line in csv.DictReader(file):
            model = output / f"emd_{line['emdb']}" / f"emd_{line['emdb']}.cif"
            if model.exists():
                yield line["emdb"], judge(read_calphas(model), read_calphas(maps / line["model"]))


def of_cases(cases: Path, output: Path) -> Iterator[tuple[str, Judged]]:
    """Every simulated case that was built."""
    for case in read_cases(cases / "README.md"):
        model = output / f"{case}.cif"
        if model.exists():
            yield str(case), judge(read_calphas(model), read_calphas(cases / f"{case.name}_truth.pdb.gz"))


def table(judged: Sequence[Judged]) -> str:
    """The reliability of several models together as Markdown, and the calibration error."""
    said, right = (np.concatenate(column) for column in zip(*judged, strict=True))
    lines, error = [*head(["confidence", "residues", "mean confidence", "right"])], 0.0
    for low, high in pairwise(EDGES):
        k = (said >= low) & (said < high)
        if k.any():
            lines.append(row([f"{low:.0f} to {min(high, 100):.0f}", str(k.sum()), f"{said[k].mean():.0f}",
                              f"{100 * right[k].mean():.0f} %"]))  # fmt: skip
            error += k.mean() * abs(said[k].mean() / 100 - right[k].mean())
    return "\n".join([*lines, f"ECE {100 * error:.1f} %, {100 * right.mean():.1f} % right of {len(right)} residues"])


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--maps", type=Path, nargs=2, metavar="FOLDER")
    parser.add_argument("--cases", type=Path, nargs=2, metavar="FOLDER")
    parser.add_argument("--any-copy", type=Path, nargs=2, metavar="FILE")
    options = parser.parse_args()
    if options.any_copy:
        print(table([judge_any(*map(read_calphas, options.any_copy))]))
    for found in (of_maps(*options.maps) if options.maps else (), of_cases(*options.cases) if options.cases else ()):
        judged = dict(found)
        for name, (said, right) in judged.items():
            print(f"{name}: {len(right)} residues, mean confidence {said.mean():.0f}, {100 * right.mean():.0f} % right")
        if judged:
            print(table(list(judged.values())))


if __name__ == "__main__":
    main()
