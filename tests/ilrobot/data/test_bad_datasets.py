"""Datasets that somebody edited or that a disk damaged are refused in one line and left alone."""

import json
import math
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ilrobot.actors import Source
from ilrobot.cli import _main
from ilrobot.data.dataset import Dataset, DatasetRecorder
from ilrobot.data.episode import Episode, EpisodeInfo, Judge, Outcome, frame_columns
from ilrobot.data.info import read_info
from ilrobot.data.journal import JournalWriter
from ilrobot.data.stats import PooledStats, feature_stats
from ilrobot.data.writing import write_episodes
from ilrobot.errors import UserError
from ilrobot.spec import Feature, Spec

SPEC = Spec(
    (Feature("observation.state", (3,)),),
    Feature("action", (2,), names=("x", "y")),
    10.0,
    task="ilrobot/Toy-v0",
)


def episode(length=4, seed=0):
    rng = np.random.default_rng(seed)
    columns = {
        "observation.state": rng.normal(size=(length, 3)).astype(np.float32),
        "action": rng.normal(size=(length, 2)).astype(np.float32),
    }
    return Episode(EpisodeInfo("toy", 10.0, Outcome.SUCCESS, Judge.PERSON, seed=seed), columns)


def frame(tick=0):
    zeros = {
        column.name: np.zeros(column.shape, column.dtype)
        for column in frame_columns(SPEC)
        if column.dtype != "string"
    }
    return {**zeros, "action": np.full(2, tick, np.float32), "control.source": Source.DEMO.value}


@pytest.fixture
def path(tmp_path):
    write_episodes(tmp_path / "toy", SPEC, [episode(4, 0), episode(5, 1)])
    return tmp_path / "toy"


def snapshot(path):
    return {p: p.read_bytes() for p in path.rglob("*") if p.is_file()}


def refuse(capsys, path, *arguments):
    """What the verb says in one line, exit code 2, nothing changed."""
    before = snapshot(path)
    assert _main(list(arguments)) == 2
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1, said
    assert snapshot(path) == before
    return said[0]


def edit(path, **changes):
    """Change keys of info.json, dots leading into it; None removes, `null` is JSON's."""
    file = path / "meta/info.json"
    info = json.loads(file.read_text())
    for key, value in changes.items():
        *above, last = key.split("__")
        place = info
        for name in above:
            place = place[name]
        if value is None:
            del place[last]
        else:
            place[last] = None if value == "null" else value
    file.write_text(json.dumps(info))


EDITS = {
    "no state_size": ({"ilrobot__state_size": None}, "state_size"),
    "another state_size": ({"ilrobot__state_size": 7}, "sim.state"),
    "null ilrobot": ({"ilrobot": "null"}, "'ilrobot' is None"),
    "list ilrobot": ({"ilrobot": [1]}, "'ilrobot'"),
    "no format": ({"ilrobot__format": None}, "format"),
    "newer": ({"ilrobot__format": 99}, "a newer ilrobot"),
    "no spec": ({"ilrobot__spec": None}, "spec"),
    "spec without action": ({"ilrobot__spec__action": None}, "action"),
    "spec rate": ({"ilrobot__spec__rate": 0}, "rate"),
    "names of another action": ({"ilrobot__spec__action__names": ["x"]}, "'action'"),
    "fps text": ({"fps": "x"}, "'fps' is 'x'"),
    "fps 0": ({"fps": 0}, "'fps' is 0"),
    "fps inf": ({"fps": math.inf}, "'fps' is inf"),
    "fps nan": ({"fps": math.nan}, "'fps' is nan"),
    "fps of 400 digits": ({"fps": 10**400}, "'fps' is 1000"),
    "spec rate of 400 digits": ({"ilrobot__spec__rate": 10**400}, "too large"),
    "spec shape inf": ({"ilrobot__spec__action__shape": [math.inf]}, "infinity"),
    "spec of another name": ({"ilrobot__spec__action__name": "x"}, "calls the action 'x'"),
    "fps true": ({"fps": True}, "'fps' is True"),
    "no fps": ({"fps": None}, "'fps'"),
    "features 3": ({"features": 3}, "'features' is 3"),
    "no features": ({"features": None}, "'features'"),
    "no dtype": ({"features__action__dtype": None}, "'action'"),
    "odd dtype": ({"features__action__dtype": "float33"}, "'action'"),
    "other dtype": ({"features__action__dtype": "float64"}, "'action'"),
    "feature 3": ({"features__action": 3}, "'action'"),
    "shape 3": ({"features__action__shape": 3}, "'action'"),
    "other shape": ({"features__action__shape": [3]}, "'action'"),
    "negative shape": ({"features__action__shape": [-1]}, "'action'"),
    "unknown place": ({"data_path": "data/{chunk}.parquet"}, "'data_path'"),
    "open brace": ({"data_path": "data/{chunk_index"}, "'data_path'"),
    "number as path": ({"data_path": 3}, "'data_path'"),
    "episodes": ({"total_episodes": "two"}, "'total_episodes'"),
    "too many episodes": ({"total_episodes": 3}, "lists 2 episodes, but info.json counts 3"),
    "chunks": ({"chunks_size": 0}, "'chunks_size'"),
}


