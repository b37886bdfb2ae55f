"""The example made, built as any other map, and compared with its truth."""

import time
from dataclasses import dataclass
from pathlib import Path

from emodelx.config import BuildConfig
from emodelx.demo.example import Example, make_example
from emodelx.io.structures import read_calphas
from emodelx.network.weights import DEFAULT_NAME
from emodelx.pipeline import BuildResult, build
from emodelx.progress import SILENT, Progress
from emodelx.scoring import Comparison, compare


@dataclass(frozen=True)
class Demonstration:
    """What was made, what was built, and how well.

    Attributes
    ----------
    example : Example
    result : BuildResult
        Its files are in the folder `model` beside those of the example.
    comparison : Comparison
        Model against truth.
    seconds : float
        Wall time of all of it.
    """

    example: Example
    result: BuildResult
    comparison: Comparison
    seconds: float


def demonstrate(folder: Path, progress: Progress = SILENT) -> Demonstration:
    """Make the example, build it on the CPU with the packaged weights, and score the model file.

    Parameters
    ----------
    folder : Path
        Made if it is not there.
    progress : Progress

    Raises
    ------
    EmodelxError
        When the folder or a file in it cannot be written, or the build fails.
    """
    started = time.monotonic()
    progress.start("example")
    example = make_example(folder)
    progress.finish(time.monotonic() - started, False)
    config = BuildConfig(
        output=folder / "model", fasta=example.fasta, map=example.map, device="cpu", weights=DEFAULT_NAME
    )
    result = build(config, progress)
    comparison = compare(read_calphas(result.files.model), read_calphas(example.truth))
    return Demonstration(example, result, comparison, time.monotonic() - started)
