"""A file is replaced whole or not at all."""

import errno
import os
import signal
import subprocess
import sys

import pytest

from ilrobot.atomic import PART, replacing, write_json, write_new_bytes, write_text
from ilrobot.errors import UserError, WorkFailed, explained

_KILLED_WHILE_WRITING = """
import os, signal, sys
from pathlib import Path
from ilrobot.atomic import replacing
with replacing(Path(sys.argv[1])) as part:
    part.write_text("half of the ne")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_kill_leaves_the_old_file_and_the_next_write_goes_through(tmp_path):
    file = tmp_path / "deep" / "run.json"
    write_text(file, "old")
    done = subprocess.run([sys.executable, "-c", _KILLED_WHILE_WRITING, str(file)])
    assert done.returncode == -signal.SIGKILL
    assert file.read_text() == "old"
    assert all(path.suffix == PART for path in file.parent.iterdir() if path != file)
    write_text(file, "new")
    assert file.read_text() == "new"


def test_a_failure_keeps_the_old_file_and_leaves_nothing_behind(tmp_path):
    file = tmp_path / "policy.pt"
    write_text(file, "old")
    with pytest.raises(KeyboardInterrupt):
        _interrupted(file)
    with pytest.raises(ValueError, match="JSON"):
        write_json(file, {"loss": float("nan")})
    assert list(tmp_path.iterdir()) == [file]
    assert file.read_text() == "old"


def _interrupted(file):
    with replacing(file) as part:
        part.write_text("half")
        raise KeyboardInterrupt


def test_two_processes_never_write_into_one_file(tmp_path, monkeypatch):
    file = tmp_path / "policy.onnx"
    with replacing(file) as one:
        one.write_text("one")
        monkeypatch.setattr(os, "getpid", lambda: 1)
        with replacing(file) as other:
            other.write_text("other")
        assert file.read_text() == "other"
    assert file.read_text() == "one"


def test_a_path_that_cannot_be_is_the_persons_to_mend(tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    for path in (tmp_path / "file" / "below", tmp_path / "folder"):
        with pytest.raises(UserError, match="choose another path"), explained(path, "", ""):
            write_text(path, "")
    with pytest.raises(WorkFailed, match="free some space"), explained(path, "", ""):
        raise OSError(28, "")


@pytest.mark.parametrize("refusal", [None, errno.EPERM, errno.EOPNOTSUPP])
def test_a_new_file_never_takes_the_place_of_another(tmp_path, monkeypatch, refusal):
    """With hard links, and on file systems that have none."""

    def no_links(*arguments):
        raise OSError(refusal, os.strerror(refusal))

    if refusal is not None:
        monkeypatch.setattr(os, "link", no_links)
    file = tmp_path / "deep" / "file-000.parquet"
    write_new_bytes(file, b"first")
    with pytest.raises(FileExistsError):
        write_new_bytes(file, b"second")
    assert file.read_bytes() == b"first"
    assert list(file.parent.iterdir()) == [file]


def test_a_new_file_that_fails_leaves_nothing_behind(tmp_path, monkeypatch):
    def full(*arguments):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "link", full)
    with pytest.raises(OSError, match="No space left"):
        write_new_bytes(tmp_path / "file", b"content")
    assert not list(tmp_path.iterdir())
