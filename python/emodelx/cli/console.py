"""How a run shows its progress: live on a terminal, plain lines elsewhere, nothing with --quiet.

Everything here goes to stderr; stdout is kept for results.
"""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bars

from emodelx.progress import SILENT, Progress

HEARTBEAT = 30.0
"""Longest silence in seconds between two plain lines of a stage that advances."""


@contextmanager
def show_progress(quiet: bool) -> Iterator[Progress]:
    """Give the listener that fits where stderr goes."""
    if quiet:
        yield SILENT
    elif sys.stderr.isatty():
        with _bars() as bars:
            yield TerminalProgress(bars)
    else:
        yield LineProgress()


def _bars() -> Bars:
    columns = (SpinnerColumn(), TextColumn("{task.description:<14}"), BarColumn(20), MofNCompleteColumn())
    times = (TimeElapsedColumn(), TextColumn("passed"), TimeRemainingColumn(), TextColumn("left"))
    return Bars(*columns, *times, console=Console(stderr=True))


class TerminalProgress:
    """One bar per stage with its count and the time left."""

    def __init__(self, bars: Bars) -> None:
        self._bars = bars
        self._task = TaskID(0)

    def start(self, stage: str) -> None:
        """Add a bar that pulses until the first count."""
        self._task = self._bars.add_task(stage, total=None)

    def advance(self, done: int, total: int) -> None:
        """Move the bar."""
        self._bars.update(self._task, completed=done, total=total or None)

    def finish(self, seconds: float, reused: bool) -> None:  # noqa: ARG002 - the bar shows its own time
        """Fill the bar."""
        total = self._bars.tasks[self._task].total or 1
        self._bars.update(self._task, completed=total, total=total)
        if reused:
            self._bars.console.print("  taken from the earlier run", style="dim")

    def note(self, line: str) -> None:
        """Print above the bars."""
        self._bars.console.print(line, markup=False, highlight=False)

    def warn(self, line: str) -> None:
        """Print above the bars, in colour."""
        self._bars.console.print(f"warning: {line}", style="yellow", markup=False, highlight=False)


class LineProgress:
    """A plain line per stage, and one now and then within it."""

    def __init__(self) -> None:
        self._stage = ""
        self._started = self._last = 0.0

    def start(self, stage: str) -> None:
        """Remember the stage; it is told when it ends, or when it takes long."""
        self._stage = stage
        self._started = self._last = time.monotonic()

    def advance(self, done: int, total: int) -> None:
        """Print a line when the last one is old."""
        now = time.monotonic()
        if now - self._last < HEARTBEAT or not total:
            return
        self._last = now
        left = (now - self._started) * (total - done) / max(done, 1)
        self.note(f"{self._stage}: {done} of {total}, about {left:.0f} s left")

    def finish(self, seconds: float, reused: bool) -> None:
        """Print the time of the stage."""
        self.note(f"{self._stage}: {'taken from the earlier run' if reused else f'{seconds:.1f} s'}")

    def note(self, line: str) -> None:
        """Print a line."""
        print(line, file=sys.stderr, flush=True)

    def warn(self, line: str) -> None:
        """Print a line that says that it is a warning."""
        self.note(f"warning: {line}")
