import subprocess
import sys
from pathlib import Path

from emodelx import machine


def test_available_memory_is_the_smaller_of_machine_and_container(monkeypatch, tmp_path):
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(machine, "_CONTAINER_LIMITS", (str(limit),))
    free = machine.available_memory()
    limit.write_text("max\n")
    assert (machine.available_memory() is None) == (free is None)
    limit.write_text("1000\n")
    assert machine.available_memory() == 1000


def test_peak_memory_grows_with_what_is_held():
    before = machine.peak_memory()
    held = b"x" * (before + 50_000_000)
    assert machine.peak_memory() >= len(held)


def test_peak_memory_is_that_of_this_process_alone():
    held = b"x" * 300_000_000
    code = "from emodelx.machine import peak_memory; print(peak_memory())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert machine.peak_memory() > len(held) > int(done.stdout)


def test_nearest_existing(tmp_path):
    assert machine.nearest_existing(tmp_path) == tmp_path
    assert machine.nearest_existing(tmp_path / "a" / "b") == tmp_path
    assert machine.nearest_existing(Path("not-there")) == Path.cwd()
    assert machine.free_disk(tmp_path / "a") > 0


def test_threads_are_those_that_were_granted(monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {3, 5}, raising=False)
    assert machine.usable_threads() == 2
