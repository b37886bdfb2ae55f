"""Say where true residues are lost on the way from the network's probabilities to the model.

Usage: python benches/losses.py CASES_FOLDER OUTPUT_FOLDER [--seed 11] [--only NAME_LEVEL ...]

The folders are those of benches/cases.py. Every residue of the truth is counted once, under the first of these that
holds; the table gives shares of all true residues.

right            its own residue, in the matched chain, lies within 3 A
wrong copy       its own residue lies within 3 A, but in another copy of the chain
no candidate     no candidate lies within 2 A: left open (the residue is missing) or closed wrongly (it is elsewhere)
no link          its candidate has no link to that of a neighbour in the chain
misaligned       its candidate holds another residue
not traced       its candidate holds no residue
"""

import argparse
import sys
from collections import Counter
from pathlib import Path

import numpy as np
from cases import Case, NoStore, read_cases, row, simulate
from scipy.optimize import linear_sum_assignment
from scipy.spatial import KDTree

from emodelx.config import BuildConfig
from emodelx.inputs import read_inputs
from emodelx.io.structures import CalphaChain, read_calphas
from emodelx.pipeline import run_stages
from emodelx.progress import SILENT
from emodelx.records import CalphaModel, Candidates, Links
from emodelx.report.summary import InputFile
from emodelx.stages.links import link_candidates
from emodelx.stepper import Stepper

NEAR, FOUND = 3.0, 2.0
"""Angstrom within which a residue is right, and within which a candidate is its own."""
LOSSES = (
    "right", "wrong copy", "no candidate, left open", "no candidate, closed wrongly", "no link", "misaligned",
    "not traced",
)  # fmt: skip


def losses(model: CalphaModel, candidates: Candidates, links: Links, truth: tuple[CalphaChain, ...]) -> Counter[str]:
    """Count the true residues by what became of them."""
    holder = {
        int(k): (c, i)
        for c, chain in enumerate(model.chains)
        for i, k in enumerate(chain.candidates)
        if k >= 0 and chain.placed()[i]
    }
    tree, matched = KDTree(candidates.positions), match_chains(model, truth)
    linked = linked_pairs(links)
    count: Counter[str] = Counter()
    for t, chain in enumerate(truth):
        distance, nearest = tree.query(chain.positions)
        own = np.where(distance < FOUND, nearest, -1)
        for i, number in enumerate(chain.numbers - 1):
            at = positions_of(model, truth[t], number, matched.get(t))
            if near(at[:1], chain.positions[i]):
                count["right"] += 1
            elif near(at[1:], chain.positions[i]):
                count["wrong copy"] += 1
            elif own[i] < 0:
                count["no candidate, " + ("closed wrongly" if np.isfinite(at[:1]).any() else "left open")] += 1
            elif not any(frozenset((own[i], own[j])) in linked for j in (i - 1, i + 1) if 0 <= j < len(own)):
                count["no link"] += 1
            else:
                count["misaligned" if int(own[i]) in holder else "not traced"] += 1
    return count


def near(positions: np.ndarray, point: np.ndarray) -> bool:
    """Whether any of the positions lies within `NEAR`; missing ones do not."""
    return bool((np.linalg.norm(positions - point, axis=1) < NEAR).any())


def linked_pairs(links: Links) -> set[frozenset[int]]:
    """Pairs of candidates that are linked."""
    rows = links.likelihood
    first = np.repeat(np.arange(len(rows.start) - 1), np.diff(rows.start))
    return {frozenset(pair) for pair in zip(first.tolist(), rows.column.tolist(), strict=True)}


def copies(model: CalphaModel, chain: CalphaChain) -> list[int]:
    """Chains of the model that have the sequence of a true chain."""
    same = [i for i, s in enumerate(model.sequences) if fits(s.residues, chain)]
    return [c for c, built in enumerate(model.chains) if built.sequence in same[:1]]


def fits(residues: str, chain: CalphaChain) -> bool:
    """Whether the numbers of a true chain count this sequence."""
    numbers = chain.numbers - 1
    if numbers.max() >= len(residues):
        return False
    return np.mean([residues[n] == r for n, r in zip(numbers, chain.residues, strict=True)]) > 0.9


def match_chains(model: CalphaModel, truth: tuple[CalphaChain, ...]) -> dict[int, int]:
    """Model chain of every true chain, matched so that most residues are right."""
    right = np.zeros((len(truth), len(model.chains)))
    for t, chain in enumerate(truth):
        for c in copies(model, chain):
            distance = np.linalg.norm(model.chains[c].positions[chain.numbers - 1] - chain.positions, axis=1)
            right[t, c] = 1 + (distance < NEAR).sum()
    pairs = zip(*linear_sum_assignment(right, maximize=True), strict=True)
    return {int(t): int(c) for t, c in pairs if right[t, c] > 0}


def positions_of(model: CalphaModel, chain: CalphaChain, number: int, matched: int | None) -> np.ndarray:
    """Positions of a residue in the matched chain (first, NaN without one) and in the other copies."""
    others = [model.chains[c].positions[number] for c in copies(model, chain) if c != matched]
    own = np.full(3, np.nan) if matched is None else model.chains[matched].positions[number]
    return np.array([own, *others])


def run_case(case: Case, cases: Path, prediction: Path) -> Counter[str]:
    """Build one case and count its losses."""
    config = BuildConfig(prediction=prediction, fasta=cases / f"{case.name}.fasta", output=prediction.with_suffix(""))
    stepper = Stepper(NoStore(config.output), config.run, reuse=False, progress=SILENT)
    sources = {"prediction": InputFile(str(prediction), sha256="")}
    found = run_stages(config, read_inputs(config), sources, stepper)
    links = link_candidates(found.candidates, found.prediction.record, config.links, config.run)
    return losses(found.model.record, found.candidates, links, read_calphas(cases / f"{case.name}_truth.pdb.gz"))


def main() -> None:
    """Run all cases and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--seed", type=int, default=11, help="of the simulation")
    parser.add_argument("--only", nargs="*", metavar="NAME_LEVEL")
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    print(row(["case", *LOSSES]), row(["---"] * (1 + len(LOSSES))), sep="\n")
    for case in read_cases(options.cases / "README.md"):
        if not options.only or str(case) in options.only:
            count = run_case(case, options.cases, simulate(case, options.cases, options.output, options.seed))
            shares = [f"{count[loss] / count.total():.3f}" for loss in LOSSES]
            print(row([str(case), *shares]))
            sys.stdout.flush()


if __name__ == "__main__":
    main()
