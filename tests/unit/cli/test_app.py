import errno
import os
import subprocess
import sys

import pytest
import typer

from emodelx import __version__
from emodelx.cli import app as program
from emodelx.errors import DownloadError, EmodelxError, InputError, NothingBuildableError, ResourceError, WeightsError


@pytest.fixture
def fails(monkeypatch, capsys):
    """Run a program whose only command raises; give the exit code and stderr."""

    def call(error, *words):
        def command(verbose: bool = typer.Option(False, "--verbose")):  # noqa: ARG001 - main reads it
            raise error

        broken = typer.Typer()
        broken.command()(command)
        monkeypatch.setattr(program, "app", broken)
        with pytest.raises(SystemExit) as ended:
            program.main(list(words))
        return ended.value.code, capsys.readouterr().err

    return call


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (InputError("a.map: no such file"), 2, "a.map: no such file"),
        (NothingBuildableError("nothing"), 3, "nothing"),
        (ResourceError("no GPU"), 4, "no GPU"),
        (WeightsError("cut short"), 5, "cut short"),
        (DownloadError("no answer"), 5, "no answer"),
        (EmodelxError("other"), 1, "other"),
        (MemoryError(), 4, "out of memory"),
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "out/work/a.npz"), 4, "the disk is full (out/work/a.npz)"),
        (OSError(errno.EIO, "broken", "x"), 1, "internal error"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (RuntimeError("two\nlines"), 1, "RuntimeError: two lines"),
    ],
)
def test_an_error_becomes_a_line_and_a_code(fails, error, code, said):
    found, stderr = fails(error)
    assert found == code
    assert len(stderr.splitlines()) == 1
    assert said in stderr
    assert stderr.startswith("emodelx: error: ")


def test_verbose_adds_the_traceback(fails):
    code, stderr = fails(InputError("a.map: no such file"), "--verbose")
    assert code == 2
    assert stderr.splitlines()[0] == "emodelx: error: a.map: no such file"
    assert "Traceback" in stderr


def test_version_and_bare_call(capsys):
    for words, said in ((["--version"], f"emodelx {__version__}\n"), ([], "Usage: emodelx")):
        with pytest.raises(SystemExit) as ended:
            program.main(words)
        assert ended.value.code == 0
        assert capsys.readouterr().out.startswith(said)


HEAVY = ("torch", "numpy", "scipy", "gemmi", "safetensors", "rich.progress")


@pytest.mark.parametrize("words", [["--help"], ["build", "--help"], ["score", "--help"]])
def test_help_loads_nothing_heavy(words):
    """What makes `--help` quick; its time itself depends on the machine."""
    code = (
        "import sys\nfrom emodelx.cli.app import main\ntry:\n main(sys.argv[1:])\n"
        f"finally:\n print('LOADED', [name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=True)
    assert "Usage: " in done.stdout
    assert done.stdout.splitlines()[-1] == "LOADED []"


def test_public_names_are_there():
    import emodelx

    assert {getattr(emodelx, name) is not None for name in emodelx.__all__} == {True}
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = emodelx.nothing
