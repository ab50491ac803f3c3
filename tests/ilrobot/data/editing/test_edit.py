"""Each edit equals a slow reference, and says what it did."""

import json
from itertools import product

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ilrobot.cli import _main
from ilrobot.data import episode_table
from ilrobot.data.dataset import DatasetRecorder
from ilrobot.data.editing import write
from ilrobot.data.episode import EpisodeInfo, Judge, Outcome
from ilrobot.data.info import read_info
from ilrobot.data.tasks import read_tasks, write_tasks
from tests.exhaustive import thinned
from tests.ilrobot.data.editing.edited import (
    CAMERA,
    LENGTHS,
    MAKERS,
    TASKS,
    check_whole,
    edit,
    make_foreign,
    make_ours,
    pictures,
    read_rows,
    snapshot,
)
from tests.ilrobot.data.recording_child import COLUMNS, SPEC, STATE_SIZE, frame


def load(path):
    """Every column of every episode, read without the code under test."""
    files = sorted((path / "data").glob("*/*.parquet"))
    whole = pa.concat_tables([pq.read_table(file) for file in files])
    episodes = {}
    for row in whole.to_pylist():
        episodes.setdefault(row["episode_index"], []).append(row)
    return [episodes[index] for index in range(len(episodes))]


def reference(episodes, tasks, pieces, names):
    """What is to be in the data files, tick by tick, slowly.

    `pieces` are (episode, start, end, instruction or None).
    """
    used = {
        names.get(i) or tasks[t["task_index"]]
        for i, (e, s, n, _) in enumerate(pieces)
        for t in episodes[e][s:n]
    }
    order = [task for task in tasks if task in used]
    order += [task for task in used if task not in order]
    expected, total = [], 0
    for index, (episode, start, end, _) in enumerate(pieces):
        takeovers = [t["control.intervention_id"] for t in episodes[episode][start:end]]
        least = min((number for number in takeovers if number >= 0), default=0)
        ticks = []
        for number, old in enumerate(episodes[episode][start:end]):
            new = dict(old)
            new["episode_index"], new["index"], new["frame_index"] = index, total, number
            new["timestamp"] = float(np.float32(number / 200))
            task = names.get(index) or tasks[old["task_index"]]
            new["task_index"] = order.index(task)
            if start and old["control.intervention_id"] >= 0:
                new["control.intervention_id"] = old["control.intervention_id"] - least
            if start:
                new["control.branch"] -= episodes[episode][start]["control.branch"]
            if number == end - start - 1 and end < len(episodes[episode]):
                new["next.done"] = True
            ticks.append(new)
            total += 1
        expected.append(ticks)
    return expected, order


ALL = [(index, 0, length, None) for index, length in enumerate(LENGTHS)]


CASES = {
    "delete": (("delete", "--episodes", 1, "3-4"), [ALL[0], ALL[2]], {}),
    "delete the last": (("delete", "--episodes", 4), ALL[:4], {}),
    "keep": (("keep", "--episodes", "2-4", 0), [ALL[0], *ALL[2:]], {}),
    "keep all": (("keep", "--episodes", "0-4"), ALL, {}),
    "split": (
        ("split", "--episode", 1, "--at", 4),
        [ALL[0], (1, 0, 4, None), (1, 4, 9, None), *ALL[2:]],
        {},
    ),
    "split by seconds": (
        ("split", "--episode", 3, "--at", "0.01s"),
        [*ALL[:3], (3, 0, 2, None), (3, 2, 8, None), ALL[4]],
        {},
    ),
    "trim": (
        ("trim", "--episode", 3, "--start", 2, "--end", ".035s"),
        [*ALL[:3], (3, 2, 7, None), ALL[4]],
        {},
    ),
    "trim the end": (("trim", "--episode", 0, "--end", 5), [(0, 0, 5, None), *ALL[1:]], {}),
    "relabel": (("relabel", "--episodes", 1, 4, "--task", "stack"), ALL, {1: "stack", 4: "stack"}),
    "relabel to one there is": (("relabel", "--episodes", 3, "--task", "pick"), ALL, {3: "pick"}),
    "outcome": (("outcome", "--episodes", "0-1", "--outcome", "failure"), ALL, {}),
}


