"""Runs one stage after another, and takes the record of an earlier run where it is still valid."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar

from emodelx._core import __version__
from emodelx.config import RunConfig
from emodelx.io.store import Store, digest
from emodelx.progress import Progress

T = TypeVar("T")


@dataclass(frozen=True)
class Kept(Generic[T]):
    """A record, and the digest of everything that it was made from."""

    record: T
    key: str

    def part(self, name: str) -> "Kept[Any]":
        """Return a field of the record."""
        return Kept(getattr(self.record, name), digest(self.key, name))


@dataclass(frozen=True)
class Stepper:
    """Runs stages and keeps their records.

    Attributes
    ----------
    store : Store
    run : RunConfig
        The seed is part of every key; the number of threads is not, because it changes nothing.
    reuse : bool
        Whether to take records of an earlier run.
    progress : Progress
    seconds : dict of float
        Wall time by stage, filled as they run.
    """

    store: Store
    run: RunConfig
    reuse: bool
    progress: Progress
    seconds: dict[str, float] = field(default_factory=dict)

    def step(self, name: str, stage: Callable[..., T], *inputs: Any) -> Kept[T]:  # noqa: ANN401 - records and configurations
        """Return what `stage` makes of `inputs`, or the same from an earlier run.

        Parameters
        ----------
        name : str
            Name of the stage and of its saved record.
        stage : callable
            Called with the inputs and the `RunConfig`.
        inputs
            Kept records, and configurations.
        """
        key = digest(__version__, name, self.run.seed, *(i.key if isinstance(i, Kept) else i for i in inputs))
        self.progress.start(name)
        started = time.perf_counter()
        record = self.store.load(name, key) if self.reuse else None
        reused = record is not None
        if record is None:
            record = stage(*(i.record if isinstance(i, Kept) else i for i in inputs), self._told_run())
            self.store.save(name, key, record)
        self.seconds[name] = round(time.perf_counter() - started, 3)
        self.progress.finish(self.seconds[name], reused)
        return Kept(record, key)

    def once(self, name: str, work: Callable[..., T], *inputs: Any) -> T:  # noqa: ANN401 - whatever the work takes
        """Return what `work` makes of `inputs`; nothing is saved."""
        self.progress.start(name)
        started = time.perf_counter()
        result = work(*inputs)
        self.seconds[name] = round(time.perf_counter() - started, 3)
        self.progress.finish(self.seconds[name], reused=False)
        return result

    def _told_run(self) -> RunConfig:
        return replace(self.run, progress=self.progress.advance)
