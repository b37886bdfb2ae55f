"""Files read whole and written whole."""

import gzip

import pytest

from emodelx.errors import InputError, ResourceError
from emodelx.io.files import open_input, read_bytes, replacing


def test_plain_and_gzip_read_alike(tmp_path):
    (tmp_path / "plain").write_bytes(b"text")
    (tmp_path / "packed").write_bytes(gzip.compress(b"text"))
    assert read_bytes(tmp_path / "plain", 4) == read_bytes(tmp_path / "packed", 4) == b"text"


@pytest.mark.parametrize("content", [b"12345", gzip.compress(b"0" * 10_000_000)])
def test_too_large_files_are_not_read_whole(tmp_path, content):
    (tmp_path / "big").write_bytes(content)
    with pytest.raises(InputError, match="larger than"):
        read_bytes(tmp_path / "big", 4)


@pytest.mark.parametrize("content", [gzip.compress(b"text" * 999)[:-20], b"\x1f\x8b rubbish"])
def test_damaged_gzip(tmp_path, content):
    (tmp_path / "bad.gz").write_bytes(content)
    with pytest.raises(InputError, match="damaged"):
        read_bytes(tmp_path / "bad.gz", 1 << 20)


def test_input_that_cannot_be_opened(tmp_path):
    (tmp_path / "empty").touch()
    for path, message in [(tmp_path / "none", "no such file"), (tmp_path, "not a file"), (tmp_path / "empty", "empty")]:
        with pytest.raises(InputError, match=message):
            open_input(path)


def test_a_failed_write_leaves_the_old_file(tmp_path):
    (tmp_path / "old").write_text("old")

    def write():
        with replacing(tmp_path / "old") as part:
            part.write_text("new")
            raise OSError(28, "No space left on device")

    with pytest.raises(ResourceError, match=r"old: cannot be written \(No space left"):
        write()
    assert [path.name for path in tmp_path.iterdir()] == ["old"]
    assert (tmp_path / "old").read_text() == "old"


def test_a_write_replaces(tmp_path):
    (tmp_path / "old").write_text("old")
    with replacing(tmp_path / "old") as part:
        part.write_text("new")
    assert (tmp_path / "old").read_text() == "new"