def same(one, other):
    """Of two ticks, NaN included."""
    return repr(one) == repr(other)


OURS = ("delete the last", "keep all", "split by seconds", "trim the end")
OURS += ("relabel to one there is", "outcome")
SAMPLE = [(case, "ours" if case in OURS else "foreign") for case in CASES]


@pytest.mark.parametrize(
    ("case", "path"), thinned(product(CASES, MAKERS), SAMPLE), indirect=["path"]
)
def test_each_operation_equals_a_slow_reference(case, path):
    words, pieces, names = CASES[case]
    before, tasks, rows, shown = load(path), read_tasks(path), read_rows(path), pictures(path)
    expected, order = reference(before, tasks, pieces, names)
    dataset = edit(path, *words)
    found = load(path)
    assert same(found, expected)
    assert read_tasks(path) == order
    assert dataset.lengths.tolist() == [end - start for _, start, end, _ in pieces]
    starts = dataset.starts.tolist()
    for index, (row, (episode, start, end, _)) in enumerate(
        zip(read_rows(path), pieces, strict=True)
    ):
        assert (row["episode_index"], row["length"]) == (index, end - start)
        assert (row["dataset_from_index"], row["dataset_to_index"]) == (
            starts[index],
            starts[index + 1],
        )
        assert row["tasks"] == [order[found[index][0]["task_index"]]]
        if f"videos/{CAMERA}/file_index" in row:
            begin = rows[episode][f"videos/{CAMERA}/from_timestamp"]
            span = [row[f"videos/{CAMERA}/{edge}_timestamp"] for edge in ("from", "to")]
            assert span == pytest.approx([begin + start / 200, begin + end / 200])
            whole = (start, end) == (0, LENGTHS[episode])
            mean = np.ravel(row[f"stats/{CAMERA}/mean"])
            assert (mean.tolist() == [0.5, 0.25, 0.125]) == whole
            assert np.shape(row[f"stats/{CAMERA}/mean"]) == (3, 1, 1)
            expected_pictures = shown[episode][start:end]
            np.testing.assert_array_equal(pictures(path)[index], expected_pictures)
    # Through our own loader.
    for index in range(dataset.num_episodes):
        episode = dataset.episode(index)
        for name, values in episode.columns.items():
            listed = [np.asarray(tick[name]).reshape(values.shape[1:]) for tick in expected[index]]
            np.testing.assert_array_equal(values, np.array(listed, values.dtype), err_msg=name)


@pytest.mark.parametrize("maker", thinned(MAKERS, ["foreign"]))
def test_merged_datasets_stand_one_after_the_other(maker, tmp_path):
    make = MAKERS[maker]
    one, two = make(tmp_path / "one"), make(tmp_path / "two")
    edit(two, "relabel", "--episodes", "0-4", "--task", "other")
    edit(two, "keep", "--episodes", "1-3")
    before = {path: snapshot(path) for path in (one, two)}
    expected = load(one) + load(two)
    total = sum(map(len, load(one)))
    for index, episode in enumerate(expected):
        for tick in episode:
            if index >= 5:
                tick |= {"episode_index": index, "index": total + tick["index"]}
                tick["task_index"] = 3
    output = tmp_path / "inner" / "all"
    assert _main(["edit", str(one), "merge", str(two), "--output", str(output)]) == 0
    dataset = check_whole(output)
    assert same(load(output), expected)
    assert read_tasks(output) == ["pick", "place", "push", "other"]
    assert [info.task for info in dataset.infos] == [*TASKS, "other", "other", "other"]
    assert {path: snapshot(path) for path in (one, two)} == before
    if maker == "foreign":
        for found, other in zip(pictures(output), pictures(one) + pictures(two), strict=True):
            np.testing.assert_array_equal(found, other)
        films = [row[f"videos/{CAMERA}/file_index"] for row in read_rows(output)]
        assert films == [0, 0, 1, 1, 2, 3, 4, 4]


