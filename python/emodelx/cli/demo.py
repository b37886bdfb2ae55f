"""`emodelx demo`: an example that needs no files and no network."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from emodelx.cli import options

if TYPE_CHECKING:
    from emodelx.demo.run import Demonstration


def demo(
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="Folder of the example and its model.")
    ] = Path("emodelx-demo"),
    verbose: options.Verbose = False,  # noqa: ARG001 - read by main, which prints the traceback
) -> None:
    """Make a synthetic complex and its map, build it, and print how much of the truth was recovered.

    Takes less than three minutes on two CPU cores.
    """
    from emodelx.cli.console import show_progress
    from emodelx.demo.run import demonstrate

    with show_progress(quiet=False) as progress:
        done = demonstrate(output, progress)
    for part in (_built(done), _recovered(done), _files(done)):
        print(f"\n{part}")


def _built(done: "Demonstration") -> str:
    report = done.result.report
    lines = [f"Built {report.residues_built} of {report.residues_expected} residues in {done.seconds:.0f} s:"]
    lines += [f"  chain {c.chain} ({c.sequence}): {c.built} of {c.length} residues" for c in report.chains]
    return "\n".join(lines)


def _recovered(done: "Demonstration") -> str:
    found = done.comparison
    apart = "" if found.rmsd is None else f", {found.rmsd:.2f} A away on average (r.m.s.)"
    return f"""Recovered of the known truth ({found.n_true} residues; right is less than 3 A away):
  {found.ca_recall:.1%} of its residues have a Calpha{apart}
  {found.reg_acc:.1%} of its residues are there as the right residue of the right chain
  {found.reg_precision:.1%} of the built residues are the right residue of the right chain
  {found.tm:.3f} TM-score of the complex, in place
This map is synthetic and good; a real map gives less."""


def _files(done: "Demonstration") -> str:
    example, files = done.example, done.result.files
    return f"""Files:
  model      {files.model}
  report     {files.page}
  ChimeraX   {files.viewer}
  map        {example.map}
  sequences  {example.fasta}
  truth      {example.truth}"""
