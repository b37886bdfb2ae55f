"""Keep sequences back, one at a time, and measure what is traced without them, for `docs/accuracy.md`.

Usage: python benches/left_out.py OUTPUT CASE ...

Cases are those of `benches/rigid.py`: folders of `benches/rigid_cases.py`, or MAP,FASTA,REFERENCE,RESOLUTION. The first
row of a case has all its sequences: what is traced there is wrong, or not in the reference.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from rigid import case_files
from scipy.spatial import KDTree

from emodelx import BuildConfig, build
from emodelx.config import Engine, RunConfig
from emodelx.io.sequences import read_sequences
from emodelx.io.structures import CalphaChain, read_calphas
from emodelx.records import Sequence
from emodelx.scoring import compare

NEAR = 3.0


def measure(case: str, left_out: int | None, output: Path) -> dict[str, object]:
    """Build a case without one of its sequences."""
    name, density, fasta, reference_file, resolution = case_files(case)
    sequences = read_sequences(fasta).sequences
    given = [sequence for i, sequence in enumerate(sequences) if i != left_out]
    reduced = output / f"{name}_{left_out}.fasta"
    reduced.write_text("".join(record(sequence) for sequence in given))
    config = BuildConfig(
        output / f"{name}_{left_out}", reduced, map=density, resolution=resolution, refine_with=Engine.NONE,
        run=RunConfig(threads=1),
    )  # fmt: skip
    result = build(config)
    reference = read_calphas(reference_file)
    hidden = [chain for chain in reference if left_out is not None and is_of(chain, sequences[left_out])]
    facts = {"case": name, "left out": left_out, "residues left out": sum(len(chain.residues) for chain in hidden)}
    chains = result.report.unexplained_chains
    facts |= {"traced": result.report.unexplained_residues, "chains": len(chains)}
    if not chains:
        return facts
    traced = read_calphas(result.files.unexplained)
    there = KDTree(np.concatenate([chain.positions for chain in reference]))
    on_chain = there.query(np.concatenate([chain.positions for chain in traced]))[0] < NEAR
    facts["on a chain"] = round(float(on_chain.mean()), 3)
    if hidden:
        found = compare(traced, hidden)
        facts |= {"found": round(found.ca_recall, 3), "of it": round(found.ca_precision, 3)}
        facts["forward"] = round(found.forward_rate / max(found.ca_precision, 1e-9), 3)
    return facts


def record(sequence: Sequence) -> str:
    """A sequence in FASTA, with its chains."""
    return f">{sequence.name}|Chains {', '.join(sequence.chains)}|\n{sequence.residues}\n"


def is_of(chain: CalphaChain, sequence: Sequence) -> bool:
    """Whether a chain of the reference has a sequence."""
    return chain.name in sequence.chains


def main() -> None:
    """Print a line of JSON per build."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path)
    parser.add_argument("cases", nargs="+")
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    for case in options.cases:
        sequences = read_sequences(case_files(case)[2]).sequences
        for left_out in (None, *(range(len(sequences)) if len(sequences) > 1 else ())):
            print(json.dumps(measure(case, left_out, options.output)), flush=True)


if __name__ == "__main__":
    main()
