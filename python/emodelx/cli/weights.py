"""`emodelx weights`: the networks that can read a map."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from emodelx.network.weights import WeightsInfo

app = typer.Typer(help="List, verify and import network weights.", rich_markup_mode=None)


@app.command("list")
def list_weights() -> None:
    """List the packaged weights, and the file that a run without --weights takes."""
    from emodelx.network.weights import find_weights, packaged_weights, read_info

    for path in packaged_weights():
        print(f"{path.stem:<12} {describe(path, read_info(path))}")
    print(f"a run without --weights takes {find_weights()}")


@app.command()
def verify(file: Annotated[str, typer.Argument(metavar="FILE", help="Weights file or packaged name.")]) -> None:
    """Read a weights file completely, and print what it is."""
    from emodelx.network.weights import find_weights, verify_weights

    path = find_weights(file)
    print(f"{path}: good, {describe(path, verify_weights(path))}")


@app.command("import")
def import_weights(
    backbone: Annotated[Path, typer.Argument(metavar="BB.ckpt", help="Published checkpoint of the backbone task.")],
    calpha: Annotated[Path, typer.Argument(metavar="CA.ckpt", help="Published checkpoint of the Calpha task.")],
    amino: Annotated[Path, typer.Argument(metavar="AA.ckpt", help="Published checkpoint of the amino-acid task.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="New weights file, .safetensors.")],
) -> None:
    """Make one weights file of the three published checkpoints: backbone, Calpha, amino acid, in this order."""
    from emodelx.network.published import import_published

    info = import_published(backbone, calpha, amino, output)
    print(f"{output}: {describe(output, info)}")


def describe(path: Path, info: "WeightsInfo") -> str:
    """Return a weights file in one line."""
    widths = "-".join(str(width) for width in info.network.widths)
    second = "a second network for bends" if info.bends else "no second network"
    nucleic = "a network for nucleic acids" if info.nucleic else "none for nucleic acids"
    return (
        f"{info.network.layout} network {widths}, {path.stat().st_size / 1e6:.1f} MB, windows of {info.window} A, "
        f"normalisation '{info.normalisation.name}', Calpha threshold {info.calpha_threshold:g}, {second}, {nucleic}"
    )
