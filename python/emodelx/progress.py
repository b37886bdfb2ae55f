"""What a run tells while it works; the command line shows it, the library keeps silent."""

from typing import Protocol


class Progress(Protocol):
    """Listener of a run."""

    def start(self, stage: str) -> None:
        """Hear that a stage begins."""

    def advance(self, done: int, total: int) -> None:
        """Hear that `done` of `total` units of the running stage are ready; a total of 0 is not known yet."""

    def finish(self, seconds: float, reused: bool) -> None:
        """Hear that the running stage is over, and whether its record was taken from an earlier run."""

    def note(self, line: str) -> None:
        """Hear a fact about the run."""

    def warn(self, line: str) -> None:
        """Hear what the user should look at."""


class Silent:
    """A listener that says nothing."""

    def start(self, stage: str) -> None:
        """Keep silent."""

    def advance(self, done: int, total: int) -> None:
        """Keep silent."""

    def finish(self, seconds: float, reused: bool) -> None:
        """Keep silent."""

    def note(self, line: str) -> None:
        """Keep silent."""

    def warn(self, line: str) -> None:
        """Keep silent."""


SILENT = Silent()
