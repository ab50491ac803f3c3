"""A recording survives kill -9 at any moment, a full disk and a read-only folder."""

import json
import os
import random
import shutil
import signal
import subprocess
import time

import numpy as np
import pyarrow.parquet as pq
import pytest
from recording_child import COLUMNS, SPEC, STATE_SIZE, Server, frame

from ilrobot.data import stats
from ilrobot.data.dataset import Dataset, DatasetRecorder
from ilrobot.data.episode import EpisodeInfo, Judge, Outcome, stack_frames
from ilrobot.data.info import read_info
from ilrobot.data.journal import JournalWriter, read_journal
from ilrobot.data.repair import needs_repair
from ilrobot.errors import UserError, WorkFailed
from tests.exhaustive import thinned

TICKS = 20


@pytest.fixture(scope="module")
def server():
    server = Server()
    yield server
    server.close()


def check_episode(episode, seed):
    assert episode.info.seed == seed
    expected = stack_frames([frame(seed, tick) for tick in range(len(episode))], COLUMNS)
    check_columns(episode.columns, expected)


def check_columns(found, expected):
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        assert (found[name].dtype, found[name].shape) == (values.dtype, values.shape), name
        same = (found[name] == values).all() if values.dtype == object else None
        assert same if same is not None else found[name].tobytes() == values.tobytes(), name


def check_whole(path):
    """Nothing is left over, and the files below meta/ agree with each other."""
    dataset = Dataset.open(path)
    info = read_info(path)
    assert (info["total_episodes"], info["total_frames"]) == (
        dataset.num_episodes,
        dataset.num_frames,
    )
    assert not needs_repair(path, info)
    kept = stats.feature_stats(dataset.column("observation.state"))
    pooled = json.loads((path / "meta/stats.json").read_text())["observation.state"]
    for name in ("min", "max", "mean", "std", "count"):
        assert pooled[name] == pytest.approx(kept[name], rel=1e-6), name
    return dataset


def snapshot(path):
    return {p.relative_to(path): p.read_bytes() for p in path.rglob("*") if p.is_file()}


@pytest.mark.parametrize("kills", thinned([12, 50], [12]))
def test_killed_at_random_moments_nothing_acknowledged_is_lost(server, tmp_path, kills):
    path, draw = tmp_path / "toy", random.Random(7)
    kept, sealed, hit_open = {}, set(), 0
    for kill in range(kills):
        wait_for = draw.randint(1, TICKS)
        # Few rows to a file of the table, so that kills hit the beginning of new files too.
        lines = server.lines(
            do="record", path=str(path), ticks=TICKS, episodes=9, pause=2e-3, rows=12
        )
        for words in lines:
            if words[0] == "pid":
                pid = int(words[1])
            elif words[0] == "kept":
                kept[int(words[1])] = int(words[2]) + 1
                wait_for -= 1
                if wait_for == 0:
                    time.sleep(draw.uniform(0, 0.1))
                    os.kill(pid, signal.SIGKILL)
            elif words[0] == "sealed":
                sealed.add(int(words[1]))
            elif words[0] == "exit":
                assert int(words[1]) == signal.SIGKILL
        if kill % 2:  # the other half is mended by the next recorder
            Dataset.open(path)
    dataset = check_whole(path)
    assert sealed <= set(range(dataset.num_episodes))
    for index in range(dataset.num_episodes):
        episode = dataset.episode(index)
        check_episode(episode, index)
        # A tick may be on disk before its recorder could say so.
        assert kept.get(index, 0) <= len(episode) <= min(kept.get(index, 0) + 1, TICKS)
        if index in sealed:
            assert (len(episode), episode.info.outcome) == (TICKS, Outcome.SUCCESS)
        hit_open += episode.info.outcome is Outcome.UNFINISHED
    assert set(kept) == set(range(dataset.num_episodes))
    assert kills / 10 < hit_open < kills  # some kills hit a running episode, others its sealing


_KILLS = [(False, 1), (True, 50), (True, 1), (False, 50)]


