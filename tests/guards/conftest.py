"""What the guards read: the sources of the project."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / "python"


def module_name(path):
    parts = path.relative_to(PYTHON).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@pytest.fixture(scope="session")
def root():
    """Folder of the project."""
    return ROOT


@pytest.fixture(scope="session")
def modules():
    """Syntax tree of every module of the package, by its dotted name."""
    return {module_name(path): ast.parse(path.read_text()) for path in sorted(PYTHON.rglob("*.py"))}
