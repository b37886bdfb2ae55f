"""Build with templates that are distorted as predictions are, with perfect ones, with wrong ones, and without.

Usage: python benches/templates.py OUTPUT PREDICTION FASTA REFERENCE
       [--template FILE ...] [--seed 1] [--symmetry auto] [--only KIND ...]

PREDICTION is a file of `emodelx predict`, or simulated probabilities; REFERENCE the true model. Distorted templates are
made from one chain of each sequence of the reference: cut into domains that turn by 10 to 30 degrees against each
other, a tenth of the residues in loops that are wrong, a fifth absent, noise of 1 A. Bent ones only turn. Wrong ones
are the mirror image, the backbone read backwards, and the sequence scrambled over the right backbone. `--template` adds
files as they are, as kind `given`.
"""

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path

import gemmi
import numpy as np

from emodelx.config import BuildConfig, RunConfig, TemplateConfig
from emodelx.constants import THREE_LETTER
from emodelx.inputs import read_inputs
from emodelx.io.store import Store
from emodelx.io.structures import CalphaChain, read_calphas, write_mmcif
from emodelx.pipeline import run_stages
from emodelx.progress import SILENT
from emodelx.records import Points, Provenance
from emodelx.report.summary import InputFile
from emodelx.scoring import compare
from emodelx.stepper import Stepper

KINDS = ("none", "perfect", "bent", "distorted", "mirror", "reversed", "scrambled", "given")
DOMAIN = (80, 160)
"""Residues of a domain, least and most."""
TURN = (10.0, 30.0)
"""Degrees by which domains turn against each other."""
LOOP = (6, 12)
"""Residues of a wrong loop."""
WRONG, ABSENT = 0.1, 0.2
"""Shares of residues in wrong loops, and absent."""
LOOP_ERROR = 8.0
"""Angstrom by which the middle of a wrong loop is off."""
NOISE = 1.0
"""Angstrom (RMS)."""


class NoStore(Store):
    """Keeps no records."""

    def save(self, name: str, key: str, record: object) -> None:
        """Keep nothing."""


def bent(points: Points, rng: np.random.Generator) -> Points:
    """Turn domains of a chain against each other."""
    points = points.copy()
    cut = int(rng.integers(*DOMAIN))
    while cut < len(points) - DOMAIN[0] // 2:
        turn = rotation(rng, np.radians(rng.uniform(*TURN)))
        points[cut:] = (points[cut:] - points[cut]) @ turn.T + points[cut]
        cut += int(rng.integers(*DOMAIN))
    return points


def distorted(points: Points, rng: np.random.Generator) -> tuple[Points, np.ndarray, np.ndarray]:
    """Distort a chain: its points, which residues are there, and their pLDDT."""
    points, plddt = bent(points, rng), np.full(len(points), 90.0)
    for loop in stretches(rng, len(points), WRONG, LOOP):
        off = rng.normal(0, 1, 3)
        bow = np.sin(np.linspace(0, np.pi, loop.stop - loop.start + 2))[1:-1, None]
        points[loop] += LOOP_ERROR * bow * off / np.linalg.norm(off)
        plddt[loop] = rng.uniform(40, 70)
    there = np.ones(len(points), bool)
    for gap in stretches(rng, len(points), ABSENT, (4, 20)):
        there[gap] = False
    return points + rng.normal(0, NOISE / np.sqrt(3), points.shape), there, plddt


def stretches(rng: np.random.Generator, length: int, share: float, lengths: tuple[int, int]) -> Iterator[slice]:
    """Random stretches that hold a share of all residues."""
    held = 0
    while held < share * length:
        size = int(rng.integers(*lengths))
        start = int(rng.integers(0, max(length - size, 1)))
        held += size
        yield slice(start, min(start + size, length))


def rotation(rng: np.random.Generator, angle: float) -> Points:
    """A rotation by `angle` radians about a random axis."""
    x, y, z = axis = rng.normal(0, 1, 3)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]]) / np.linalg.norm(axis)
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


