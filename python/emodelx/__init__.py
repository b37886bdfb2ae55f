"""emodelx: atomic models from cryo-EM maps and protein sequences.

Lengths are in Angstrom, points are (x, y, z), volumes are indexed [x, y, z] on a 1 A grid.
"""

from emodelx._core import __version__

__all__ = ["__version__"]
