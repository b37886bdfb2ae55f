"""Measure time, memory and accuracy from the probabilities to the Calpha model, against the size of the complex.

Usage: PYTHONPATH=scripts python benches/scale.py STRUCTURES_FOLDER OUTPUT_FOLDER [--only NAME ...] [--stages]

The complexes are `val` structures side by side (layout of the folder in docs/training.md, simulation in
benches/tiled.py). Sizes are in residues that the map shows, up to 10,000 of them of different sequence, larger ones
in copies; further 60 copies of one chain, 200 different sequences, and one chain of 5,000 residues. "counted": the
number of copies is not told. Every complex runs in a process of its own, so that memory is its own, with one thread.

right       true residues that have their own residue of their sequence, in whichever copy, within 3 A
one chain   true residues whose own residue is in the chain that has most of their chain
precision   residues of the model within 3 A of a true one of the same sequence and number
"""

import argparse
import multiprocessing
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
from cases import NoStore, head, row
from numpy.typing import NDArray
from scipy.spatial import KDTree
from tiled import CALPHA, Body, Complex, one_chain, read_bodies, separate_chains, simulate, with_residues

from emodelx.config import BuildConfig, RunConfig
from emodelx.inputs import Inputs
from emodelx.io.sequences import SequenceFile
from emodelx.io.store import Store
from emodelx.machine import peak_memory
from emodelx.pipeline import run_stages
from emodelx.progress import Silent
from emodelx.records import CalphaModel, Points
from emodelx.report.summary import InputFile
from emodelx.stepper import Stepper

NEAR = 3.0
"""Angstrom within which a residue is right."""
UNIQUE = 10_000
"""Residues of different sequence at most."""
SIZES = (1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000)
SEED = 3


@dataclass
class Clock(Silent):
    """Adds up the CPU seconds of all threads by stage."""

    seconds: dict[str, float] = field(default_factory=dict)
    _stage: str = ""
    _began: float = 0.0

    def start(self, stage: str) -> None:
        """Begin to count for a stage."""
        self._stage, self._began = stage, time.process_time()

    def finish(self, *_: object) -> None:
        """Note what the stage took."""
        self.seconds[self._stage] = time.process_time() - self._began


@dataclass(frozen=True)
class Outcome:
    """What a run took and made."""

    candidates: int
    seconds: dict[str, float]
    peak_gb: float
    right: float
    one_chain: float
    precision: float


def complexes() -> dict[str, Callable[[list[Body], np.random.Generator], Complex]]:
    """What is measured, by name."""
    sizes = {f"{size}": partial(of_size, residues=size) for size in SIZES}
    further = {
        "60 copies": lambda bodies, rng: separate_chains([longer(bodies, 300)], 60, rng),
        "200 sequences": lambda bodies, rng: separate_chains(cut(bodies, 150)[:200], 1, rng),
        "one chain of 5000": lambda bodies, rng: one_chain(with_residues(iter(bodies), 5_000), rng),
    }
    return sizes | {"10000 counted": untold("10000", sizes), "100000 counted": untold("100000", sizes)} | further