@pytest.mark.parametrize("case", EDITS)
def test_an_edited_info_json(case, path, capsys):
    changes, words = EDITS[case]
    edit(path, **changes)
    said = refuse(capsys, path, "info", str(path))
    assert words in said
    assert str(path) in said
    with pytest.raises(UserError, match="meta"):
        DatasetRecorder(path, SPEC, resume=True)


def test_features_without_names_are_described_without_them(path, capsys):
    edit(path, features__action__names=None)
    assert _main(["info", str(path)]) == 0
    assert "action  float32 [2]" in capsys.readouterr().out


def test_an_action_that_is_no_vector(path):
    edit(path, ilrobot=None, features__action__shape=[1, 2])
    with pytest.raises(UserError, match=r"its action has shape \[1, 2\]"):
        Dataset.open(path)


@pytest.mark.parametrize("content", ["", "{", "[]", "3", "null", '"text"'])
def test_an_info_json_that_is_no_object(content, path, capsys):
    (path / "meta/info.json").write_text(content)
    said = refuse(capsys, path, "info", str(path))
    assert "meta/info.json" in said


@pytest.mark.parametrize(
    "verb",
    [
        ["train", "--policy", "bc", "--output", "OUT", "--dataset"],
        ["view", "--output", "OUT.html"],
        ["import", "--output", "OUT"],
    ],
)
def test_every_verb_says_so_and_makes_nothing(verb, path, tmp_path, capsys):
    edit(path, fps="x")
    out = tmp_path / "out"
    arguments = [argument.replace("OUT", str(out)) for argument in verb]
    assert "'fps' is 'x'" in refuse(capsys, path, *arguments, str(path))
    assert not list(tmp_path.glob("out*"))


# Recording into a folder that is not meant for it


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"task": "ilrobot/Other-v0"}, "another task (ilrobot/Toy-v0, now ilrobot/Other-v0)"),
        ({"task_options": {"engine": "pybullet"}}, "another value of --options"),
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
    with pytest.raises(UserError, match=r"holds no recording but policy\.pt, run\.json"):
        DatasetRecorder(tmp_path, SPEC, resume=True)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["policy.pt", "run.json"]


def test_a_recording_that_was_killed_as_it_began_is_begun_again(tmp_path):
    (tmp_path / ".writing.lock").touch()
    (tmp_path / "meta").mkdir()
    (tmp_path / "meta/info.json.17.part").write_text("{")
    with DatasetRecorder(tmp_path, SPEC, resume=True) as recorder:
        assert recorder.num_episodes == 0


# What no crash leaves behind


