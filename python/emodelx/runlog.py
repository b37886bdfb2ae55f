"""`run.log`: what a run was asked, what it found and how long it took, line by line as it happens."""

import time
from datetime import datetime
from pathlib import Path
from types import TracebackType

from emodelx.progress import Progress


class RunLog:
    """A listener that writes to a file and hands everything on to another listener.

    Used as a context; it also writes how the run ended.

    Attributes
    ----------
    notes, warnings : list of str
        What was noted and warned of so far.
    """

    def __init__(self, path: Path, listener: Progress, keep: bool) -> None:
        self._file = path.open("a" if keep else "w", encoding="utf-8")
        self._listener = listener
        self.notes: list[str] = []
        self.warnings: list[str] = []
        self._stage = ""
        self._started = time.monotonic()

    def __enter__(self) -> "RunLog":
        self.write(f"started {datetime.now().astimezone().isoformat(timespec='seconds')}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        seconds = time.monotonic() - self._started
        ended = "finished" if kind is None else f"ended by {kind.__name__}: {error}"
        self.write(f"{ended} after {seconds:.1f} s")
        self._file.close()

    def write(self, line: str) -> None:
        """Write a line to the file only."""
        self._file.write(f"{line}\n")
        self._file.flush()

    def start(self, stage: str) -> None:
        """Hear that a stage begins."""
        self._stage = stage
        self._listener.start(stage)

    def advance(self, done: int, total: int) -> None:
        """Hear a count; the file does without."""
        self._listener.advance(done, total)

    def finish(self, seconds: float, reused: bool) -> None:
        """Write the time of the stage."""
        self.write(f"stage {self._stage}: {seconds:.2f} s{' (from the earlier run)' if reused else ''}")
        self._listener.finish(seconds, reused)

    def note(self, line: str) -> None:
        """Write a fact."""
        self.notes.append(line)
        self.write(line)
        self._listener.note(line)

    def warn(self, line: str) -> None:
        """Write a warning."""
        self.warnings.append(line)
        self.write(f"warning: {line}")
        self._listener.warn(line)
