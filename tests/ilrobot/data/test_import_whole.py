"""``ilrobot import`` writes all or nothing."""

import signal
import subprocess
import sys

import pytest

from ilrobot.cli import _main
from ilrobot.data.convert import open_source
from ilrobot.data.dataset import Dataset
from ilrobot.data.writing import write_episodes
from ilrobot.errors import UserError
from tests.ilrobot.data.damaging import SPEC, episode
from tests.ilrobot.data.import_sources import NOT_FINITE, bring, check_arrays, make_npz, make_ours


def test_an_episode_that_fails_half_way_leaves_nothing(tmp_path):
    source = open_source(make_npz(tmp_path / "a.npz"))

    def broken():
        yield next(iter(source.episodes))
        raise UserError("no more")

    with pytest.raises(UserError, match="no more"):
        write_episodes(tmp_path / "out", source.spec, broken())
    assert [p.name for p in tmp_path.iterdir()] == ["a.npz"]


def test_an_import_that_was_killed_leaves_nothing_that_the_next_one_does_not_remove(tmp_path):
    path, output = make_npz(tmp_path / "a.npz"), tmp_path / "out"
    program = """
import os, signal, sys
from ilrobot.data.convert import open_source
from ilrobot.data.writing import write_episodes
source = open_source(sys.argv[1])
def killed():
    yield next(iter(source.episodes))
    os.kill(os.getpid(), signal.SIGKILL)
write_episodes(sys.argv[2], source.spec, killed())
"""
    for _ in range(2):
        done = subprocess.run([sys.executable, "-c", program, str(path), str(output)])
        assert done.returncode == -signal.SIGKILL
        assert not output.exists()
        (left,) = (p for p in tmp_path.iterdir() if p != path)
        assert left.name.startswith(".out.")
    dataset, _ = bring(path, output)
    check_arrays(dataset)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.npz", "out"]


def test_an_output_may_be_a_link_to_an_empty_folder(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "real")
    bring(make_npz(tmp_path / "a.npz"), tmp_path / "out")
    assert (tmp_path / "out").is_symlink()
    check_arrays(Dataset.open(tmp_path / "real"))


def test_folders_made_for_an_output_that_fails_go_again(tmp_path):
    path = make_npz(tmp_path / "a.npz", **NOT_FINITE)
    source = open_source(path)
    (tmp_path / "kept").mkdir()
    with pytest.raises(UserError, match="not a finite number"):
        write_episodes(tmp_path / "kept/new/deep/out", source.spec, source.episodes)
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["a.npz", "kept"]


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ("a.npz", "exists and is not empty"),
        ("a.npz/out", "a.npz is a file"),
        ("x" * 300, "too long"),
        (".", "is the folder that you are in"),
    ],
)
def test_the_output_is_tried_before_the_source_is_read(
    output, words, tmp_path, monkeypatch, capsys
):
    make_npz(tmp_path / "a.npz")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    output = output if output == "." else str(tmp_path / output)
    assert _main(["import", str(tmp_path / "nothing.npz"), "--output", output]) == 2
    assert words in capsys.readouterr().err
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["a.npz", "here"]


def test_an_output_in_the_source_is_refused(tmp_path, capsys):
    ours = make_ours(tmp_path / "ours")
    before = sorted(ours.rglob("*"))
    assert _main(["import", str(ours), "--output", str(ours / "again")]) == 2
    assert "lies in" in capsys.readouterr().err
    assert sorted(ours.rglob("*")) == before


def test_nothing_stands_above_an_error(tmp_path, capsys):
    path = make_npz(tmp_path / "a.npz", **NOT_FINITE)
    assert _main(["import", str(path), "--output", str(tmp_path / "out")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "not a finite number" in line


def test_who_comes_second_to_one_folder_is_told_so(tmp_path):
    def interrupted():
        yield episode()
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "of another").write_bytes(b"precious")

    with pytest.raises(UserError, match=r"not empty.*nothing was written; choose another path"):
        write_episodes(tmp_path / "out", SPEC, interrupted())
    assert [file.name for file in tmp_path.rglob("*")] == ["out", "of another"]
