"""The help texts in docs/cli are those of the program; `make docs` writes them anew."""

import runpy


def test_help_is_written_down(root):
    texts = runpy.run_path(str(root / "docs/write_cli_help.py"))["help_texts"]()
    assert len(texts) >= 7, "the guard must see the commands"
    kept = {path.name: path.read_text() for path in (root / "docs/cli").glob("*.txt")}
    assert kept == texts, "the command line changed: run `make docs`"
