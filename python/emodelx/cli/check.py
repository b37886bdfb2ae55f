"""`emodelx check`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from emodelx.cli import options
from emodelx.config import BuildConfig, TemplateConfig

if TYPE_CHECKING:
    from emodelx.inputs import Inputs
    from emodelx.records import Directions, HelixTurns


def check(
    fasta: options.Fasta = None,
    no_sequence: options.NoSequence = False,
    map: options.Map = None,
    prediction: options.Prediction = None,
    mask: options.Mask = None,
    template: options.Templates = None,
    template_identity: options.TemplateIdentity = TemplateConfig.least_identity,
    resolution: options.Resolution = None,
    output: options.Output = Path("emodelx-out"),
    device: options.Device = "auto",
    weights: options.Weights = None,
    copies: options.Copies = None,
    verbose: options.Verbose = False,  # noqa: ARG001 - read by main, which prints the traceback
) -> None:
    """Read all inputs of a build, and print what each is and what is assumed; nothing is written.

    The densest part of the map is read by the network, to say whether the map is a mirror image; and it is said whether
    the map shows details worse along some directions, as maps do whose particles lie in few orientations.
    """
    config = BuildConfig(
        output=output, fasta=fasta, no_sequence=no_sequence, map=map, prediction=prediction, mask=mask,
        weights=weights, resolution=resolution, device=device, copies=options.read_copies(copies),
        templates=TemplateConfig(files=tuple(template or ()), least_identity=template_identity),
    )  # fmt: skip
    from emodelx.preview import preview

    inputs = print_inputs(config)
    seen = preview(inputs, config)
    _print_hand(seen.turns)
    if seen.directions is not None:
        _print_directions(seen.directions)


def print_inputs(config: BuildConfig) -> Inputs:
    """Check the inputs of a build, print what they are and return them."""
    from emodelx.inputs import read_inputs

    inputs = read_inputs(config)
    for line in inputs.describe():
        print(line)
    for line in inputs.warnings():
        print(f"warning: {line}")
    print(f"ready to build {config.output / f'{config.name}.cif'}")
    return inputs


def _print_hand(turns: HelixTurns) -> None:
    """Say whether the map has the hand of proteins."""
    from emodelx.inputs import mirror_line

    counted = f"{turns.right} right-handed and {turns.left} left-handed turns of helices"
    if turns.says_mirrored():
        print(f"warning: {mirror_line(turns)}")
    elif turns.says_right():
        print(f"hand: right ({counted})")
    else:
        print(f"hand: cannot be told from the map ({counted})")


def _print_directions(directions: Directions) -> None:
    """Say whether the map shows details alike along all directions."""
    from emodelx.inputs import directions_line

    if directions.uneven():
        print(f"warning: directions: {directions_line(directions)}")
    elif directions.ratio > 1:
        print(f"directions: {directions_line(directions)}")
    else:
        print(f"directions: alike, as far as details of {directions.resolution:.1f} A tell")