@pytest.mark.parametrize("kills", thinned([_KILLS, *([kill] for kill in _KILLS)], [_KILLS]))
def test_killed_at_each_system_call_of_sealing(server, tmp_path, kills):
    """Torn or not, with a file of the table begun or continued: in turn, or one of these at each.

    Also: mending twice changes nothing.
    """
    unharmed = 0
    for call in range(100):
        torn, rows = kills[call % len(kills)]
        path = tmp_path / f"{call}"
        armed = {"call": call, "torn": torn, "episode": 1}
        lines = list(
            server.lines(do="record", path=str(path), ticks=3, episodes=2, armed=armed, rows=rows)
        )
        dataset = check_whole(path)
        assert dataset.num_episodes == 2
        for index in range(2):
            episode = dataset.episode(index)
            assert len(episode) == 3
            check_episode(episode, index)
        assert dataset.infos[0].outcome is Outcome.SUCCESS
        # The first thing that sealing writes is how the episode ended.
        assert (dataset.infos[1].outcome is Outcome.UNFINISHED) == (call == 0)
        before = snapshot(path)
        Dataset.open(path)
        assert snapshot(path) == before
        unharmed = unharmed + 1 if int(lines[-1][1]) == 0 else 0
        if unharmed == len(kills):
            break
    assert 15 < call < 99


@pytest.mark.parametrize("every", thinned([3, 1], [3]))
def test_killed_at_system_calls_of_mending(server, tmp_path, every):
    crashed = tmp_path / "crashed"
    armed = {"call": 0, "torn": False, "episode": 1}
    list(server.lines(do="record", path=str(crashed), ticks=3, episodes=2, armed=armed))
    for call in range(0, 100, every):
        path = tmp_path / str(call)
        shutil.copytree(crashed, path)
        lines = list(server.lines(do="open_and_mend", path=str(path), call=call, torn=True))
        dataset = check_whole(path)
        assert dataset.lengths.tolist() == [3, 3]
        check_episode(dataset.episode(1), 1)
        if int(lines[-1][1]) == 0:
            break
    assert 10 < call < 99