def of_size(bodies: list[Body], rng: np.random.Generator, residues: int) -> Complex:
    """A complex of so many residues."""
    copies = max(residues // UNIQUE, 1)
    return separate_chains(with_residues(iter(bodies), residues // copies), copies, rng)


def untold(
    name: str, sizes: dict[str, partial[Complex]]
) -> Callable[[list[Body], np.random.Generator], Complex]:  # fmt: skip
    """The same complex, with the copies to be counted."""

    def made(bodies: list[Body], rng: np.random.Generator) -> Complex:
        truth = sizes[name](bodies, rng)
        return replace(truth, sequences=tuple(replace(s, copies=1, told=False) for s in truth.sequences))

    return made


def longer(bodies: list[Body], residues: int) -> Body:
    """The first body with so many residues, cut to them."""
    types, atoms = next(body for body in bodies if len(body[0]) >= residues)
    return types[:residues], atoms[:residues]


def cut(bodies: list[Body], residues: int) -> list[Body]:
    """The bodies in pieces of so many residues at most; what is shorter than half of them is left out."""
    starts = [(body, first) for body in bodies for first in range(0, len(body[0]), residues)]
    pieces = [(b[0][first : first + residues], b[1][first : first + residues]) for b, first in starts]
    return [piece for piece in pieces if 2 * len(piece[0]) >= residues]


def make(name: str, structures: Path, file: Path) -> Complex:
    """Make a complex and save its simulated probabilities."""
    rng = np.random.default_rng(SEED)
    truth = complexes()[name](list(read_bodies(structures)), rng)
    Store(file.parent).save(file.name, "", simulate(truth, rng))
    return truth


def run(truth: Complex, file: Path) -> Outcome:
    """Model a complex."""
    config = BuildConfig(output=file, fasta=file, prediction=file, run=RunConfig(threads=1))
    inputs = Inputs(SequenceFile(truth.sequences, (), ()), prediction=Store(file.parent).load(file.name, ""))
    clock = Clock()
    sources = {"prediction": InputFile(str(file), sha256="")}
    traced = run_stages(config, inputs, sources, Stepper(NoStore(file), config.run, False, clock))
    peak = (peak_memory() or 0) / 1e9
    return Outcome(len(traced.candidates), clock.seconds, peak, *accuracy(truth, traced.model.record))


def accuracy(truth: Complex, model: CalphaModel) -> tuple[float, float, float]:
    """Shares of true residues that are right and in one chain, and of the model's residues that are right."""
    true, _ = labelled([(c.sequence, c.numbers, c.atoms[:, CALPHA]) for c in truth.chains], truth)
    own = [np.flatnonzero(c.placed()) for c in model.chains]
    built, chain = labelled([(c.sequence, n, c.positions[n]) for c, n in zip(model.chains, own, strict=True)], truth)
    if len(built) == 0:
        return 0.0, 0.0, 0.0
    distance, nearest = KDTree(built).query(true, distance_upper_bound=NEAR)
    found = np.where(np.isfinite(distance), chain[np.minimum(nearest, len(chain) - 1)], -1)
    parts = np.split(found, np.cumsum([len(c.numbers) for c in truth.chains])[:-1])
    together = sum(np.bincount(part[part >= 0], minlength=1).max() for part in parts)
    right = np.isfinite(KDTree(true).query(built, distance_upper_bound=NEAR)[0])
    return float((found >= 0).mean()), float(together / len(true)), float(right.mean())


def labelled(
    chains: list[tuple[int, NDArray[np.int64], Points]], truth: Complex
) -> tuple[Points, NDArray[np.int64]]:  # fmt: skip
    """Positions with a fourth axis along which residues of different number or sequence are far apart; their chains."""
    first = np.cumsum([0, *(len(s.residues) for s in truth.sequences)])
    points = [np.column_stack([at, 10 * NEAR * (first[sequence] + numbers)]) for sequence, numbers, at in chains]
    return np.concatenate(points), np.repeat(np.arange(len(points)), [len(p) for p in points])


def table_row(name: str, truth: Complex, outcome: Outcome) -> str:
    """A row of the table."""
    different = sum(len(s.residues) for s in truth.sequences)
    total = sum(outcome.seconds.values())
    shares = [f"{share:.3f}" for share in (outcome.right, outcome.one_chain, outcome.precision)]
    cells = [
        name,
        truth.residues(),
        different,
        outcome.candidates,
        f"{total:.1f}",
        f"{1000 * total / outcome.candidates:.2f}",
    ]
    return row([*map(str, cells), f"{outcome.peak_gb:.2f}", *shares])


def main() -> None:
    """Run the complexes and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("structures", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--only", nargs="*", metavar="NAME", default=list(complexes()))
    parser.add_argument("--stages", action="store_true", help="say what each stage took")
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    columns = ["complex", "residues", "different", "candidates", "CPU s", "ms per candidate", "peak GB"]
    print(*head([*columns, "right", "one chain", "precision"]), sep="\n")
    spawn = multiprocessing.get_context("spawn")
    for name in options.only:
        file = options.output / name.replace(" ", "_")
        with spawn.Pool(1, maxtasksperchild=1) as pool:
            truth = pool.apply(make, (name, options.structures, file))
            outcome = pool.apply(run, (truth, file))
        print(table_row(name, truth, outcome), flush=True)
        if options.stages:
            print({stage: round(s, 2) for stage, s in outcome.seconds.items()}, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
