"""An edit that is cut off anywhere leaves the original or the result, whole, and nothing else."""

import contextlib
import os
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from recording_child import SPEC, STATE_SIZE, Server, frame

from ilrobot.cli import _main
from ilrobot.data.dataset import Dataset, DatasetRecorder
from ilrobot.data.episode import EpisodeInfo, Judge, Outcome
from ilrobot.data.info import read_info
from ilrobot.data.repair import needs_repair
from ilrobot.errors import UserError
from tests.exhaustive import thinned

OPERATIONS = {
    "delete": ("delete", "--episodes", "1"),
    "keep": ("keep", "--episodes", "1-2"),
    "split": ("split", "--episode", "2", "--at", "3"),
    "trim": ("trim", "--episode", "2", "--start", "2", "--end", "4"),
    "relabel": ("relabel", "--episodes", "1", "--task", "stack the cubes"),
    "outcome": ("outcome", "--episodes", "0-2", "--outcome", "failure"),
    "merge": ("merge", "{other}", "--output", "{output}"),
}


@pytest.fixture(scope="module")
def server():
    server = Server()
    yield server
    server.close()


def record(path, seeds):
    with DatasetRecorder(path, SPEC, state_size=STATE_SIZE) as recorder:
        for seed in seeds:
            recorder.begin(EpisodeInfo("toy", SPEC.rate, seed=seed))
            for tick in range(5):
                recorder.append(frame(seed, tick))
            recorder.end(Outcome.SUCCESS, Judge.PERSON)
    return path


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    folder = tmp_path_factory.mktemp("originals")
    return record(folder / "toy", range(4)), record(folder / "other", range(4, 6))


class Scene:
    """A folder of copies to edit, what is in it before and what is to be there then."""

    def __init__(self, folder: Path, originals: tuple[Path, Path], name: str) -> None:
        self._originals, self._folder = originals, folder
        self.output = folder / ("new" if name == "merge" else "toy")
        places = {"{other}": str(folder / "other"), "{output}": str(self.output)}
        operation = [places.get(word, word) for word in OPERATIONS[name]]
        self.words = [str(folder / "toy"), *operation]
        self.begin()
        self.before = self.found()
        assert _main(["edit", *self.words]) == 0
        self.after = self.found()
        assert self.after != self.before

    def begin(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(parents=True)
        for original in self._originals[: 2 if self.output.name == "new" else 1]:
            shutil.copytree(original, self._folder / original.name, copy_function=os.link)

    def found(self) -> list:
        """All that the datasets there hold; opening them mends what was left behind."""
        held = [_held(self._folder / "toy")]
        if self.output.name == "new":
            held.append(_held(self._folder / "other"))
            with contextlib.suppress(UserError):  # it does not exist
                held.append(_held(self.output))
        names = {path.name for path in self._folder.iterdir()}
        assert names <= {"toy", "other", "new"}, names
        return held


def _held(path: Path) -> tuple:
    dataset = Dataset.open(path)
    info = read_info(path)
    assert not needs_repair(path, info)
    assert info["total_frames"] == dataset.num_frames
    return dataset.content_hash, dataset.infos, dataset.lengths.tolist()


@pytest.mark.parametrize("name", thinned(OPERATIONS, ["trim"]))
def test_killed_at_15_random_moments(server, originals, tmp_path, name):
    scene, draw = Scene(tmp_path / "scene", originals, name), random.Random(11)
    lasts = 0.5
    seen = {"before": 0, "after": 0}
    for kill in range(16):
        scene.begin()
        lines = server.lines(do="edit", words=scene.words)
        pid = int(next(lines)[1])
        begun = time.monotonic()
        if kill:
            time.sleep(draw.uniform(0, lasts))
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        list(lines)
        if not kill:
            lasts = time.monotonic() - begun
        found = scene.found()
        assert found in (scene.before, scene.after)
        seen["before" if found == scene.before else "after"] += 1
    assert seen["before"] > 2


_EVEN, _ODD, _ALL = range(0, 200, 2), range(1, 200, 2), range(200)
_KILLED = [("delete", True, _EVEN), ("delete", False, _ODD), ("merge", True, _EVEN)]


@pytest.mark.parametrize(
    ("name", "exchanges", "calls"),
    thinned([*_KILLED, *((*case[:2], _ALL) for case in _KILLED)], _KILLED),
)
def test_killed_at_changes_of_a_folder(server, originals, tmp_path, name, exchanges, calls):
    scene = Scene(tmp_path / "scene", originals, name)
    history = []
    for call in calls:
        scene.begin()
        lines = list(server.lines(do="edit", words=scene.words, call=call, exchanges=exchanges))
        found = scene.found()
        assert found in (scene.before, scene.after), call
        history.append(found == scene.after)
        if lines[-1] == ["exit", "0"]:
            break
    assert history == sorted(history)
    assert 10 < call < 199
    assert history.count(True) > 1  # it was killed after the swap too
    # Whatever a kill left behind is not in the way of doing it again.
    scene.begin()
    list(server.lines(do="edit", words=scene.words, call=9, exchanges=exchanges))
    assert _main(["edit", *scene.words]) == 0
    assert scene.found() == scene.after


def test_a_disk_that_fills_up_leaves_the_original(server, originals, tmp_path):
    """A limit on the size of files stands in for it."""
    for name in OPERATIONS:
        scene = Scene(tmp_path / "scene", originals, name)
        scene.begin()
        (said,) = [
            words
            for words in server.lines(do="edit", words=scene.words, limit=6000)
            if words[0] == "done"
        ]
        assert said[1] == "1", said
        assert "File too large" in said[2]
        assert {path.name for path in scene.output.parent.iterdir()} <= {"toy", "other"}
        assert scene.found() == scene.before


def test_a_disk_that_really_fills_up_leaves_the_original(server, originals, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=184k", "tmpfs", str(disk)]
    try:
        mounted = subprocess.run(mount, capture_output=True).returncode == 0
    except FileNotFoundError:
        mounted = False
    if not mounted:
        pytest.skip("a small disk cannot be mounted here (needs root)")
    try:
        shutil.copytree(originals[0], disk / "toy")
        before = _held(disk / "toy")
        words = [str(disk / "toy"), "delete", "--episodes", "0"]
        (said,) = [w for w in server.lines(do="edit", words=words) if w[0] == "done"]
        assert said[1] == "1", said
        assert "No space left on device" in said[2]
        assert "the dataset is as it was" in said[2]
        assert [path.name for path in disk.iterdir()] == ["toy"]
        assert _held(disk / "toy") == before
        subprocess.run(["mount", "-o", "remount,size=8m", str(disk)], check=True)
        assert _main(["edit", *words]) == 0
        assert Dataset.open(disk / "toy").num_episodes == len(before[2]) - 1
    finally:
        subprocess.run(["umount", str(disk)], check=True)
