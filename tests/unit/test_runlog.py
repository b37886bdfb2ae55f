import pytest

from emodelx.progress import SILENT
from emodelx.runlog import RunLog


def test_everything_is_written_as_it_happens_and_handed_on(tmp_path):
    heard = []

    class Listener:
        def start(self, stage):
            heard.append(stage)

        def advance(self, done, total):
            heard.append((done, total))

        def finish(self, seconds, reused):
            heard.append((seconds, reused))

        def note(self, line):
            heard.append(line)

        def warn(self, line):
            heard.append(f"! {line}")

    path = tmp_path / "run.log"
    with RunLog(path, Listener(), keep=False) as log:
        log.write("for the file only")
        log.note("a fact")
        log.warn("a doubt")
        log.start("links")
        log.advance(1, 2)
        log.finish(1.25, True)
        assert "stage links: 1.25 s (from the earlier run)\n" in path.read_text()
    assert heard == ["a fact", "! a doubt", "links", (1, 2), (1.25, True)]
    assert log.warnings == ["a doubt"]
    lines = path.read_text().splitlines()
    assert lines[0].startswith("started 20")
    assert lines[1:4] == ["for the file only", "a fact", "warning: a doubt"]
    assert lines[-1].startswith("finished after ")


def test_a_failure_is_written_and_goes_on(tmp_path):
    path = tmp_path / "run.log"
    with pytest.raises(ValueError, match="no map"), RunLog(path, SILENT, keep=False):
        raise ValueError("no map")
    assert path.read_text().splitlines()[-1].startswith("ended by ValueError: no map after ")


def test_a_resumed_run_keeps_the_earlier_log(tmp_path):
    path = tmp_path / "run.log"
    for keep, runs in ((False, 1), (True, 2), (False, 1)):
        with RunLog(path, SILENT, keep=keep):
            pass
        assert path.read_text().count("started") == runs
