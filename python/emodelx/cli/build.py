"""`emodelx build`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from emodelx.cli import options
from emodelx.cli.check import print_inputs
from emodelx.config import BuildConfig, Column, Engine, ReadingConfig, RunConfig, TemplateConfig

if TYPE_CHECKING:
    from emodelx.pipeline import BuildResult


def build(
    output: options.Output,
    fasta: options.Fasta = None,
    no_sequence: options.NoSequence = False,
    map: options.Map = None,
    prediction: options.Prediction = None,
    mask: options.Mask = None,
    template: options.Templates = None,
    template_identity: options.TemplateIdentity = TemplateConfig.least_identity,
    device: options.Device = "auto",
    weights: options.Weights = None,
    resolution: options.Resolution = None,
    orientations: options.Orientations = ReadingConfig.orientations,
    copies: options.Copies = None,
    symmetry: options.Symmetry = None,
    threads: options.Threads = 0,
    seed: options.Seed = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the saved stages of an earlier run.")] = False,
    refine_with: options.RefineWith = Engine.BUILTIN,
    bfactor: Annotated[
        Column, typer.Option("--bfactor", help="What the B-factor column holds; adp fits one per residue to the map.")
    ] = Column.CONFIDENCE,
    pdb: Annotated[bool, typer.Option("--pdb", help="Write the model as PDB, too, where it fits.")] = False,
    min_confidence: Annotated[
        float,
        typer.Option(
            "--min-confidence",
            metavar="0-100",
            help="Keep residues with a lower confidence out of the model, in <name>_uncertain.cif.",
        ),
    ] = BuildConfig.min_confidence,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check the inputs, print what would be done, and stop.")
    ] = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,  # noqa: ARG001 - read by main, which prints the traceback
) -> None:
    """Build a model from a map (or a prediction) and the sequences of the complex, or without sequences.

    The results appear in the output folder; <name>.cif is there only when the run is complete.
    """
    config = BuildConfig(
        output=output, fasta=fasta, no_sequence=no_sequence, map=map, prediction=prediction, mask=mask,
        weights=weights, device=device, resolution=resolution, copies=options.read_copies(copies), symmetry=symmetry,
        resume=resume, write_pdb=pdb, min_confidence=min_confidence, refine_with=refine_with, bfactor=bfactor,
        reading=ReadingConfig(orientations=orientations),
        templates=TemplateConfig(files=tuple(template or ()), least_identity=template_identity),
        run=RunConfig(threads=threads, seed=seed),
    )  # fmt: skip
    if dry_run:
        print_inputs(config)
        return
    from emodelx import pipeline
    from emodelx.cli.console import show_progress

    with show_progress(quiet) as progress:
        result = pipeline.build(config, progress)
    if not quiet:
        _print_result(result)
        if no_sequence or result.report.unexplained_chains:
            print(f"to find the sequences: emodelx search DATABASE.fasta --profiles {result.files.profiles}")


def _print_result(result: BuildResult) -> None:
    """Say what was built and where it is."""
    report, files = result.report, result.files
    for chain in report.chains:
        print(
            f"chain {chain.chain} ({chain.sequence}): {chain.built} of {chain.length} residues, "
            f"mean confidence {chain.mean_confidence:.0f}"
        )
    print(f"built: {report.residues_built} of {report.residues_expected} residues ({report.completeness:.1%})")
    if report.residues_uncertain:
        print(f"kept apart: {report.residues_uncertain} more, below {report.min_confidence:g}: {files.uncertain}")
    if report.residues_built < report.residues_expected:
        print(f"not built: {files.unmodelled}")
    if report.unexplained_chains:
        print(f"of other sequences or copies: {report.unexplained_residues} residues: {files.unexplained}")
    print(f"report: {files.page}, warnings: {len(report.warnings)}")
    print(f"to look at it: chimerax {files.viewer}")
    print(f"model: {files.model}")