@pytest.mark.parametrize(
    "name", ["episode-abc.journal", "episode-000002 (copy).journal", "episode-.journal"]
)
def test_a_journal_of_an_odd_name(name, path, capsys):
    (path / "journal").mkdir()
    (path / "journal" / name).write_bytes(b"")
    said = refuse(capsys, path, "info", str(path))
    assert str(path / "journal" / name) in said


@pytest.mark.parametrize(
    ("index", "change", "words"),
    [
        (5, None, "comes after an episode that is missing"),
        (0, None, "holds 1 ticks, but episode 0 is sealed with 4"),
        (2, ("action", (3,)), "the journal of another dataset"),
        (2, ("other", (2,)), "the journal of another dataset"),
    ],
)
def test_a_journal_that_does_not_belong_there(index, change, words, path, capsys):
    columns = list(frame_columns(SPEC))
    values = frame()
    if change is not None:
        columns[1] = replace(columns[1], name=change[0], shape=change[1])
        values[change[0]] = np.zeros(change[1], np.float32)
    (path / "journal").mkdir()
    journal = JournalWriter(
        path / f"journal/episode-{index:06d}.journal", EpisodeInfo("toy", 10.0), columns
    )
    journal.append(values)
    journal.close()
    assert words in refuse(capsys, path, "info", str(path))


def test_a_data_file_that_the_table_does_not_list_is_never_replaced(path):
    other = path / "data/chunk-000/file-002.parquet"
    other.write_bytes(b"precious")
    with pytest.raises(UserError, match=r"file-002.parquet: stands where the next episode belongs"):
        DatasetRecorder(path, SPEC, resume=True)
    other.unlink()
    recorder = DatasetRecorder(path, SPEC, resume=True)
    recorder.begin(EpisodeInfo("toy", 10.0, seed=2))
    recorder.append(frame(7))
    shutil.copy(path / "data/chunk-000/file-000.parquet", other)
    precious = other.read_bytes()
    with pytest.raises(UserError, match=r"file-002.parquet: stands where the next episode belongs"):
        recorder.end(Outcome.SUCCESS, Judge.PERSON)
    recorder.close()
    assert other.read_bytes() == precious
    other.rename(path / "mine.parquet")
    data = Dataset.open(path)  # the episode waited in its journal
    assert data.lengths.tolist() == [4, 5, 1]
    assert data.infos[2].outcome is Outcome.SUCCESS
    assert np.array_equal(data.episode(2).columns["action"], [[7, 7]])


