"""Each edit equals a slow reference, says honestly what it did, and loses nothing."""

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from recording_child import COLUMNS, SPEC, STATE_SIZE, frame

from ilrobot.cli import _main
from ilrobot.data import stats
from ilrobot.data.dataset import Dataset, DatasetRecorder
from ilrobot.data.editing import operations
from ilrobot.data.editing import swap as edit_swap
from ilrobot.data.episode import EpisodeInfo, Judge, Outcome
from ilrobot.data.info import read_info
from ilrobot.data.repair import needs_repair
from ilrobot.data.tasks import read_tasks, write_tasks
from ilrobot.data.video.film import available_codec
from ilrobot.gates.log import GateLog
from ilrobot.lock import WriteLock

LENGTHS = (6, 9, 4, 8, 7)
TASKS = ("pick", "place", "pick", "push", "place")
COUNTERS = {"timestamp", "frame_index", "episode_index", "index", "task_index"}
CAMERA = "observation.images.front"


def make_ours(path, lengths=LENGTHS):
    with DatasetRecorder(path, SPEC, state_size=STATE_SIZE) as recorder:
        for seed, length in enumerate(lengths):
            recorder.begin(EpisodeInfo(TASKS[seed % 5], SPEC.rate, seed=seed, operator="ann"))
            for tick in range(length):
                recorder.append(frame(seed, tick))
            recorder.end(Outcome.SUCCESS, Judge.PERSON, GateLog(6, 3, 1, 2, 4, 0.3))
    return path


def make_foreign(path):
    """As LeRobot writes it: several episodes to a file, a film of two, no notion of outcomes."""
    info_path = make_ours(path) / "meta/info.json"
    dataset = Dataset.open(path)
    ends = dataset.starts.tolist()
    tables = [pq.read_table(file) for file in sorted((path / "data").glob("*/*.parquet"))]
    shutil.rmtree(path / "data")
    (path / "data/chunk-000").mkdir(parents=True)
    for number, episodes in enumerate(([0, 1], [2, 3, 4])):
        file = path / f"data/chunk-000/file-{number:03d}.parquet"
        pq.write_table(pa.concat_tables([tables[e] for e in episodes]), file)
    (file,) = (path / "meta/episodes").glob("*/*.parquet")
    rows = pq.read_table(file)
    rows = rows.select(
        [n for n in rows.column_names if "/" in n or n in ("episode_index", "tasks", "length")]
        + ["dataset_from_index", "dataset_to_index"]
    )
    numbers = {"data/file_index": [0, 0, 1, 1, 1], f"videos/{CAMERA}/chunk_index": [0] * 5}
    numbers[f"videos/{CAMERA}/file_index"] = [0, 0, 1, 1, 2]
    begins = [0.0, LENGTHS[0] / 200, 0.0, LENGTHS[2] / 200, 0.0]
    spans = {
        f"videos/{CAMERA}/from_timestamp": begins,
        f"videos/{CAMERA}/to_timestamp": [
            b + n / 200 for b, n in zip(begins, LENGTHS, strict=True)
        ],
    }
    pixel = [[[0.5]], [[0.25]], [[0.125]]]
    statistics = {f"stats/{CAMERA}/{name}": [pixel] * 5 for name in stats.NAMES if name != "count"}
    for name, values in {**numbers, **spans, **statistics}.items():
        place = rows.schema.get_field_index(name)
        column = pa.array(values)
        rows = (
            rows.append_column(name, column) if place < 0 else rows.set_column(place, name, column)
        )
    rows = rows.append_column(f"stats/{CAMERA}/count", pa.array([[n] for n in LENGTHS]))
    pq.write_table(rows, file)
    info = json.loads(info_path.read_text())
    del info["ilrobot"]
    info["video_path"] = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"
    info["features"][CAMERA] = {"dtype": "video", "shape": [16, 16, 3], "names": ["h", "w", "c"]}
    info["splits"] = {"train": "0:3", "test": "3:5"}
    info_path.write_text(json.dumps(info))
    for number, frames in enumerate((15, 12, 7)):
        film = path / f"videos/{CAMERA}/chunk-000/file-{number:03d}.mp4"
        film.parent.mkdir(parents=True, exist_ok=True)
        make_film(film, frames, shade=60 * number)
    (path / "README.md").write_text("a card")
    assert ends[-1] == Dataset.open(path).num_frames
    return path


def make_film(path, frames, shade):
    """Each picture is a little brighter than the one before."""
    with av.open(str(path), "w") as film:
        stream = film.add_stream(available_codec().encoder, rate=200)
        stream.width = stream.height = 16
        for number in range(frames):
            picture = np.full((16, 16, 3), shade + 4 * number, np.uint8)
            for packet in stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")):
                film.mux(packet)
        for packet in stream.encode():
            film.mux(packet)


def pictures(path):
    """Of each episode, if it has any."""
    dataset = Dataset.open(path)
    cameras = dataset.camera_keys
    return [[*dataset.video(e, CAMERA)] if cameras else [] for e in range(dataset.num_episodes)]


MAKERS = {"ours": make_ours, "foreign": make_foreign}


