"""Write the help text of every command to `docs/cli`, so that each change of the command line shows as a difference."""

from collections.abc import Iterator
from pathlib import Path

import typer
from typer.testing import CliRunner

from emodelx.cli.app import app

FOLDER = Path(__file__).parent / "cli"
WIDTH = {"COLUMNS": "100", "TERMINAL_WIDTH": "100", "NO_COLOR": "1"}


def help_texts() -> dict[str, str]:
    """The help text of every command, by the name of its file."""
    runner = CliRunner(env=WIDTH)
    texts = {}
    for words in _commands(typer.main.get_command(app), ()):
        result = runner.invoke(app, [*words, "--help"], prog_name="emodelx")
        lines = [line.rstrip() for line in result.output.splitlines()]
        texts["-".join(["emodelx", *words]) + ".txt"] = "\n".join(lines) + "\n"
    return texts


def _commands(command: object, words: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """The words of a command and of the commands below it."""
    yield words
    for name, below in getattr(command, "commands", {}).items():
        yield from _commands(below, (*words, name))


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for old in FOLDER.glob("*.txt"):
        old.unlink()
    for name, text in help_texts().items():
        (FOLDER / name).write_text(text)
