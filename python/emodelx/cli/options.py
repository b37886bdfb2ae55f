"""Options that several commands share, so that they read the same everywhere."""

from pathlib import Path
from typing import Annotated

import typer

from emodelx.config import Engine

Map = Annotated[
    Path | None, typer.Option("--map", "-v", metavar="MAP", help="Density map, .mrc/.map/.ccp4, plain or .gz.")
]
Fasta = Annotated[
    Path | None, typer.Option("--fasta", "-f", "-pf", metavar="FASTA", help="Protein sequences of the complex.")
]
NoSequence = Annotated[
    bool, typer.Option("--no-sequence", help="Trace main chains without sequences, and write a profile of each.")
]
Output = Annotated[
    Path, typer.Option("--output", "-o", metavar="DIR", help="Folder of the results; its name names the model.")
]
Prediction = Annotated[
    Path | None,
    typer.Option(
        "--prediction",
        metavar="NPZ",
        help="Start from the file of 'emodelx predict' or of another network; best with its --map.",
    ),
]
Mask = Annotated[
    Path | None, typer.Option("--mask", "-m", metavar="MASK", help="Soft mask, 0 to 1; nothing is built outside.")
]
Templates = Annotated[
    list[Path] | None,
    typer.Option(
        "--template",
        "-t",
        metavar="FILE|DIR",
        help="Predicted structure or homologue, PDB or mmCIF; may be given several times.",
    ),
]
TemplateIdentity = Annotated[
    float, typer.Option("--template-identity", metavar="SHARE", help="Least identity of a template to a sequence.")
]
Device = Annotated[str, typer.Option("--device", "-d", metavar="DEVICE", help="auto, cpu, cuda, cuda:N or mps.")]
Weights = Annotated[
    str | None,
    typer.Option(
        "--weights", metavar="FILE", help="Weights file or packaged name. [default: $EMODELX_WEIGHTS, else packaged]"
    ),
]
Resolution = Annotated[
    float | None,
    typer.Option("--resolution", metavar="A", help="Resolution in Angstrom. [default: estimated from the map]"),
]
Orientations = Annotated[
    int,
    typer.Option(
        "--orientations",
        metavar="N",
        min=1,
        max=24,
        help="Orientations in which the network reads the map; fewer are faster, more are read better.",
    ),
]
Threads = Annotated[
    int, typer.Option("--threads", "-j", metavar="N", help="CPU threads; 0 takes all that the process may use.")
]
Seed = Annotated[int, typer.Option("--seed", metavar="N", help="Seed of everything that is drawn.")]
RefineWith = Annotated[
    Engine,
    typer.Option(
        "--refine-with", help="openmm needs the extra 'refine'; phenix and servalcat need an installation of yours."
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")]
Verbose = Annotated[bool, typer.Option("--verbose", help="Print details, and the traceback of an error.")]
Copies = Annotated[
    list[str] | None,
    typer.Option("--copies", metavar="NAME=N", help="Copies of a sequence; may be given several times."),
]
Symmetry = Annotated[
    str | None,
    typer.Option(
        "--symmetry",
        metavar="GROUP",
        help="Point group (C4, D7, T, O, I, ...), auto, or C1 for none. [default: auto; none if a template is found]",
    ),
]


def read_copies(copies: list[str] | None) -> dict[str, int]:
    """Return what `--copies` asks for."""
    from emodelx.io.sequences import parse_copies

    return parse_copies(copies or [])


def require_resolution(resolution: float | None) -> None:
    """Refuse a resolution that is a typing error."""
    from emodelx.config import RESOLUTION_RANGE
    from emodelx.errors import InputError

    low, high = RESOLUTION_RANGE
    if resolution is not None and not low <= resolution <= high:
        raise InputError(f"--resolution {resolution:g}: give Angstrom between {low:g} and {high:g}")
