import numpy as np
import pytest

from emodelx.config import LinkConfig, RunConfig, TraceConfig
from emodelx.io.store import Store
from emodelx.records import Fragment
from emodelx.stepper import Kept, Stepper


class Heard:
    """A listener that keeps what it hears."""

    def __init__(self):
        self.said = []

    def start(self, stage):
        self.said.append(("start", stage))

    def advance(self, done, total):
        self.said.append(("advance", done, total))

    def finish(self, seconds, reused):
        assert seconds >= 0
        self.said.append(("finish", reused))


class Stage:
    """A stage that counts its calls."""

    def __init__(self):
        self.calls = []

    def __call__(self, *inputs):
        *inputs, run = inputs
        self.calls.append((inputs, run))
        run.progress(1, 2)
        return Fragment(len(inputs), 0, np.arange(3), 0.5)


@pytest.fixture
def make(tmp_path):
    def make(reuse=True, **run):
        store = Store(tmp_path)
        store.open()
        return Stepper(store, RunConfig(**run), reuse, Heard())

    return make


RECORD = Kept(Fragment(0, 0, np.arange(2), 1.0), "key of the record")


def test_a_stage_gets_records_configuration_and_run(make):
    stepper, stage = make(seed=3), Stage()
    kept = stepper.step("links", stage, RECORD, LinkConfig())
    (inputs, run) = stage.calls[0]
    assert inputs == [RECORD.record, LinkConfig()]
    assert run.seed == 3
    assert kept.record.sequence == 2
    assert stepper.progress.said == [("start", "links"), ("advance", 1, 2), ("finish", False)]
    assert list(stepper.seconds) == ["links"]


def test_a_valid_record_is_taken_instead(make):
    stage = Stage()
    first = make().step("links", stage, RECORD, LinkConfig())
    later = make()
    second = later.step("links", stage, RECORD, LinkConfig())
    assert len(stage.calls) == 1
    assert first.key == second.key
    assert later.progress.said == [("start", "links"), ("finish", True)]
    np.testing.assert_array_equal(first.record.candidates, second.record.candidates)


def test_without_reuse_everything_runs_again(make):
    stage = Stage()
    make().step("links", stage, RECORD)
    make(reuse=False).step("links", stage, RECORD)
    assert len(stage.calls) == 2


@pytest.mark.parametrize(
    ("name", "inputs", "run"),
    [
        ("links", (RECORD, LinkConfig(max_distance=7.0)), {}),
        ("links", (RECORD, TraceConfig()), {}),
        ("links", (Kept(RECORD.record, "other key"), LinkConfig()), {}),
        ("links", (RECORD, LinkConfig()), {"seed": 1}),
        ("traces", (RECORD, LinkConfig()), {}),
    ],
)
def test_whatever_differs_makes_the_record_invalid(make, name, inputs, run):
    stage = Stage()
    make().step("links", stage, RECORD, LinkConfig())
    make(**run).step(name, stage, *inputs)
    assert len(stage.calls) == 2


def test_the_number_of_threads_does_not(make):
    stage = Stage()
    make(threads=1).step("links", stage, RECORD, LinkConfig())
    make(threads=2).step("links", stage, RECORD, LinkConfig())
    assert len(stage.calls) == 1


def test_a_new_version_does(make, monkeypatch):
    stage = Stage()
    make().step("links", stage, RECORD)
    monkeypatch.setattr("emodelx.stepper.__version__", "999")
    make().step("links", stage, RECORD)
    assert len(stage.calls) == 2
