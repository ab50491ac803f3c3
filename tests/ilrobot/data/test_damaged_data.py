"""Data and journals that no crash leaves behind so, and how columns are read."""

import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ilrobot.data.dataset import Dataset, DatasetRecorder
from ilrobot.data.episode import EpisodeInfo, Judge, Outcome, frame_columns
from ilrobot.data.journal import JournalWriter
from ilrobot.errors import UserError
from tests.exhaustive import thinned
from tests.ilrobot.data.damaging import SPEC, frame, refuse


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


@pytest.mark.parametrize("places", thinned([40, 150], [40]))
@pytest.mark.parametrize("name", ["data/chunk-000/file-001", "meta/episodes/chunk-000/file-000"])
def test_a_damaged_page_is_seen_wherever_it_is_hit(name, path, places):
    """Many bytes in turn: the same values come out, or one line says what is wrong."""
    file = path / f"{name}.parquet"
    whole, expected = file.read_bytes(), Dataset.open(path)
    lines = []
    for place in range(4, len(whole) - 8, 1 + len(whole) // places):
        damaged = bytearray(whole)
        damaged[place] ^= 0x40
        file.write_bytes(damaged)
        try:
            found = Dataset.open(path)
            same = found.content_hash == expected.content_hash and found.infos == expected.infos
            assert same, f"byte {place}"
        except UserError as error:
            lines.append(str(error))
    assert len(lines) > places // 8
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