def test_a_journal_cut_at_any_byte_gives_its_whole_records(tmp_path):
    path = tmp_path / "journal"
    writer = JournalWriter(path, EpisodeInfo("toy", 200.0), COLUMNS)
    header = path.stat().st_size
    for tick in range(3):
        writer.append(frame(0, tick))
    size = (path.stat().st_size - header) // 3
    writer.finish(Outcome.FAILURE, Judge.PERSON)
    writer.close()
    content = path.read_bytes()
    for cut in [*range(0, header, 31), *range(header, len(content), 2)]:
        path.write_bytes(content[:cut])
        episode = read_journal(path)
        if cut < header:
            assert episode is None
        else:
            assert len(episode) == min((cut - header) // size, 3)
            assert episode.info.outcome is Outcome.UNFINISHED
    for damaged in range(header, header + 3 * size, 7):
        flipped = bytearray(content)
        flipped[damaged] ^= 0x10
        path.write_bytes(flipped)
        assert len(read_journal(path)) == (damaged - header) // size
    path.write_bytes(content)
    episode = read_journal(path)
    assert (episode.info.outcome, episode.info.judge) == (Outcome.FAILURE, Judge.PERSON)
    check_columns(episode.columns, stack_frames([frame(0, t) for t in range(3)], COLUMNS))


def test_an_episode_without_ticks_is_dropped(tmp_path):
    with DatasetRecorder(tmp_path, SPEC, state_size=STATE_SIZE) as recorder:
        recorder.begin(EpisodeInfo("toy", SPEC.rate))
        recorder.end(Outcome.SUCCESS, Judge.PERSON)
        assert recorder.num_episodes == 0
    with pytest.raises(UserError, match="no episodes yet"):
        Dataset.open(tmp_path)


def test_a_running_recording_is_neither_mended_nor_joined(tmp_path):
    with DatasetRecorder(tmp_path, SPEC, state_size=STATE_SIZE) as recorder:
        for seed in range(2):
            recorder.begin(EpisodeInfo("toy", SPEC.rate, seed=seed))
            recorder.append(frame(seed, 0))
            if seed == 0:
                recorder.end(Outcome.SUCCESS, Judge.PERSON)
        assert Dataset.open(tmp_path).num_episodes == 1
        with pytest.raises(UserError, match="another process is recording there"):
            DatasetRecorder(tmp_path, SPEC, state_size=STATE_SIZE, resume=True)
        recorder.append(frame(1, 1))
        recorder.end(Outcome.SUCCESS, Judge.PERSON)
    dataset = check_whole(tmp_path)
    assert dataset.lengths.tolist() == [1, 2]
    check_episode(dataset.episode(1), 1)


def told(lines):
    """Ticks that were acknowledged, and the error in the end."""
    kept = {int(words[1]): int(words[2]) + 1 for words in lines if words[0] == "kept"}
    (error,) = (words[1:] for words in lines if words[0] == "error")
    # An error of two lines would show as a line that begins with something else.
    assert {words[0] for words in lines} <= {"pid", "begun", "kept", "sealed", "error", "exit"}
    return kept, error


@pytest.mark.parametrize(("limit", "where"), [(700, "appending"), (20_000, "sealing")])
def test_a_disk_that_fills_up_loses_nothing(server, tmp_path, limit, where):
    """A limit on the size of files stands in for it: the write fails half-way as well."""
    path = tmp_path / "toy"
    DatasetRecorder(path, SPEC, state_size=STATE_SIZE).close()
    journal = tmp_path / "size"
    JournalWriter(journal, EpisodeInfo("toy", 200.0, seed=0), COLUMNS).close()
    limit += journal.stat().st_size
    kept, (kind, message) = told(
        list(server.lines(do="fail", path=str(path), ticks=9, limit=limit))
    )
    assert kind == "WorkFailed"
    assert str(path) in message
    assert f"{kept[0]} ticks of the open one are safe" in message
    assert (kept[0] == 9) == (where == "sealing")
    dataset = check_whole(path)
    assert dataset.lengths.tolist() == [kept[0]]
    check_episode(dataset.episode(0), 0)


def test_a_disk_that_really_fills_up_loses_nothing(server, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=700k", "tmpfs", str(disk)]
    try:
        mounted = subprocess.run(mount, capture_output=True).returncode == 0
    except FileNotFoundError:
        mounted = False
    if not mounted:
        pytest.skip("a small disk cannot be mounted here (needs root)")
    try:
        path = disk / "toy"
        kept, (kind, message) = told(list(server.lines(do="fail", path=str(path), ticks=300)))
        assert kind == "WorkFailed"
        assert "No space left on device" in message
        with pytest.raises(WorkFailed, match="all that was recorded is safe"):
            Dataset.open(path)  # there is no room to mend it either
        subprocess.run(["mount", "-o", "remount,size=8m", str(disk)], check=True)
        dataset = check_whole(path)
        assert dataset.lengths.tolist() == [kept[index] for index in sorted(kept)]
        for index in range(dataset.num_episodes):
            check_episode(dataset.episode(index), index)
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_read_only_folder_is_refused_and_can_be_read(server, tmp_path):
    path = tmp_path / "toy"
    list(server.lines(do="record", path=str(path), ticks=3, episodes=2))
    before = snapshot(path)
    path.chmod(0o555)
    try:
        lines = list(server.lines(do="unprivileged", path=str(path), action="record"))
        kept, (kind, message) = told(lines)
        assert (kept, kind) == ({}, "UserError")
        assert "cannot be written (Permission denied)" in message
        lines = list(server.lines(do="unprivileged", path=str(path), action="open"))
        assert ["opened", "2"] in lines
    finally:
        path.chmod(0o755)
    assert snapshot(path) == before


def test_a_crashed_recording_in_a_read_only_folder_shows_what_is_sealed(server, tmp_path):
    path = tmp_path / "toy"
    armed = {"call": 0, "torn": False, "episode": 1}
    list(server.lines(do="record", path=str(path), ticks=3, episodes=2, armed=armed))
    before = {name: content for name, content in snapshot(path).items() if name.suffix != ".lock"}
    (path / ".writing.lock").unlink()
    path.chmod(0o555)
    try:
        lines = list(server.lines(do="unprivileged", path=str(path), action="open"))
        assert ["opened", "1"] in lines
    finally:
        path.chmod(0o755)
    assert snapshot(path) == before
    assert check_whole(path).lengths.tolist() == [3, 3]


def test_the_episode_files_are_numbered_a_thousand_to_a_folder(tmp_path, monkeypatch):
    monkeypatch.setattr("ilrobot.data.layout.CHUNK_SIZE", 2)
    with DatasetRecorder(tmp_path, SPEC, state_size=STATE_SIZE) as recorder:
        for seed in range(3):
            recorder.begin(EpisodeInfo("toy", SPEC.rate, seed=seed))
            recorder.append(frame(seed, 0))
            recorder.end(Outcome.SUCCESS, Judge.PERSON)
    assert pq.read_metadata(tmp_path / "data/chunk-001/file-000.parquet").num_rows == 1
    assert np.array_equal(Dataset.open(tmp_path).column("index"), [0, 1, 2])
