"""The program `emodelx`: its commands, and the one place where an error becomes a line and an exit code."""

import errno
import sys
import traceback
from collections.abc import Sequence
from typing import Any

import typer

import emodelx
from emodelx.cli import build, check, demo, doctor, predict, refine, score, search, templates, train, weights
from emodelx.errors import EmodelxError, InputError, ResourceError

INTERNAL_ERROR = 1
INTERRUPTED = 130
UsageError: type[Exception] = typer.BadParameter.mro()[1]
"""typer's own class for a wrong command line; where it lives differs between versions of typer."""

app = typer.Typer(
    name="emodelx",
    help="Atomic models from cryo-EM maps and protein sequences.",
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context, version: bool = typer.Option(False, "--version", help="Print the version and stop.")
) -> None:
    """Atomic models from cryo-EM maps and protein sequences."""
    if version:
        print(f"emodelx {emodelx.__version__}")
    elif context.invoked_subcommand is None:
        print(context.get_help())


app.command()(build.build)
app.command()(check.check)
app.command()(predict.predict)
app.command()(refine.refine)
app.command()(score.score)
app.command()(search.search)
app.command()(demo.demo)
app.add_typer(templates.app, name="templates")
app.add_typer(weights.app, name="weights")
app.command()(train.train)
app.command()(doctor.doctor)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the program and leave with its exit code.

    0: done; 1: internal error; 2: wrong input or options; 3: nothing buildable; 4: memory, disk or device; 5: weights
    or download; 130: interrupted.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    try:
        code = app(arguments, prog_name="emodelx", standalone_mode=False) or 0
        if code == INTERRUPTED:  # what typer makes of Ctrl-C
            raise KeyboardInterrupt
    except (KeyboardInterrupt, typer.Abort):
        code = _fail("interrupted; a build goes on from its last finished stage with --resume", INTERRUPTED)
    except Exception as error:  # whatever it is, the user gets one line and a code
        code = _report(error)
        if "--verbose" in arguments:
            traceback.print_exception(error)
    sys.exit(code)


def _report(error: Exception) -> int:
    """Say in one line what went wrong; return the exit code."""
    if isinstance(error, EmodelxError):
        return _fail(str(error), error.exit_code)
    if isinstance(error, UsageError):
        return _fail(_usage(error), InputError.exit_code)
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return _fail(
            f"the disk is full ({error.filename}); make room and repeat with --resume", ResourceError.exit_code
        )
    if isinstance(error, MemoryError):
        return _fail(
            "out of memory; give the machine more, or cut the map out around the complex", ResourceError.exit_code
        )
    return _fail(
        f"internal error: {type(error).__name__}: {error}; please report it with the output of --verbose",
        INTERNAL_ERROR,
    )


def _usage(error: Any) -> str:  # noqa: ANN401 - a `UsageError`, see there
    words = error.ctx.command_path if error.ctx else "emodelx"
    return f"{error.format_message()} (see '{words} --help')"


def _fail(message: str, code: int) -> int:
    print(f"emodelx: error: {' '.join(message.split())}", file=sys.stderr)
    return code
