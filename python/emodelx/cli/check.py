"""`emodelx check`."""

from pathlib import Path

from emodelx.cli import options
from emodelx.config import BuildConfig, TemplateConfig


def check(
    fasta: options.Fasta = None,
    no_sequence: options.NoSequence = False,
    map: options.Map = None,
    prediction: options.Prediction = None,
    mask: options.Mask = None,
    template: options.Templates = None,
    template_identity: options.TemplateIdentity = TemplateConfig.least_identity,
    output: options.Output = Path("emodelx-out"),
    device: options.Device = "auto",
    weights: options.Weights = None,
    copies: options.Copies = None,
    verbose: options.Verbose = False,  # noqa: ARG001 - read by main, which prints the traceback
) -> None:
    """Read all inputs of a build, and print what each is and what is assumed; nothing is written."""
    print_inputs(
        BuildConfig(
            output=output, fasta=fasta, no_sequence=no_sequence, map=map, prediction=prediction, mask=mask,
            weights=weights, device=device, copies=options.read_copies(copies),
            templates=TemplateConfig(files=tuple(template or ()), least_identity=template_identity),
        )
    )  # fmt: skip


def print_inputs(config: BuildConfig) -> None:
    """Check the inputs of a build and print what they are."""
    from emodelx.inputs import read_inputs

    inputs = read_inputs(config)
    for line in inputs.describe():
        print(line)
    for line in inputs.warnings():
        print(f"warning: {line}")
    print(f"ready to build {config.output / f'{config.name}.cif'}")
