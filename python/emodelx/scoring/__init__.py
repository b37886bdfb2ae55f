"""Model against model."""

from emodelx.scoring.compare import Comparison, compare

__all__ = ["Comparison", "compare"]