@pytest.mark.parametrize("path", thinned(MAKERS, ["foreign"]), indirect=True)
def test_files_that_do_not_change_are_linked_and_others_go_along(path):
    before = {p.name: p.stat().st_ino for p in (path / "data").rglob("*.parquet")}
    (path / "meta/notes.txt").write_text("mind the gripper")
    foreign = "ilrobot" not in read_info(path)
    edit(path, "delete", "--episodes", 3)
    after = {p.name: p.stat().st_ino for p in (path / "data").rglob("*.parquet")}
    unchanged = {name for name, number in after.items() if before[name] == number}
    assert unchanged == (
        {"file-000.parquet"} if foreign else {f"file-00{i}.parquet" for i in range(3)}
    )
    assert (path / "meta/notes.txt").read_text() == "mind the gripper"
    if foreign:
        assert (path / "README.md").read_text() == "a card"
        assert read_info(path)["splits"] == {"train": "0:3", "test": "3:4"}


def test_a_film_that_no_episode_shows_any_more_goes(tmp_path):
    path = make_foreign(tmp_path / "toy")
    films = sorted(film.read_bytes() for film in path.rglob("*-00[12].mp4"))
    edit(path, "delete", "--episodes", "0-1")
    assert sorted(film.read_bytes() for film in path.rglob("*.mp4")) == films


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(("delete", "--episodes", "0"), marks=pytest.mark.exhaustive),
        ("split", "--episode", "4", "--at", "3"),
    ],
)
def test_an_edited_recording_goes_on(words, tmp_path):
    path = make_ours(tmp_path / "toy")
    count = edit(path, *words).num_episodes
    with DatasetRecorder(path, SPEC, state_size=STATE_SIZE, resume=True) as recorder:
        assert recorder.num_episodes == count
        recorder.begin(EpisodeInfo("new", SPEC.rate, seed=77))
        recorder.append(frame(77, 0))
        recorder.end(Outcome.FAILURE, Judge.PERSON)
    dataset = check_whole(path)
    assert dataset.num_episodes == count + 1
    assert dataset.infos[-1].seed == 77
    assert dataset.episode(count).columns.keys() == {column.name for column in COLUMNS}


def test_more_episodes_than_a_file_of_the_table_holds(tmp_path, monkeypatch):
    for module in (episode_table, write):
        monkeypatch.setattr(module, "ROWS_PER_FILE", 5)
    path = make_ours(tmp_path / "toy", lengths=[2] * 13)
    dataset = edit(path, "delete", "--episodes", "1-2")
    assert dataset.num_episodes == 11
    assert [info.seed for info in dataset.infos] == [0, *range(3, 13)]
    assert len(list((path / "meta/episodes").rglob("*.parquet"))) == 3


def test_instructions_that_nothing_uses_go(tmp_path):
    path = make_ours(tmp_path / "toy")
    write_tasks(path, [*read_tasks(path), "never"])
    assert edit(path, "keep", "--episodes", 1, 3).infos[1].task == "push"
    assert read_tasks(path) == ["place", "push"]


def test_json(tmp_path, capsys):
    path = make_ours(tmp_path / "toy")
    assert _main(["edit", str(path), "delete", "--episodes", "0", "3-4", "--json"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0] == "deleted: episodes 0 3-4 (21 frames)"
    assert json.loads(out[-1]) == {
        "output": str(path),
        "episodes_before": 5,
        "frames_before": 34,
        "episodes": 2,
        "frames": 13,
        "changes": [out[0]],
    }


def test_a_merge_says_how_many_episodes_begin_at_a_seed_of_another_dataset(tmp_path, capsys):
    one, two, three = (make_ours(tmp_path / name) for name in ("one", "two", "three"))
    edit(two, "keep", "--episodes", "1-3")
    edit(two, "split", "--episode", "0", "--at", "2")  # two pieces, of which one keeps the seed
    edit(three, "keep", "--episodes", "4")
    edit(one, "keep", "--episodes", "0-2")

    def told(*others, output):
        capsys.readouterr()
        words = map(str, (one, "merge", *others, "--output", tmp_path / output))
        assert _main(["edit", *words]) == 0
        out = capsys.readouterr().out
        return [line for line in out.splitlines() if line.startswith("mind: ")]

    (line,) = told(two, output="all")
    assert line.startswith("mind: 2 of them begin at the same seed as one of another dataset")
    assert told(three, output="apart") == []
    edit(two, "keep", "--episodes", "0")
    (line,) = told(two, output="pair")
    assert line.startswith("mind: 1 of them begins at")
