"""Recording into a folder that is not meant for it."""

from dataclasses import replace

import pytest

from ilrobot.data.dataset import Dataset, DatasetRecorder
from ilrobot.data.episode import EpisodeInfo, Judge, Outcome
from ilrobot.data.writing import write_episodes
from ilrobot.errors import UserError
from ilrobot.spec import Feature
from tests.ilrobot.data.damaging import SPEC, edit, episode, frame, snapshot


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"task": "ilrobot/Other-v0"}, "another task (ilrobot/Toy-v0, now ilrobot/Other-v0)"),
        ({"task_options": {"engine": "pybullet"}}, "--options (none, now engine=pybullet)"),
        ({"task_options": {"x": "1", "w": [1, True]}}, '(none, now w=[1, true] x="1")'),
        ({"rate": 20.0}, "another control rate in Hz (10.0, now 20.0)"),
        ({"action": Feature("action", (3,))}, "now 'action' float32[3]"),
        ({"action": Feature("action", (2,), names=("y", "x"))}, "elements of 'action'"),
        ({"choices": 4, "action": Feature("action", (), "int64")}, "number of choices"),
    ],
)
def test_a_dataset_of_another_task(changes, words, path):
    before = snapshot(path)
    with pytest.raises(UserError) as caught:
        DatasetRecorder(path, replace(SPEC, **changes), resume=True)
    assert words in str(caught.value)
    assert snapshot(path) == before


def test_what_the_dataset_does_not_state_is_not_compared(tmp_path):
    """Imported demonstrations name no task; corrections may be added to a copy of them."""
    silent = replace(SPEC, task="", action=Feature("action", (2,)))
    write_episodes(tmp_path / "toy", silent, [episode()])
    with DatasetRecorder(tmp_path / "toy", SPEC, resume=True) as recorder:
        recorder.begin(EpisodeInfo("toy", 10.0))
        recorder.append(frame())
        recorder.end(Outcome.SUCCESS, Judge.PERSON)
    assert Dataset.open(tmp_path / "toy").num_episodes == 2


def test_a_dataset_of_another_program(path):
    edit(path, ilrobot=None)
    with pytest.raises(UserError, match=f"written by another program.*ilrobot import {path}"):
        DatasetRecorder(path, SPEC, resume=True)


def test_a_folder_of_something_else(tmp_path):
    (tmp_path / "run.json").write_text("{}")
    (tmp_path / "policy.pt").write_bytes(b"")
    for resume in (False, True):
        with pytest.raises(UserError, match=r"holds no recording but policy\.pt, run\.json"):
            DatasetRecorder(tmp_path, SPEC, resume=resume)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["policy.pt", "run.json"]


def test_of_a_run_its_recordings_are_named(path, tmp_path):
    run = tmp_path / "run"
    path.rename(run.mkdir() or run / "attempts")
    with pytest.raises(UserError, match=r"it is no dataset or only half of one; give .*attempts$"):
        Dataset.open(run)


def test_a_recording_that_was_killed_as_it_began_is_begun_again(tmp_path):
    (tmp_path / ".writing.lock").touch()
    (tmp_path / "meta").mkdir()
    (tmp_path / "meta/info.json.17.part").write_text("{")
    with DatasetRecorder(tmp_path, SPEC, resume=True) as recorder:
        assert recorder.num_episodes == 0
