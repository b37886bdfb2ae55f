"""Build into maps that the network cannot read, with templates: distorted, perfect and wrong ones.

Usage: python benches/rigid.py OUTPUT CASE_FOLDER ... [--resolution 5] [--kinds distorted mirror ...] [--seed 1]

Every case folder holds `map.mrc`, `sequences.fasta` and `reference.cif` (`benches/rigid_cases.py` makes them, its
name ends in the resolution: `1bks_5`), or is given as MAP,FASTA,REFERENCE,RESOLUTION. Kinds are those of
`benches/templates.py`, and `stranger`: the backbone of the case before, with the case's own sequence.
"""

import argparse
import json
import multiprocessing
import time
from dataclasses import replace
from pathlib import Path

from templates import KINDS, NoStore, write_template

from emodelx.config import BuildConfig, RunConfig, TemplateConfig
from emodelx.errors import EmodelxError
from emodelx.inputs import read_inputs
from emodelx.io.structures import CalphaChain, read_calphas, write_mmcif
from emodelx.machine import peak_memory
from emodelx.pipeline import run_stages
from emodelx.progress import SILENT
from emodelx.records import CalphaModel
from emodelx.report.summary import InputFile
from emodelx.scoring import compare
from emodelx.stepper import Stepper

STRANGER = "stranger"


def strange(chains: list[CalphaChain], others: list[CalphaChain]) -> list[CalphaChain]:
    """The sequences of `chains` on the backbones of `others`, as far as both go."""
    return [_on_backbone(chain, others[i % len(others)]) for i, chain in enumerate(chains)]


def _on_backbone(chain: CalphaChain, other: CalphaChain) -> CalphaChain:
    length = min(len(chain.residues), len(other.residues))
    own = {name: getattr(chain, name)[:length] for name in ("residues", "numbers", "b_factors")}
    return replace(chain, **own, positions=other.positions[:length])


def case_files(case: str) -> tuple[str, Path, Path, Path, float]:
    """Name, map, FASTA, reference and resolution of a case."""
    if "," in case:
        density, fasta, reference, resolution = case.split(",")
        return Path(density).name.split(".")[0], Path(density), Path(fasta), Path(reference), float(resolution)
    folder = Path(case)
    files = (folder / "map.mrc", folder / "sequences.fasta", folder / "reference.cif")
    return folder.name, *files, float(folder.name.rsplit("_", 1)[1])


def build_case(case: str, before: str, kind: str, options: argparse.Namespace) -> dict[str, object]:
    """Build one case with one kind of template, and compare with the reference."""
    name, density, fasta, reference_file, resolution = case_files(case)
    reference = read_calphas(reference_file)
    chains = list(reference)
    if kind == STRANGER:
        chains = strange(chains, list(read_calphas(case_files(before)[3])))
    files: tuple[Path, ...] = ()
    if kind != "none":
        path = options.output / f"{name}_{kind}_{options.seed}.pdb"
        files = (write_template(path, chains, "perfect" if kind == STRANGER else kind, options.seed),)
    config = BuildConfig(
        map=density, fasta=fasta, output=options.output / "model", resolution=resolution,
        templates=TemplateConfig(files=files), run=RunConfig(threads=options.threads),
    )  # fmt: skip
    facts: dict[str, object] = {"case": name, "kind": kind, "seed": options.seed}
    wall, cpu = time.perf_counter(), time.process_time()
    stepper = Stepper(NoStore(config.output), config.run, reuse=False, progress=SILENT)
    try:
        sources = {"map": InputFile(str(density), sha256="")}
        done = run_stages(config, read_inputs(config), sources, stepper)
    except EmodelxError as error:
        return facts | {"error": str(error)[:60]}
    cost = {
        "wall_s": time.perf_counter() - wall,
        "cpu_s": time.process_time() - cpu,
        "peak_gb": (peak_memory() or 0) / 1e9,
    }
    facts |= {"search_s": stepper.seconds.get("rigid search", 0.0), **{k: round(v, 1) for k, v in cost.items()}}
    found = [(p.template, len(p.numbers), round(p.score, 1)) for p in done.placements if p.right is not None]
    return facts | {"found": found} | score(done.model.record, reference, options.output / f"{name}_{kind}.cif")


def score(model: CalphaModel, reference: tuple[CalphaChain, ...], file: Path) -> dict[str, object]:
    """What the model is worth, and how its confidence is calibrated."""
    if model.placed_count() == 0:
        return {"built": 0}
    write_mmcif(file, model.without_side_chains())
    found = compare(read_calphas(file), reference)
    names = ("ca_recall", "ca_precision", "reg_acc", "reg_precision", "tm")
    figures = {name: round(float(getattr(found, name)), 3) for name in names}
    return {"built": model.placed_count(), "expected": found.n_true, **figures}


def main() -> None:
    """Run all cases and kinds, one line of JSON each; every build in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path)
    parser.add_argument("cases", nargs="+")
    parser.add_argument("--kinds", nargs="+", default=["distorted"], choices=(*KINDS, STRANGER))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    spawn = multiprocessing.get_context("spawn")
    for i, case in enumerate(options.cases):
        for kind in options.kinds:
            with spawn.Pool(1) as pool:
                result = pool.apply(build_case, (case, options.cases[i - 1], kind, options))
            print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
