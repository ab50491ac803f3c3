"""Links, rights, locks and leftovers where a dataset is replaced by its edit."""

import os
import shutil
from itertools import product

import pytest

from ilrobot.cli import _main
from ilrobot.data.dataset import Dataset, DatasetRecorder
from ilrobot.data.editing import operations
from ilrobot.data.editing import swap as edit_swap
from ilrobot.data.episode import EpisodeInfo, Outcome
from ilrobot.lock import WriteLock
from tests.exhaustive import thinned
from tests.ilrobot.data.editing.edited import (
    MAKERS,
    check_whole,
    edit,
    make_foreign,
    make_ours,
    refused,
    snapshot,
)
from tests.ilrobot.data.recording_child import SPEC, STATE_SIZE, frame


def test_what_a_crashed_recording_left_behind_is_mended_and_kept(tmp_path):
    path = make_ours(tmp_path / "toy")
    recorder = DatasetRecorder(path, SPEC, state_size=STATE_SIZE, resume=True)
    recorder.begin(EpisodeInfo("toy", SPEC.rate, seed=9))
    recorder.append(frame(9, 0))
    shutil.copytree(path, tmp_path / "crashed")
    recorder.close()
    dataset = edit(tmp_path / "crashed", "delete", "--episodes", 0)
    assert (dataset.num_episodes, dataset.infos[-1].seed) == (5, 9)
    assert dataset.infos[-1].outcome is Outcome.UNFINISHED


def test_places_that_cannot_be_replaced_are_refused(tmp_path, capsys, monkeypatch):
    path = make_ours(tmp_path / "toy")
    words = ("delete", "--episodes", 0)
    monkeypatch.chdir(path / "data")
    assert "go out of it first" in refused(path, capsys, *words)
    monkeypatch.chdir(tmp_path)
    stray = path / "data/chunk-000/file-017.parquet"
    shutil.copy(path / "data/chunk-000/file-000.parquet", stray)
    assert f"{stray}: lies among the dataset's files" in refused(path, capsys, *words)
    stray.unlink()
    (tmp_path / "link").symlink_to(path)
    assert _main(["edit", str(tmp_path / "link"), "delete", "--episodes", "0"]) == 0
    assert (tmp_path / "link").is_symlink()
    assert check_whole(path).num_episodes == 4


def test_links_of_a_hub_are_followed_and_stay_whole(tmp_path):
    path, blobs = make_foreign(tmp_path / "toy"), tmp_path / "blobs"
    blobs.mkdir()
    for number, file in enumerate([*path.rglob("*.parquet"), *path.rglob("*.mp4")]):
        file.rename(blobs / str(number))
        file.symlink_to(os.path.relpath(blobs / str(number), file.parent))
    before = snapshot(blobs)
    assert _main(["edit", str(path), "delete", "--episodes", "4"]) == 0
    assert check_whole(path).num_episodes == 4
    assert snapshot(blobs) == before
    assert all(not film.is_symlink() and film.is_file() for film in path.rglob("*.mp4"))


def test_without_hard_links_files_are_copied(tmp_path, monkeypatch):
    path = make_ours(tmp_path / "toy")

    def refuse(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    assert edit(path, "delete", "--episodes", "4").num_episodes == 4


@pytest.mark.parametrize("path", thinned(MAKERS, ["foreign"]), indirect=True)
def test_all_is_flushed_before_the_swap_and_the_swap_too(path, monkeypatch):
    flushed, exchange = [], edit_swap.exchange
    kept = {p.stat().st_ino for p in path.rglob("*")}

    def swap(one, other):
        new = {p for p in [other, *other.rglob("*")] if p.stat().st_ino not in kept}
        flags = {p.stat().st_ino for p in new if p.name != ".writing.lock"}
        assert flags
        assert flags <= set(flushed)
        flushed.clear()
        return exchange(one, other)

    monkeypatch.setattr(os, "fsync", lambda fd: flushed.append(os.fstat(fd).st_ino))
    monkeypatch.setattr(edit_swap, "exchange", swap)
    edit(path, "split", "--episode", 2, "--at", 1)
    assert path.parent.stat().st_ino in flushed


@pytest.mark.parametrize(
    ("path", "exchanges"),
    thinned(product(MAKERS, [True, False]), [("ours", True), ("foreign", False)]),
    indirect=["path"],
)
def test_rights_stay_and_nobody_else_reads_while_it_is_written(path, monkeypatch, exchanges):
    def mode(place):
        return place.stat().st_mode & 0o7777

    modes = {".": 0o700, "meta": 0o750, "data": 0o2770, "meta/info.json": 0o600}
    for name, bits in modes.items():
        (path / name).chmod(bits)
    owner = (4321, 5432) if os.geteuid() == 0 else (os.geteuid(), os.getegid())
    for place in [path, *path.rglob("*")]:
        os.chown(place, *owner)
        place.chmod(modes.get(str(place.relative_to(path)), mode(place)))
    during, write = [], operations.write_pieces

    def watch(beside, pieces):
        during.append(mode(beside))
        write(beside, pieces)

    monkeypatch.setattr(operations, "write_pieces", watch)
    if not exchanges:
        monkeypatch.setattr(edit_swap, "exchange", lambda *_: False)
    edit(path, "split", "--episode", 1, "--at", 4)
    assert during == [0o700]
    assert {name: mode(path / name) for name in modes} == modes
    assert {(p.stat().st_uid, p.stat().st_gid) for p in [path, *path.rglob("*")]} == {owner}


def test_a_running_edit_is_left_alone_and_one_cut_off_is_cleared(tmp_path):
    path = make_ours(tmp_path / "toy")
    running, dead = tmp_path / ".toy.edit-1", tmp_path / ".toy.edit-2"
    mine = tmp_path / ".toy.edited by hand"
    for folder in (running, dead, mine):
        folder.mkdir()
        (folder / "file").write_text("x")
    with WriteLock.take(running):
        Dataset.open(path)
        assert running.exists()
        assert not dead.exists()
    Dataset.open(path)
    assert not running.exists()
    assert mine.exists()