@pytest.fixture(autouse=True)
def unflushed(monkeypatch):
    """Waiting for the disk takes most of the time; `test_all_is_flushed_...` looks at it."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@pytest.fixture(params=MAKERS)
def path(request, tmp_path):
    return MAKERS[request.param](tmp_path / "toy")


def edit(path, *words):
    assert _main(["edit", str(path), *map(str, words)]) == 0
    return check_whole(path)


def check_whole(path):
    """All files below meta/ agree with the data, and nothing lies beside it."""
    dataset, info = Dataset.open(path), read_info(path)
    assert not [p.name for p in path.parent.iterdir() if p.name.startswith(".")]
    assert not (path / ".writing.lock").exists()
    assert (info["total_episodes"], info["total_frames"]) == (
        dataset.num_episodes,
        dataset.num_frames,
    )
    assert info["total_tasks"] == len(read_tasks(path))
    if "ilrobot" in info:
        assert not needs_repair(path, info)
    pooled = json.loads((path / "meta/stats.json").read_text())
    rows = read_rows(path)
    for name, feature in info["features"].items():
        if feature["dtype"] in ("string", "video"):
            continue
        values = dataset.column(name)
        check_stats(pooled.get(name), values, name, ("min", "max", "mean", "std", "count"))
        for index, row in enumerate(rows):
            part = values[dataset.starts[index] : dataset.starts[index + 1]]
            found = {key: row[f"stats/{name}/{key}"] for key in stats.NAMES}
            check_stats(found, part, name, stats.NAMES)
    return dataset


def check_stats(found, values, name, keys):
    flat = values.reshape(len(values), -1).astype(np.float64)
    flat = flat[np.isfinite(flat).all(axis=1)]
    if not len(flat):
        assert found is None or found["count"] == [0]
        return
    quantiles = {key: np.quantile(flat, share, axis=0) for key, share in stats.QUANTILES.items()}
    expected = {
        "min": flat.min(axis=0),
        "max": flat.max(axis=0),
        "mean": flat.mean(axis=0),
        "std": flat.std(axis=0),
        "count": [len(flat)],
        **quantiles,
    }
    for key in keys:
        np.testing.assert_allclose(found[key], expected[key], rtol=1e-9, atol=1e-9, err_msg=name)


def read_rows(path):
    files = sorted((path / "meta/episodes").glob("*/*.parquet"))
    return [row for file in files for row in pq.read_table(file).to_pylist()]


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


@pytest.mark.parametrize("case", CASES)
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


@pytest.mark.parametrize("maker", MAKERS)
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


def snapshot(path):
    return {p.relative_to(path): p.read_bytes() for p in path.rglob("*") if p.is_file()}


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


def record_outcome(path, outcome, success_at=None):
    with DatasetRecorder(path, SPEC, state_size=STATE_SIZE) as recorder:
        recorder.begin(EpisodeInfo("toy", SPEC.rate, seed=5, operator="ann", device="gamepad"))
        for tick in range(8):
            values = frame(0, tick)
            values |= {"next.success": tick == success_at, "control.discarded": False}
            recorder.append(values)
        recorder.end(outcome, Judge.PERSON)
    return path


@pytest.mark.parametrize(
    ("outcome", "success_at", "first"),
    [
        ("success", None, ("unknown", "nobody")),
        ("success", 2, ("success", "environment")),
        ("success", 6, ("unknown", "nobody")),
        ("failure", None, ("unfinished", "nobody")),
        ("timeout", 2, ("unfinished", "nobody")),
        ("discarded", 2, ("discarded", "person")),
        ("unknown", None, ("unknown", "person")),
    ],
)
def test_a_piece_claims_no_more_than_is_known(outcome, success_at, first, tmp_path, capsys):
    path = record_outcome(tmp_path / "toy", Outcome(outcome), success_at)
    infos = edit(path, "split", "--episode", 0, "--at", 4).infos
    assert [(info.outcome, info.judge) for info in infos] == [first, (outcome, "person")]
    assert [info.seed for info in infos] == [5, None]
    assert [(info.operator, info.device) for info in infos] == [("ann", "gamepad")] * 2
    said = capsys.readouterr().out
    assert "its seed 5 no longer gives its first frame" in said
    assert ("say how those ended" in said) == (first[1] == "nobody")


def test_a_person_judges(path, capsys):
    dataset = edit(path, "outcome", "--episodes", 1, "3-4", "--outcome", "discarded")
    judged = [(info.outcome, info.judge) for info in dataset.infos]
    other = judged[0]
    discarded = (Outcome.DISCARDED, Judge.PERSON)
    assert judged == [other, discarded, other, discarded, discarded]
    assert other[0] in (Outcome.SUCCESS, Outcome.UNKNOWN)
    assert "is discarded (by person) now" in capsys.readouterr().out


def test_a_person_may_leave_a_piece_unknown(tmp_path, capsys):
    path = record_outcome(tmp_path / "toy", Outcome.SUCCESS)
    edit(path, "split", "--episode", 0, "--at", 4)
    dataset = edit(path, "outcome", "--episodes", 0, "--outcome", "unknown")
    assert (dataset.infos[0].outcome, dataset.infos[0].judge) == (Outcome.UNKNOWN, Judge.PERSON)
    assert "unknown (by nobody) is unknown (by person) now" in capsys.readouterr().out
    edit(path, "split", "--episode", 0, "--at", 2)
    assert "say how those ended" not in capsys.readouterr().out


def test_what_a_rewind_undid_is_no_success_and_branches_count_from_each_beginning(tmp_path):
    path = tmp_path / "toy"
    with DatasetRecorder(path, SPEC, state_size=STATE_SIZE) as recorder:
        recorder.begin(EpisodeInfo("toy", SPEC.rate))
        for tick in range(8):
            if tick == 4:
                recorder.rewind(2)
            said = {"next.success": tick == 3, "control.discarded": False}
            recorder.append(frame(0, tick) | said | {"control.branch": int(tick >= 4)})
        recorder.end(Outcome.SUCCESS, Judge.PERSON)
    dataset = edit(path, "split", "--episode", 0, "--at", 5)
    assert dataset.infos[0].outcome is Outcome.UNKNOWN
    assert dataset.column("control.discarded").tolist() == [0, 0, 1, 1, 0, 0, 0, 0]
    assert dataset.column("control.branch").tolist() == [0, 0, 0, 0, 1, 0, 0, 0]


def test_how_control_was_shared_is_counted_anew_in_a_piece(tmp_path):
    path = tmp_path / "toy"
    acts = [False, True, True, False, True, True, False, True]
    asked = [True, True, True, False, True, True, False, True]
    number = -1
    with DatasetRecorder(path, SPEC, state_size=STATE_SIZE) as recorder:
        recorder.begin(EpisodeInfo("toy", SPEC.rate))
        for tick, act in enumerate(acts):
            number += act and not acts[tick - 1]
            values = frame(0, tick) | {"intervention": act}
            values["control.intervention_id"] = number if act else -1
            values["control.human_action"] = np.full(2, 1.0 if asked[tick] else np.nan, np.float32)
            recorder.append(values)
        log = GateLog(8, 5, 3, 5, 6, 0.5, {"doubt": 0.1}, doubts=(0.2, 0.3, 0.4))
        recorder.end(Outcome.SUCCESS, Judge.PERSON, log)
    dataset = edit(path, "split", "--episode", 0, "--at", 5)
    # The second begins with the expert in control: nobody handed it over there.
    assert [info.control for info in dataset.infos] == [
        GateLog(5, 3, 2, 3, 4, 3 / SPEC.rate, {"doubt": 0.1}, doubts=(0.2, 0.3)),
        GateLog(3, 2, 1, 2, 2, 2 / SPEC.rate, {"doubt": 0.1}, doubts=(0.4,)),
    ]
    assert dataset.column("control.intervention_id").tolist() == [-1, 0, 0, -1, 1, 0, -1, 1]
    edit(path, "relabel", "--episodes", 0, "--task", "x")
    assert Dataset.open(path).infos[0].control == GateLog(
        5, 3, 2, 3, 4, 3 / SPEC.rate, {"doubt": 0.1}, doubts=(0.2, 0.3)
    )


@pytest.mark.parametrize(
    "words", [("delete", "--episodes", "0"), ("split", "--episode", "4", "--at", "3")]
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


def test_more_episodes_than_a_file_of_the_table_holds(tmp_path):
    path = make_ours(tmp_path / "toy", lengths=[2] * 103)
    dataset = edit(path, "delete", "--episodes", "1-2")
    assert dataset.num_episodes == 101
    assert [info.seed for info in dataset.infos] == [0, *range(3, 103)]
    assert len(list((path / "meta/episodes").rglob("*.parquet"))) == 3


def test_instructions_that_nothing_uses_go(tmp_path):
    path = make_ours(tmp_path / "toy")
    write_tasks(path, [*read_tasks(path), "never"])
    assert edit(path, "keep", "--episodes", 1, 3).infos[1].task == "push"
    assert read_tasks(path) == ["place", "push"]


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


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_done_is_one_line_and_changes_nothing(case, path, capsys):
    words, expected = REFUSED[case]
    before = snapshot(path)
    assert _main(["edit", str(path), *words]) == 2
    error = capsys.readouterr().err
    assert expected in error, error
    assert error.count("\n") == 1
    assert snapshot(path) == before
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def refused(path, capsys, *words):
    before = snapshot(path)
    assert _main(["edit", str(path), *map(str, words)]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1, error
    assert snapshot(path) == before
    return error


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


def test_a_dataset_without_the_statistics_of_each_episode_is_refused(tmp_path, capsys):
    path = make_foreign(tmp_path / "toy")
    (file,) = (path / "meta/episodes").rglob("*.parquet")
    rows = pq.read_table(file)
    pq.write_table(rows.select([n for n in rows.column_names if "stats/action" not in n]), file)
    error = refused(path, capsys, "delete", "--episodes", 0)
    assert "lacks the statistics of 'action' of each episode; import it first" in error


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


@pytest.mark.parametrize("exchanges", [True, False])
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
