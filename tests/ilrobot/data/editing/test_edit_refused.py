"""What cannot be edited is one line, and nothing changes."""

import shutil
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from ilrobot.cli import _main
from ilrobot.data.dataset import Dataset, DatasetRecorder
from ilrobot.data.episode import EpisodeInfo, Judge, Outcome
from tests.exhaustive import thinned
from tests.ilrobot.data.editing.edited import MAKERS, make_foreign, make_ours, refused, snapshot
from tests.ilrobot.data.recording_child import SPEC, STATE_SIZE, frame

REFUSED = {
    "no such episode": (("delete", "--episodes", "2-5"), "has no episode 5; they go from 0 to 4"),
    "a range beyond memory": (
        ("delete", "--episodes", "0-999999999"),
        "has no episode 5; they go from 0 to 4",
    ),
    "a range far behind": (("keep", "--episodes", "0", "99-999999999"), "has no episode 99;"),
    "no numbers": (("delete", "--episodes"), "--episodes needs numbers"),
    "no numbers to rename": (
        ("relabel", "--episodes", "--task", "x"),
        "--episodes needs numbers",
    ),
    "negative": (("delete", "--episodes", "-1"), "takes numbers from 0 on and ranges"),
    "backwards": (("keep", "--episodes", "4-2"), "such as 3 7-9, not '4-2'"),
    "a word": (("keep", "--episodes", "two"), "not 'two'"),
    "all": (("delete", "--episodes", "0-4"), "no episode would be left"),
    "split at 0": (("split", "--episode", "1", "--at", "0"), "cut it at one of 1 to 8, not at 0"),
    "split behind": (("split", "--episode", "1", "--at", "9"), "one of 1 to 8"),
    "split nowhere": (("split", "--episode", "1", "--at", "mid"), "such as 120, or seconds"),
    "negative frame": (("split", "--episode", "1", "--at", "-3"), "-3"),
    "negative episode": (("split", "--episode", "-1", "--at", "3"), "has no episode -1"),
    "trim nothing": (("trim", "--episode", "1"), "nothing to cut off"),
    "trim all": (("trim", "--episode", "1", "--start", "4", "--end", "4"), "not go from 4 to 4"),
    "trim too far": (("trim", "--episode", "1", "--end", "10"), "at 9 at most"),
    "no words": (("relabel", "--episodes", "1", "--task", " "), "words on one line"),
    "two lines": (("relabel", "--episodes", "1", "--task", "a\nb"), "words on one line"),
    "no outcome": (
        ("outcome", "--episodes", "1", "--outcome", "good"),
        "--outcome cannot be 'good'",
    ),
    "no operation": ((), "delete"),
}


# Each on one kind of dataset, in turn.
SAMPLE = [(case, [*MAKERS][number % 2]) for number, case in enumerate(REFUSED)]


@pytest.mark.parametrize(
    ("case", "path"), thinned(product(REFUSED, MAKERS), SAMPLE), indirect=["path"]
)
def test_what_cannot_be_done_is_one_line_and_changes_nothing(case, path, capsys):
    words, expected = REFUSED[case]
    before = snapshot(path)
    assert _main(["edit", str(path), *words]) == 2
    error = capsys.readouterr().err
    assert expected in error, error
    assert error.count("\n") == 1
    assert snapshot(path) == before
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_a_dataset_that_is_being_recorded_is_refused(tmp_path, capsys):
    path = make_ours(tmp_path / "toy")
    with DatasetRecorder(path, SPEC, state_size=STATE_SIZE, resume=True) as recorder:
        recorder.begin(EpisodeInfo("toy", SPEC.rate))
        recorder.append(frame(0, 0))
        words = ("delete", "--episodes", 0)
        assert "another process is recording or editing there" in refused(path, capsys, *words)
        other = make_ours(tmp_path / "other")
        words = ("merge", path, "--output", tmp_path / "new")
        assert "another process is recording" in refused(other, capsys, *words)
        assert not (tmp_path / "new").exists()
    assert Dataset.open(path).num_episodes == 6


def test_a_dataset_without_the_statistics_of_each_episode_is_refused(tmp_path, capsys):
    path = make_foreign(tmp_path / "toy")
    (file,) = (path / "meta/episodes").rglob("*.parquet")
    rows = pq.read_table(file)
    pq.write_table(rows.select([n for n in rows.column_names if "stats/action" not in n]), file)
    error = refused(path, capsys, "delete", "--episodes", 0)
    assert "lacks the statistics of 'action' of each episode; import it first" in error


def test_datasets_that_differ_are_not_merged(tmp_path, capsys):
    path, other = make_ours(tmp_path / "one"), tmp_path / "other"
    words = ("merge", other, "--output", tmp_path / "new")
    for change, expected in (
        ({"rate": 100.0}, "another control rate in Hz than"),
        ({"task": "x/Other-v0"}, "another task than"),
        ({"action": replace(SPEC.action, shape=(3,), names=(), units=())}, "'action'"),
        ({"action": replace(SPEC.action, units=("m", "rad"))}, "another units of 'action' than"),
        ({"observations": SPEC.observations[:1]}, "another set of features than"),
    ):
        spec = replace(SPEC, **change)
        with DatasetRecorder(other, spec, state_size=0) as recorder:
            recorder.begin(EpisodeInfo("toy", spec.rate))
            values = frame(0, 0)
            for key in ("action", "control.policy_action", "control.human_action"):
                values[key] = np.zeros(spec.action.shape, np.float32)
            recorder.append(values)
            recorder.end(Outcome.SUCCESS, Judge.PERSON)
        error = refused(path, capsys, *words)
        assert str(other) in error
        if "set of features" in expected or "state" in error:
            assert "set of features" in error
            assert "(nothing of its own, there " in error
            assert len(error) < 500
        else:
            assert expected in error, error
        assert not (tmp_path / "new").exists()
        shutil.rmtree(other)
    make_foreign(other)
    assert "another writer than" in refused(path, capsys, *words)
    assert "given twice" in refused(path, capsys, "merge", path, "--output", tmp_path / "new")
    assert "with what?" in refused(path, capsys, "merge", "--output", tmp_path / "new")
    full = ("merge", other, "--output", Path(other))
    assert "exists and is not empty" in refused(path, capsys, *full)


def test_a_merge_into_one_of_its_sources_or_above_them_is_refused(tmp_path, capsys):
    path, other = make_ours(tmp_path / "in/one"), make_ours(tmp_path / "in/two")
    (tmp_path / "link").symlink_to(other)
    for output in (path / "new", path / "data/inner/new", tmp_path / "link/new"):
        error = refused(path, capsys, "merge", other, "--output", output)
        assert "a dataset to be merged; choose a folder outside it" in error
    error = refused(path, capsys, "merge", other, "--output", tmp_path / "in")
    assert "exists and is not empty" in error
    assert not any(tmp_path.rglob("new"))
    assert Dataset.open(other).num_episodes == 5
