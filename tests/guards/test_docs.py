"""What the pages point to is there."""

import re

import pytest

LINK = re.compile(r"\]\((?!https?:)([^)#]+)")
FILE = re.compile(r"`((?:[\w.-]+/)*[\w-]+\.(?:py|rs|md|sh))`")
FOLDERS = (".", "python/emodelx", "rust/core/src", "docs")
"""Where a file that a page names may be."""


@pytest.fixture
def pages(root):
    found = {path: path.read_text() for path in [*root.glob("*.md"), *(root / "docs").glob("*.md")]}
    assert len(found) >= 5, "the guard must see the pages"
    return found


def test_links_lead_somewhere(pages):
    links = [(page, link) for page, text in pages.items() for link in LINK.findall(text)]
    assert len(links) >= 8, "the guard must see links"
    broken = [f"{page.name}: {link}" for page, link in links if not (page.parent / link).exists()]
    assert not broken, "\n".join(broken)


def test_named_files_are_there(pages, root):
    named = [(page, name) for page, text in pages.items() for name in FILE.findall(text)]
    assert len(named) >= 50, "the guard must see names of files"
    gone = [f"{page.name}: {name}" for page, name in named if not any((root / at / name).exists() for at in FOLDERS)]
    assert not gone, "\n".join(gone)