@pytest.mark.parametrize("name", ["data/chunk-000/file-001", "meta/episodes/chunk-000/file-000"])
def test_a_damaged_page_is_seen_wherever_it_is_hit(name, path):
    """Many bytes in turn: the same values come out, or one line says what is wrong."""
    file = path / f"{name}.parquet"
    whole, expected = file.read_bytes(), Dataset.open(path)
    lines = []
    for place in range(4, len(whole) - 8, 1 + len(whole) // 150):
        damaged = bytearray(whole)
        damaged[place] ^= 0x40
        file.write_bytes(damaged)
        try:
            found = Dataset.open(path)
            same = found.content_hash == expected.content_hash and found.infos == expected.infos
            assert same, f"byte {place}"
        except UserError as error:
            lines.append(str(error))
    assert len(lines) > 20
    assert all(str(path) in line and "\n" not in line for line in lines)


def test_a_damaged_page_names_its_file(path):
    file = path / "data/chunk-000/file-001.parquet"
    content = bytearray(file.read_bytes())
    place = content.index(Dataset.open(path).episode(1).columns["observation.state"].tobytes()[:16])
    content[place] ^= 1
    file.write_bytes(content)
    data = Dataset.open(path)
    assert len(data.column("action")) == 9  # the other columns are whole
    with pytest.raises(UserError, match=f"{file}: damaged"):
        data.column("observation.state")


def test_a_column_of_another_kind_than_stated(path):
    file = path / "data/chunk-000/file-001.parquet"
    table = pq.read_table(file)
    place = table.column_names.index("next.done")
    text = pa.array([str(value) for value in table["next.done"].to_pylist()])
    pq.write_table(table.set_column(place, "next.done", text), file)
    with pytest.raises(UserError, match=r"next.done|disagree"):
        Dataset.open(path).column("next.done")


def test_one_column_is_read_without_the_others(path, monkeypatch):
    data = Dataset.open(path)
    asked = []
    genuine = pq.ParquetFile.read

    def read(self, columns=None, **more):
        asked.append(columns)
        return genuine(self, columns=columns, **more)

    monkeypatch.setattr(pq.ParquetFile, "read", read)
    data.column("action")
    assert [set(columns) for columns in asked] == [{"action", "episode_index", "timestamp"}] * 2
    asked.clear()
    data.column("observation.state")
    assert asked == [["observation.state"]] * 2
    asked.clear()
    data.column("action")
    assert not asked
    data.content_hash  # noqa: B018
    assert len(asked) == 2  # all that is left at once


def test_the_layers_of_data_load_neither_torch_nor_gymnasium(path):
    program = """
import sys
from ilrobot.data.dataset import Dataset
from ilrobot.data.labels import labels
from ilrobot.data.convert import open_source
from ilrobot.data.writing import write_episodes
teaches, _ = labels(Dataset.open(sys.argv[1]))
assert teaches.all()
source = open_source(sys.argv[1])
write_episodes(sys.argv[2], source.spec, source.episodes)
sys.exit(bool({"torch", "gymnasium"} & set(sys.modules)))
"""
    copy = path.with_name("copy")
    done = subprocess.run([sys.executable, "-c", program, str(path), str(copy)])
    assert done.returncode == 0


def test_of_a_pool_all_but_the_quantiles_is_exact():
    rng = np.random.default_rng(0)
    parts = [rng.normal(i, 1 + i, size=(3 + 40 * i, 2)) * 1e3 for i in range(6)]
    parts[2][:] = np.nan  # nobody was asked in this episode
    parts[3][1, 0] = np.inf
    pooled = PooledStats({"x": 2})
    found = [feature_stats(part) for part in parts]
    for part in found:
        pooled.add({"x": part})
    said = pooled.to_json()["x"]
    whole = feature_stats(np.concatenate(parts))
    assert (said["min"], said["max"], said["count"]) == tuple(
        whole[name] for name in ("min", "max", "count")
    )
    assert said["mean"] == pytest.approx(whole["mean"], rel=1e-12)
    assert said["std"] == pytest.approx(whole["std"], rel=1e-12)
    counts = [part["count"][0] for part in found if part["count"][0]]
    medians = np.array([part["q50"] for part in found if part["count"][0]])
    assert said["q50"] == pytest.approx(np.average(medians, axis=0, weights=counts), rel=1e-12)


def test_statistics_are_the_same_bits_however_the_recording_was_interrupted(tmp_path):
    def record(path, interrupted):
        for index in range(5):
            if interrupted or index == 0:
                recorder = DatasetRecorder(path, SPEC, resume=True)
            recorder.begin(EpisodeInfo("toy", 10.0, seed=index))
            for tick in range(3 + index):
                recorder.append(frame(0.1 * (index + 1) * tick))
            recorder.end(Outcome.SUCCESS, Judge.PERSON)
            if interrupted:
                recorder.close()
        recorder.close()
        return (path / "meta/stats.json").read_bytes()

    assert record(tmp_path / "one", False) == record(tmp_path / "other", True)


def test_a_state_that_overflows_when_squared_can_be_sealed(tmp_path):
    with DatasetRecorder(tmp_path, SPEC, state_size=2) as recorder:
        recorder.begin(EpisodeInfo("toy", 10.0))
        for value in (1e300, -1e300):
            recorder.append({**frame(), "sim.state": np.array([value, 0.0])})
        recorder.end(Outcome.FAILURE, Judge.ENVIRONMENT)
    read_info(tmp_path)
    assert Dataset.open(tmp_path).column("sim.state")[:, 0].tolist() == [1e300, -1e300]
