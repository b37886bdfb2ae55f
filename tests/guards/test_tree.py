"""The tree says its version once and names no machine."""

import re
from importlib.metadata import version
from pathlib import Path

import emodelx

FOLDERS = ("rust", "python", "tests", "benches", "scripts", "docs", "examples", ".ci")
TEXT = {".py", ".pyi", ".rs", ".toml", ".md", ".txt", ".sh", ".json", ".lock", ".csv", ".fasta", ".cxc", ""}
MACHINE_PATH = re.compile(r"(?<![\w.:/-])/(?:work|home|root|Users|tmp|mnt|scratch|opt)/\w")
REGISTRY = re.compile(r"(?:index|registry|find-links)[-_\w]*\s*[=: ]\s*[\"']?https?://")


def texts(root: Path):
    """Every text file of the tree with its content."""
    files = [path for path in root.iterdir() if path.is_file() and path.name != ".git"]  # a file in worktrees
    files += [path for folder in FOLDERS for path in (root / folder).rglob("*") if path.is_file()]
    found = [path for path in files if path.suffix in TEXT and "__pycache__" not in path.parts]
    assert len(found) >= 40, "the guard must see the tree"
    return [(path.relative_to(root), path.read_text()) for path in found]


def test_no_machine_paths(root):
    wrong = [f"{path}: {hit.group()}" for path, text in texts(root) for hit in MACHINE_PATH.finditer(text)]
    assert not wrong, "\n".join(wrong)


def test_no_package_registry(root):
    wrong = [f"{path}: {hit.group()}" for path, text in texts(root) for hit in REGISTRY.finditer(text)]
    assert not wrong, "\n".join(wrong)


def test_the_guards_can_see():
    assert MACHINE_PATH.search("open('" + "/ho" + "me/me/x.mrc')")
    assert REGISTRY.search("index-url = " + "https:" + "//example.org/simple")


def test_one_version(root):
    cargo = re.search(r'^version = "(.+)"', (root / "Cargo.toml").read_text(), re.MULTILINE)
    assert cargo is not None
    assert cargo.group(1) == emodelx.__version__ == version("emodelx")
    assert 'dynamic = ["version"]' in (root / "pyproject.toml").read_text()
