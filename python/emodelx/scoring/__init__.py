"""Model against model."""
