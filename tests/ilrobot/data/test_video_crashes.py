"""Films survive kill -9 of the recording, of the encoder and of both, and a full disk."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from film_child import CAMERAS, WIDTH, record_armed

from ilrobot.data.dataset import Dataset
from ilrobot.data.episode import Outcome
from ilrobot.data.repair import needs_repair
from tests.exhaustive import thinned
from tests.forked import Forked

CHILD = Path(__file__).with_name("film_child.py")
ENV = {**os.environ, "PYTHONPATH": str(CHILD.parents[3])}


def start(**command):
    return subprocess.Popen(
        [
            sys.executable,
            str(CHILD),
            json.dumps({k: v for k, v in command.items() if v is not None}),
        ],
        stdout=subprocess.PIPE,
        text=True,
        env=ENV,
    )


def words(process):
    for line in process.stdout:
        yield line.strip().split(maxsplit=2)


def run(**command):
    with start(**command) as process:
        return list(words(process)), process.wait()


def check(dataset):
    """Every row has the pictures of its tick, in all films."""
    for episode, length in enumerate(dataset.lengths):
        rows = dataset.episode(episode).columns["observation.state"]
        assert rows[:, 1].tolist() == list(range(length))
        for camera in CAMERAS:
            for tick, seen in enumerate(dataset.video(episode, camera)):
                assert abs(int(seen[10, 10, 0]) - (16 + (tick * 5) % 220)) < 3
                level = 16 + (int(rows[0, 0]) * 40 + 20 * CAMERAS.index(camera)) % 220
                assert abs(int(seen[10, WIDTH - 10, 0]) - level) < 3
    info = json.loads((dataset.path / "meta/info.json").read_text())
    assert not needs_repair(dataset.path, info)
    assert not list(dataset.path.rglob("*.part"))
    assert not list(dataset.path.rglob("*.film"))


def gone(pid):
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.02)
    return False


@pytest.mark.parametrize("after", thinned([1, 2, 15, 40], [40]))
def test_a_killed_recording_loses_no_picture(tmp_path, after):
    """The encoder outlives it until it has written what was in the ring."""
    with start(path=str(tmp_path), ticks=1000, pause=1e-3) as process:
        for said in words(process):
            if said[0] == "encoder":
                encoder = int(said[1])
            if said[0] == "kept":
                kept = int(said[2]) + 1
                if kept == after:
                    process.kill()
    dataset = Dataset.open(tmp_path)
    assert kept <= dataset.lengths[0] <= kept + 1
    assert dataset.infos[0].outcome is Outcome.UNFINISHED
    check(dataset)
    assert gone(encoder)


def test_an_encoder_that_is_killed_is_told_in_one_line(tmp_path):
    with start(path=str(tmp_path), ticks=10_000, episodes=2, pause=5e-3) as process:
        lines = []
        for said in words(process):
            lines.append(said)
            if said == ["kept", "0", "30"]:
                encoder = next(int(s[1]) for s in lines if s[0] == "encoder")
                os.kill(encoder, signal.SIGKILL)
    error = " ".join(lines[-1][1:])
    assert lines[-1][0] == "error"
    assert "the video encoder was ended by SIGKILL; the 0 sealed episodes and" in error
    assert error.endswith("ticks of the open one are safe; record again with --resume")
    safe = int(error.split(" sealed episodes and ")[1].split()[0])
    dataset = Dataset.open(tmp_path)
    assert 25 <= safe <= dataset.lengths[0] <= 32
    check(dataset)


def test_both_killed_at_once_lose_only_what_was_in_the_ring(tmp_path):
    with start(path=str(tmp_path), ticks=10_000, pause=0.02) as process:
        for said in words(process):
            if said[0] == "encoder":
                encoder = int(said[1])
            if said[0] == "kept":
                kept = int(said[2]) + 1
                if kept == 25:
                    os.kill(encoder, signal.SIGKILL)
                    process.kill()
    dataset = Dataset.open(tmp_path)
    assert kept - 3 <= dataset.lengths[0] <= kept + 1
    check(dataset)


def test_the_next_recording_waits_for_the_encoder_of_a_killed_one(tmp_path):
    with start(path=str(tmp_path), ticks=1000) as process:
        for said in words(process):
            if said[0] == "encoder":
                encoder = int(said[1])
            if said == ["kept", "0", "5"]:
                os.kill(encoder, signal.SIGSTOP)
            if said == ["kept", "0", "20"]:
                process.kill()
    subprocess.Popen(["sh", "-c", f"sleep 0.5; kill -CONT {encoder}"])
    run(path=str(tmp_path), ticks=3)
    dataset = Dataset.open(tmp_path)
    assert dataset.lengths[0] >= 20
    assert dataset.lengths[1] == 3
    check(dataset)


@pytest.mark.parametrize("every", thinned([4, 12], [12]))
def test_killed_while_sealing_films(tmp_path, every):
    """At each so manieth system call, half of them torn; mending twice changes nothing."""
    for call in range(0, 200, every):
        path = tmp_path / str(call)
        armed = {"call": call, "torn": call % 8 == 0, "episode": 0}
        recording = Forked(record_armed, str(path), armed, errors=tmp_path / "errors")
        code = recording.wait()
        dataset = Dataset.open(path)
        assert dataset.lengths.tolist() == [3]
        check(dataset)
        before = {p: p.read_bytes() for p in path.rglob("*") if p.is_file()}
        Dataset.open(path)
        assert {p: p.read_bytes() for p in path.rglob("*") if p.is_file()} == before
        if code == 0:
            break
    assert 15 < call < 199


def test_a_disk_that_fills_up_with_film_loses_nothing_that_was_kept(tmp_path):
    lines, code = run(path=str(tmp_path), ticks=500, pause=2e-3, film_limit=4000)
    assert code == 0
    assert lines[-1][0] == "error"
    error = " ".join(lines[-1][1:])
    assert "File too large" in error
    assert "the 0 sealed episodes and" in error
    safe = int(error.split(" sealed episodes and ")[1].split()[0])
    dataset = Dataset.open(tmp_path)
    assert 0 < safe <= dataset.lengths[0]
    check(dataset)


def test_a_disk_that_is_full_when_a_film_is_sealed_loses_nothing(tmp_path):
    lines, code = run(path=str(tmp_path), ticks=60, seal_limit=9000)
    assert code == 0
    error = " ".join(lines[-1][1:])
    assert "File too large; the 0 sealed episodes and 60 ticks of the open one are safe" in error
    dataset = Dataset.open(tmp_path)
    assert dataset.lengths.tolist() == [60]
    assert dataset.infos[0].outcome is Outcome.SUCCESS
    check(dataset)
