import pytest

from emodelx.io.atomic import sweep, whole_file


def test_a_file_appears_whole(tmp_path):
    target = tmp_path / "a.txt"
    with whole_file(target) as part:
        part.write_text("whole")
        assert not target.exists()
        assert part.parent == tmp_path, "a rename is atomic within one folder only"
    assert target.read_text() == "whole"
    assert list(tmp_path.iterdir()) == [target]


def fail_halfway(target):
    with whole_file(target) as part:
        part.write_text("half")
        raise RuntimeError


def test_a_failed_write_keeps_the_old_file(tmp_path):
    target = tmp_path / "a.txt"
    target.write_text("old")
    with pytest.raises(RuntimeError):
        fail_halfway(target)
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_sweep_removes_what_a_killed_run_left_and_nothing_else(tmp_path):
    keep = tmp_path / "a.txt"
    with whole_file(keep) as part:
        part.write_text("mine")
        left = tmp_path / part.name.replace(".a.txt", ".b.txt")
    left.write_text("half")
    sweep(tmp_path)
    assert list(tmp_path.iterdir()) == [keep]