def template(chain: CalphaChain, kind: str, rng: np.random.Generator) -> gemmi.Chain:
    """A chain of a template file of the given kind."""
    points, letters = chain.positions, chain.residues
    there, plddt = np.ones(len(points), bool), np.full(len(points), 90.0)
    if kind == "distorted":
        points, there, plddt = distorted(points, rng)
    elif kind == "bent":
        points = bent(points, rng)
    elif kind == "mirror":
        points = points * [1, 1, -1]
    elif kind == "reversed":
        points = points[::-1]
    elif kind == "scrambled":
        points = points[scrambled_order(rng, len(points))]
    turned = points @ rotation(rng, 2.0).T + rng.normal(0, 50, 3)
    written = gemmi.Chain(chain.name[:1])
    for i in np.flatnonzero(there):
        written.add_residue(residue(THREE_LETTER[letters[i]], int(i) + 1, turned[i], float(plddt[i])))
    return written


def scrambled_order(rng: np.random.Generator, length: int) -> np.ndarray:
    """Stretches of twelve residues in another order."""
    parts = [np.arange(i, min(i + 12, length)) for i in range(0, length, 12)]
    return np.concatenate([parts[i] for i in rng.permutation(len(parts))])


def residue(name: str, number: int, position: Points, b_factor: float) -> gemmi.Residue:
    """A residue of one Calpha."""
    atom = gemmi.Atom()
    atom.name, atom.element, atom.b_iso = "CA", gemmi.Element("C"), b_factor
    atom.pos = gemmi.Position(*position)
    made = gemmi.Residue()
    made.name, made.seqid = name, gemmi.SeqId(number, " ")
    made.entity_type = gemmi.EntityType.Polymer
    made.add_atom(atom)
    return made


def write_template(path: Path, chains: list[CalphaChain], kind: str, seed: int) -> Path:
    """Write one chain of every sequence as a template."""
    rng = np.random.default_rng(seed)
    structure = gemmi.Structure()
    structure.add_model(gemmi.Model(1))
    for chain in {chain.residues: chain for chain in chains}.values():
        structure[0].add_chain(template(chain, kind, rng))
    structure.write_pdb(str(path))
    return path


def run(options: argparse.Namespace, kind: str) -> dict[str, object]:
    """Build with templates of a kind, and compare with the reference."""
    reference = read_calphas(options.reference)
    files = (
        []
        if kind == "none"
        else options.template
        if kind == "given"
        else [
            write_template(
                options.output / f"{options.prediction.stem}_{kind}_{options.seed}.pdb",
                list(reference),
                kind,
                options.seed,
            )
        ]
    )
    config = BuildConfig(
        prediction=options.prediction, fasta=options.fasta, output=options.output / "model",
        templates=TemplateConfig(files=tuple(files)), symmetry=options.symmetry, run=RunConfig(threads=options.threads),
    )  # fmt: skip
    inputs = read_inputs(config)
    stepper = Stepper(NoStore(config.output), config.run, reuse=False, progress=SILENT)
    began = time.process_time()
    sources = {"prediction": InputFile(str(options.prediction), sha256="")}
    traced = run_stages(config, inputs, sources, stepper).model
    model = traced.record
    seconds = time.process_time() - began
    file = options.output / f"{options.prediction.stem}_{kind}.cif"
    if model.placed_count() == 0:
        return {"kind": kind, "built": 0, "cpu_s": round(seconds, 2)}
    write_mmcif(file, model.without_side_chains())
    found = compare(read_calphas(file), reference)
    added = sum(int((chain.provenance == Provenance.TEMPLATE).sum()) for chain in model.chains)
    figures = {
        name: round(float(getattr(found, name)), 3)
        for name in ("ca_recall", "ca_precision", "reg_acc", "reg_precision", "tm")
    }
    return {"kind": kind, "built": model.placed_count(), "from_template": added, **figures, "cpu_s": round(seconds, 2)}


def main() -> None:
    """Run all kinds, one line of JSON each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("output", "prediction", "fasta", "reference"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--template", type=Path, nargs="*", default=[])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--symmetry")
    parser.add_argument("--only", nargs="*", default=KINDS, choices=KINDS)
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    for kind in options.only:
        if kind != "given" or options.template:
            print(options.prediction.stem, json.dumps(run(options, kind)), flush=True)


if __name__ == "__main__":
    main()
