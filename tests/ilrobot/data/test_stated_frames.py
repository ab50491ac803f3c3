"""The frame that a task states: kept with its recordings, never mixed with another."""

from dataclasses import replace

import pytest

from ilrobot.cli import _main
from ilrobot.data.dataset import Dataset, DatasetRecorder
from ilrobot.data.episode import EpisodeInfo, Judge, Outcome
from ilrobot.errors import UserError
from tests.ilrobot.data.recording_child import SPEC, STATE_SIZE, frame

CUBE, LID = (replace(SPEC, task_frame=("cube", goal)) for goal in ("goal", "lid"))


def record(path, spec, *, resume=False):
    with DatasetRecorder(path, spec, state_size=STATE_SIZE, resume=resume) as recorder:
        recorder.begin(EpisodeInfo("toy", spec.rate))
        recorder.append(frame(0, 0))
        recorder.end(Outcome.SUCCESS, Judge.PERSON)
    return path


def stated(path):
    return Dataset.open(path).spec.task_frame


def merge(first, *others, output):
    words = [*map(str, (first, "merge", *others)), "--output", str(output)]
    return _main(["edit", *words])


def test_a_dataset_of_before_takes_the_frame_of_what_is_added(tmp_path):
    path = record(tmp_path / "toy", SPEC)
    assert stated(path) == ()
    record(path, CUBE, resume=True)
    assert stated(path) == ("cube", "goal")
    record(path, SPEC, resume=True)
    assert stated(path) == ("cube", "goal")
    assert Dataset.open(path).num_episodes == 3


def test_another_frame_is_not_recorded_into_a_dataset(tmp_path):
    path = record(tmp_path / "toy", CUBE)
    with pytest.raises(UserError, match=r"another frame of the task \(cube:goal, now cube:lid\)"):
        record(path, LID, resume=True)
    assert Dataset.open(path).num_episodes == 1


@pytest.mark.parametrize("order", [("of_before", "toy"), ("toy", "of_before")])
def test_a_merged_dataset_states_the_frame_that_any_states(order, tmp_path):
    record(tmp_path / "of_before", SPEC)
    record(tmp_path / "toy", CUBE)
    assert merge(*(tmp_path / name for name in order), output=tmp_path / "all") == 0
    assert stated(tmp_path / "all") == ("cube", "goal")
    assert Dataset.open(tmp_path / "all").num_episodes == 2


def limited(most):
    action = replace(SPEC.action, low=(-most, -most), high=(most, most))
    return replace(SPEC, action=action)


def test_actions_of_two_ranges_are_not_mixed(tmp_path, capsys):
    path = record(tmp_path / "toy", limited(0.5))
    with pytest.raises(UserError, match="another range of 'action'"):
        record(path, limited(2.0), resume=True)
    record(path, limited(0.5), resume=True)
    record(path, SPEC, resume=True)
    wider = record(tmp_path / "wider", limited(2.0))
    assert merge(path, wider, output=tmp_path / "all") == 2
    assert "another range of 'action' than" in capsys.readouterr().err
    of_before = record(tmp_path / "of_before", SPEC)
    assert merge(path, of_before, output=tmp_path / "all") == 0


def test_datasets_of_two_frames_are_not_merged(tmp_path, capsys):
    paths = [record(tmp_path / "of_before", SPEC), record(tmp_path / "cube", CUBE)]
    paths.append(record(tmp_path / "lid", LID))
    assert merge(*paths, output=tmp_path / "all") == 2
    said = " ".join(capsys.readouterr().err.split())
    assert f"{paths[2]}: has another frame of the task than {paths[1]} (cube:lid, there" in said
    assert not (tmp_path / "all").exists()
