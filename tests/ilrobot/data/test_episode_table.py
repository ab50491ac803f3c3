"""The table of episodes: legal for LeRobot, and sealing costs the same however long it is."""

import os
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest

from ilrobot.actors import Source
from ilrobot.data import episode_table
from ilrobot.data.dataset import Dataset, DatasetRecorder
from ilrobot.data.episode import EpisodeInfo, Judge, Outcome, frame_columns
from ilrobot.data.episode_table import EpisodeTable
from ilrobot.data.summary import summarize
from ilrobot.gates.log import GateLog, total
from ilrobot.spec import Feature, Spec

SPEC = Spec((Feature("observation.state", (3,)),), Feature("action", (2,)), 10.0)
ROWS = 4
LOG = GateLog(
    steps=7,
    expert_steps=3,
    takeovers=1,
    switches=2,
    queries=9,
    context_time=0.3,
    thresholds={"novelty": 0.1},
    budget=0.25,
    doubts=(0.5,),
)


@pytest.fixture(autouse=True)
def _few_rows_to_a_file(monkeypatch):
    monkeypatch.setattr(episode_table, "ROWS_PER_FILE", ROWS)


def record(path, episodes, control=None, between=lambda index: None):
    zeros = {
        column.name: np.zeros(column.shape, column.dtype)
        for column in frame_columns(SPEC)
        if column.dtype != "string"
    }
    with DatasetRecorder(path, SPEC, resume=True) as recorder:
        for index in range(recorder.num_episodes, recorder.num_episodes + episodes):
            recorder.begin(EpisodeInfo("toy", 10.0, seed=index))
            for _ in range(1 + index % 3):
                recorder.append({**zeros, "control.source": Source.POLICY.value})
            between(index)
            recorder.end(Outcome.SUCCESS, Judge.PERSON, control)


def test_rows_are_sorted_contiguous_and_of_one_schema_over_all_files(tmp_path):
    record(tmp_path, 3)
    record(tmp_path, 7)
    files = sorted((tmp_path / "meta/episodes").glob("*/*.parquet"))
    tables = [pq.read_table(file) for file in files]
    assert [table.num_rows for table in tables] == [4, 4, 2]
    assert all(table.schema.equals(tables[0].schema) for table in tables)
    rows = [(number, row) for number, table in enumerate(tables) for row in table.to_pylist()]
    assert [row["episode_index"] for _, row in rows] == list(range(10))
    assert [row["meta/episodes/file_index"] for _, row in rows] == [number for number, _ in rows]
    assert {row["meta/episodes/chunk_index"] for _, row in rows} == {0}
    ends = np.cumsum([row["length"] for _, row in rows])
    assert [row["dataset_to_index"] for _, row in rows] == ends.tolist()
    assert [row["dataset_from_index"] for _, row in rows] == [0, *ends[:-1]]
    assert [info.seed for info in Dataset.open(tmp_path).infos] == list(range(10))


def test_sealing_writes_no_more_at_the_fortieth_episode_than_at_the_fourth(tmp_path, monkeypatch):
    written = {}
    count = {"bytes": 0, "calls": 0}

    def sealing(index):
        written[index - 1] = dict(count)
        count.update(bytes=0, calls=0)

    for name in ("write", "fsync", "replace", "link", "unlink"):
        genuine = getattr(os, name)

        def counted(*arguments, genuine=genuine, name=name, **keywords):
            count["calls"] += 1
            count["bytes"] += len(arguments[1]) if name == "write" else 0
            return genuine(*arguments, **keywords)

        monkeypatch.setattr(os, name, counted)
    record(tmp_path, 41, between=sealing)
    # Both fill a file of the table; numbers in stats.json and info.json grow longer.
    assert written[39]["bytes"] < 1.05 * written[3]["bytes"]
    assert written[39]["calls"] == written[3]["calls"]


def test_a_recording_of_an_older_version_goes_on_with_its_own_columns(tmp_path):
    record(tmp_path, 3)
    file = tmp_path / "meta/episodes/chunk-000/file-000.parquet"
    table = pq.read_table(file)
    names = [name for name in table.column_names if not name.startswith("control.")]
    pq.write_table(table.select(names), file)
    record(tmp_path, 3, LOG)
    files = sorted((tmp_path / "meta/episodes").glob("*/*.parquet"))
    assert [pq.read_schema(file).names for file in files] == [names, names]
    data = Dataset.open(tmp_path)
    assert data.num_episodes == 6
    assert {info.control for info in data.infos} == {None}


def test_what_is_read_back_is_what_was_said(tmp_path):
    record(tmp_path, 5, LOG)
    table = EpisodeTable.load(tmp_path, {"action": 2})
    assert (table.num_episodes, table.num_frames) == (5, 1 + 2 + 3 + 1 + 2)
    expected = EpisodeInfo("toy", 10.0, Outcome.SUCCESS, Judge.PERSON)
    assert Dataset.open(tmp_path).infos == tuple(
        replace(expected, seed=index, control=LOG) for index in range(5)
    )


def test_info_adds_up_how_control_was_shared(tmp_path):
    record(tmp_path, 2, LOG)
    record(tmp_path, 1)
    said = summarize(Dataset.open(tmp_path))["control"]
    assert said == total([LOG, LOG]).to_json()
    assert (said["queries"], said["doubts"]) == (18, [0.5, 0.5])


def test_the_three_numbers_of_an_older_version_are_read_and_added_to(tmp_path):
    record(tmp_path, 3, LOG)
    file = tmp_path / "meta/episodes/chunk-000/file-000.parquet"
    table = pq.read_table(file)
    kept = ("control.switches", "control.expert_steps")
    names = [n for n in table.column_names if not n.startswith("control.") or n in kept]
    older = table.select(names).append_column("control.expert_queries", table["control.queries"])
    pq.write_table(older, file)
    record(tmp_path, 2, LOG)
    logs = [info.control for info in Dataset.open(tmp_path).infos]
    assert [(log.switches, log.takeovers, log.expert_steps, log.queries) for log in logs] == 5 * [
        (2, 1, 3, 9)
    ]
    assert [log.steps for log in logs] == [1, 2, 3, 1, 2]  # nobody counted them
