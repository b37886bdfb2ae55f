"""Stub of the Rust extension."""

__version__: str
