"""What all tests of the core against its slow twins share."""

import signal
import threading
import time
from contextlib import contextmanager

import numpy as np
import pytest

THREADS = (1, 2, 8)


@pytest.fixture
def same_on_all_threads():
    """Call a step on 1, 2 and 8 threads, check that the bytes are the same, and return its result."""

    def check(step, *arguments):
        results = [step(*arguments, threads=threads) for threads in THREADS]
        first = flat(results[0])
        for other in map(flat, results[1:]):
            assert [a.tobytes() for a in first] == [b.tobytes() for b in other]
        return results[0]

    return check


def flat(result):
    """The arrays of nested tuples and lists."""
    return [result] if isinstance(result, np.ndarray) else [array for part in result for array in flat(part)]


@pytest.fixture
def interrupted():
    """Press Ctrl-C a moment after a step has begun; the step must end by it, and soon."""

    @contextmanager
    def press():
        main = threading.main_thread().ident
        ctrl_c = threading.Timer(0.2, signal.pthread_kill, (main, signal.SIGINT))
        began = time.monotonic()
        ctrl_c.start()
        try:
            with pytest.raises(KeyboardInterrupt):
                yield
        finally:
            ctrl_c.cancel()
        assert time.monotonic() - began < 5

    return press
