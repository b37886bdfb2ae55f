"""emodelx: atomic models from cryo-EM maps and protein sequences.

Lengths are in Angstrom, points are (x, y, z), volumes are indexed [x, y, z] on a 1 A grid.

The program in three lines:

>>> from emodelx import BuildConfig, build
>>> result = build(BuildConfig(map="map.mrc", fasta="sequences.fasta", output="model"))  # doctest: +SKIP
>>> print(result.files.model, f"{result.report.completeness:.0%}")  # doctest: +SKIP
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from emodelx._core import __version__
    from emodelx.config import BuildConfig
    from emodelx.pipeline import BuildResult, build

__all__ = ["BuildConfig", "BuildResult", "__version__", "build"]

_HOMES = {
    "BuildConfig": "emodelx.config",
    "BuildResult": "emodelx.pipeline",
    "build": "emodelx.pipeline",
    "__version__": "emodelx._core",  # a GPU node may train without the extension
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever is asked for
    """Load a public name when it is first used: `emodelx --help` needs none of them and should not wait."""
    if name not in _HOMES:
        raise AttributeError(f"module 'emodelx' has no attribute '{name}'")
    return getattr(import_module(_HOMES[name]), name)
