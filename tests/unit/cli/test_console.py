import io

import pytest
from rich.console import Console
from rich.progress import Progress as Bars

from emodelx.cli import console
from emodelx.cli.console import LineProgress, TerminalProgress, show_progress
from emodelx.progress import SILENT


@pytest.fixture
def clock(monkeypatch):
    """A clock that the test moves."""
    now = [0.0]
    monkeypatch.setattr(console.time, "monotonic", lambda: now[0])
    return now


def test_lines_tell_the_time_left_now_and_then(clock, capsys):
    progress = LineProgress()
    progress.start("network")
    for second in range(101):
        clock[0] = float(second)
        progress.advance(second, 200)
    progress.finish(101.0, False)
    assert capsys.readouterr().err.splitlines() == [
        "network: 30 of 200, about 170 s left",
        "network: 60 of 200, about 140 s left",
        "network: 90 of 200, about 110 s left",
        "network: 101.0 s",
    ]


def test_lines_without_a_count_say_nothing_wrong(clock, capsys):
    progress = LineProgress()
    progress.start("links")
    clock[0] = 100.0
    progress.advance(0, 0)
    progress.finish(100.0, True)
    progress.warn("a doubt")
    assert capsys.readouterr().err.splitlines() == ["links: taken from the earlier run", "warning: a doubt"]


def test_quiet_says_nothing(capsys):
    with show_progress(quiet=True) as progress:
        for call in (progress.start, progress.note, progress.warn):
            call("x")
        progress.advance(1, 2)
        progress.finish(1.0, False)
        assert progress is SILENT
    assert capsys.readouterr() == ("", "")


def test_plain_lines_where_stderr_is_no_terminal(capsys):
    with show_progress(quiet=False) as progress:
        assert isinstance(progress, LineProgress)
    assert capsys.readouterr() == ("", "")


def test_bars_on_a_terminal():
    screen = io.StringIO()
    bars = Bars(console=Console(file=screen, force_terminal=True, width=100))
    progress = TerminalProgress(bars)
    with bars:
        progress.start("network")
        progress.advance(0, 0)
        progress.advance(30, 120)
        assert bars.tasks[0].percentage == 25
        progress.finish(1.0, False)
        assert bars.finished
        progress.start("links")
        progress.finish(0.1, True)
        progress.warn("a [doubt]")
    text = screen.getvalue()
    assert "network" in text
    assert "taken from the earlier run" in text
    assert "warning: a [doubt]" in text


def test_a_finished_bar_keeps_its_count():
    bars = Bars(console=Console(file=io.StringIO(), force_terminal=True))
    progress = TerminalProgress(bars)
    progress.start("network")
    progress.advance(118, 120)
    progress.finish(1.0, False)
    assert (bars.tasks[0].completed, bars.tasks[0].total) == (120, 120)
