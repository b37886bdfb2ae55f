"""Run simulated network outputs of known truth, and compare accuracy and cost with the published program's figures.

Usage: python benches/cases.py CASES_FOLDER OUTPUT_FOLDER [--seed 7] [--symmetry auto] [--only NAME_LEVEL ...]

The folder holds, as described in docs/performance.md, `README.md` with the table of the published program,
`simulate.py`, and per case `NAME.fasta` and `NAME_truth.pdb.gz`. A simulation that is in the output folder already is
taken from there; keep one output folder per seed. Every case runs in a process of its own, so that memory is its own.
Ends with exit code 1 when a case is less accurate than the published program, or less than 30 times as fast.
"""

import argparse
import json
import multiprocessing
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from emodelx.config import BuildConfig, RunConfig
from emodelx.inputs import read_inputs
from emodelx.io.store import Store
from emodelx.io.structures import read_calphas, write_mmcif
from emodelx.machine import peak_memory
from emodelx.pipeline import run_stages
from emodelx.progress import SILENT
from emodelx.report.summary import InputFile
from emodelx.scoring import compare
from emodelx.stepper import Stepper

FASTER = 30
"""Times as fast as the published program."""
REPEATS = 10
"""Runs of each case; the least CPU time counts, because other work on the machine adds to it."""
ACCURACY = ("tm", "reg_acc", "reg_precision")
MUST_REACH = ("tm", "reg_acc")


@dataclass(frozen=True)
class Case:
    """A row of the published program's table, by column name."""

    name: str
    level: str
    published: dict[str, float]

    def __str__(self) -> str:
        return f"{self.name}_{self.level}"


@dataclass(frozen=True)
class Outcome:
    """A case with what we made of it.

    Attributes
    ----------
    accuracy : dict of float
        Fields of `Comparison` by name.
    cpu_s : float
        CPU seconds from the probabilities to the Calpha model on one thread, nothing saved.
    peak_gb : float
        Largest resident size of the process, in 1e9 bytes.
    """

    case: Case
    accuracy: dict[str, float]
    cpu_s: float
    peak_gb: float

    @property
    def speedup(self) -> float:
        """How many times as fast as the published program."""
        return self.case.published["CPU s"] / self.cpu_s

    def shortfalls(self) -> Iterator[str]:
        """What is below the published program; accuracies as its table rounds them."""
        for name in MUST_REACH:
            if round(self.accuracy[name], 3) < self.case.published[name]:
                yield f"{self.case}: {name} {self.accuracy[name]:.3f} < {self.case.published[name]:.3f}"
        if self.speedup < FASTER:
            yield f"{self.case}: {self.speedup:.1f} times as fast, not {FASTER}"


class NoStore(Store):
    """Keeps no records: what a run saves for --resume is no part of the pipeline."""

    def save(self, name: str, key: str, record: object) -> None:
        """Keep nothing."""


def read_cases(readme: Path) -> list[Case]:
    """Read the published program's table; rows with a template are left out."""
    rows = [[cell.strip() for cell in line.strip("| \n").split("|")] for line in readme.read_text().splitlines()]
    first = next(i for i, row in enumerate(rows) if row[0] == "case")
    columns, cases = rows[first], []
    for row in rows[first + 2 :]:
        if len(row) != len(columns):
            break
        if "template" not in row[0]:
            figures = dict(zip(columns, row, strict=True))
            numbers = {column: float(figures[column]) for column in (*ACCURACY, "CPU s", "peak GB")}
            cases.append(Case(figures["case"], figures["level"], numbers))
    return cases


def simulate(case: Case, cases: Path, output: Path, seed: int) -> Path:
    """Return the simulated probabilities of a case, made unless they are there."""
    prediction = output / f"{case}.npz"
    if not prediction.exists():
        truth = cases / f"{case.name}_truth.pdb.gz"
        command = [cases / "simulate.py", truth, output, case.name, case.level, seed]
        subprocess.run([sys.executable, *map(str, command)], check=True, stdout=subprocess.DEVNULL)
    return prediction


def run_case(case: Case, cases: Path, prediction: Path, symmetry: str | None = None) -> Outcome:
    """Model one case, and compare it with its truth."""
    model_file = prediction.with_suffix(".cif")
    config = BuildConfig(
        prediction=prediction,
        fasta=cases / f"{case.name}.fasta",
        output=prediction.with_suffix(""),
        symmetry=symmetry,
        run=RunConfig(threads=1),
    )
    inputs = read_inputs(config)
    sources = {"prediction": InputFile(str(prediction), sha256="")}
    seconds = []
    for _ in range(REPEATS):
        stepper = Stepper(NoStore(config.output), config.run, reuse=False, progress=SILENT)
        began = time.process_time()
        model = run_stages(config, inputs, sources, stepper).model
        seconds.append(time.process_time() - began)
    peak = peak_memory() or 0
    write_mmcif(model_file, model.record.without_side_chains())
    found = compare(read_calphas(model_file), read_calphas(cases / f"{case.name}_truth.pdb.gz"))
    return Outcome(case, {name: getattr(found, name) for name in ACCURACY}, min(seconds), peak / 1e9)


def tables(outcomes: list[Outcome]) -> str:
    """Accuracy and cost of all cases as Markdown, ours beside the published."""
    accuracy = ["case", *(f"{name}{whose}" for name in ACCURACY for whose in ("", " (published)"))]
    cost = ["case", "CPU s", "CPU s (published)", "times as fast", "peak GB", "peak GB (published)"]
    return "\n".join(
        [*head(accuracy), *map(accuracy_row, outcomes), "", *head(cost), *map(cost_row, outcomes)],
    )


def head(columns: list[str]) -> tuple[str, str]:
    """Head of a Markdown table."""
    return row(columns), "|" + "---|" * len(columns)


def accuracy_row(outcome: Outcome) -> str:
    """Ours and the published figure of every measure."""
    published = outcome.case.published
    pairs = [f"{value:.3f}" for name in ACCURACY for value in (outcome.accuracy[name], published[name])]
    return row([str(outcome.case), *pairs])


def cost_row(outcome: Outcome) -> str:
    """Time and memory, ours and published."""
    published = outcome.case.published
    times = [f"{outcome.cpu_s:.3f}", f"{published['CPU s']:.1f}", f"{outcome.speedup:.0f}"]
    return row([str(outcome.case), *times, f"{outcome.peak_gb:.2f}", f"{published['peak GB']:.2f}"])


def row(cells: list[str]) -> str:
    """A row of a Markdown table."""
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Run the cases and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--seed", type=int, default=7, help="of the simulation; the published figures are of 7")
    parser.add_argument("--symmetry", metavar="GROUP", help="as of emodelx build")
    parser.add_argument("--only", nargs="*", metavar="NAME_LEVEL")
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    spawn = multiprocessing.get_context("spawn")
    outcomes = []
    for case in read_cases(options.cases / "README.md"):
        if not options.only or str(case) in options.only:
            prediction = simulate(case, options.cases, options.output, options.seed)
            with spawn.Pool(1) as pool:
                outcomes.append(pool.apply(run_case, (case, options.cases, prediction, options.symmetry)))
            print(
                f"{case}: {json.dumps(outcomes[-1].accuracy)} {outcomes[-1].cpu_s:.3f} s", file=sys.stderr, flush=True
            )
    print(tables(outcomes))
    shortfalls = [line for outcome in outcomes for line in outcome.shortfalls()]
    sys.exit("\n".join(shortfalls) or None)


if __name__ == "__main__":
    main()
