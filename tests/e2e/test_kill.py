"""A run killed at any moment leaves no model, and its files take a later run to the same model."""

import os
import signal
import subprocess
import sys
import time

import pytest

# Every file takes a while, so that kills hit between files and within.
SLOW = """
import os, time
from emodelx.cli.app import main
fsync = os.fsync
os.fsync = lambda file: (time.sleep(0.04), fsync(file))
main()
"""
MOMENTS = (0.0, 0.03, 0.1, 0.17, 0.26, 0.33, 0.41, 0.5)
"""Seconds after the first sign of the output folder."""


def start(words):
    return subprocess.Popen([sys.executable, "-c", SLOW, *map(str, words)], stderr=subprocess.DEVNULL)


def wait_for(path, process):
    while not path.exists():
        assert process.poll() is None
        time.sleep(0.002)


@pytest.fixture(scope="module")
def words(planted):
    return ["build", "--prediction", planted.prediction, "-f", planted.fasta, "-q", "-j", 1]


@pytest.fixture(scope="module")
def whole(words, emodelx, tmp_path_factory):
    output = tmp_path_factory.mktemp("whole") / "m"
    assert emodelx(*words, "-o", output).returncode == 0
    return (output / "m.cif").read_bytes()


@pytest.mark.parametrize("moment", MOMENTS)
def test_killed_and_resumed(words, whole, moment, emodelx, tmp_path):
    output = tmp_path / "m"
    process = start([*words, "-o", output])
    wait_for(output, process)
    time.sleep(moment)
    process.kill()
    process.wait()
    assert not (output / "m.cif").exists() or (output / "m.cif").read_bytes() == whole
    assert emodelx(*words, "-o", output, "--resume").returncode == 0
    assert (output / "m.cif").read_bytes() == whole
    left = [path.name for path in output.rglob("*") if "unfinished" in path.name or path.name == "results"]
    assert not left


def test_a_new_run_removes_the_old_model_before_it_works(words, emodelx, tmp_path):
    output = tmp_path / "m"
    assert emodelx(*words, "-o", output).returncode == 0
    mine = output / "notes.txt"
    mine.write_text("not a result")
    process = start([*words, "-o", output])
    while (output / "m_init.cif").exists():
        assert process.poll() is None
        time.sleep(0.001)
    process.kill()
    process.wait()
    assert not (output / "m.cif").exists(), "the model goes first"
    assert mine.exists()


def test_interrupt_exits_130_in_one_line(words, tmp_path):
    output = tmp_path / "m"
    command = [sys.executable, "-c", SLOW, *map(str, words), "-o", str(output)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    wait_for(output / "work", process)
    os.kill(process.pid, signal.SIGINT)
    _, stderr = process.communicate(timeout=30)
    assert process.returncode == 130, stderr
    assert stderr.splitlines() == [
        "emodelx: error: interrupted; a build goes on from its last finished stage with --resume"
    ]
    assert not (output / "m.cif").exists()
    assert "ended by KeyboardInterrupt" in (output / "run.log").read_text()
