"""Datasets to edit, and what must be true of them whatever was done."""

import functools
import json
import shutil
import tempfile
from pathlib import Path

import av
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ilrobot.cli import _main
from ilrobot.data import stats
from ilrobot.data.dataset import Dataset, DatasetRecorder
from ilrobot.data.episode import EpisodeInfo, Judge, Outcome
from ilrobot.data.info import read_info
from ilrobot.data.repair import needs_repair
from ilrobot.data.tasks import read_tasks
from ilrobot.data.video.film import available_codec
from ilrobot.gates.log import GateLog
from tests.ilrobot.data.recording_child import SPEC, STATE_SIZE, frame

LENGTHS = (6, 9, 4, 8, 7)
TASKS = ("pick", "place", "pick", "push", "place")
CAMERA = "observation.images.front"
_MADE = tempfile.TemporaryDirectory()


def make_ours(path, lengths=LENGTHS):
    return shutil.copytree(_made(_record, tuple(lengths)), path)


def make_foreign(path):
    """As LeRobot writes it: several episodes to a file, a film of two, no notion of outcomes."""
    return shutil.copytree(_made(_record_foreign), path)


@functools.cache
def _made(make, *arguments):
    """Each dataset is made once: tests change copies of it."""
    return make(Path(tempfile.mkdtemp(dir=_MADE.name)) / "made", *arguments)


def _record(path, lengths):
    with DatasetRecorder(path, SPEC, state_size=STATE_SIZE) as recorder:
        for seed, length in enumerate(lengths):
            recorder.begin(EpisodeInfo(TASKS[seed % 5], SPEC.rate, seed=seed, operator="ann"))
            for tick in range(length):
                recorder.append(frame(seed, tick))
            recorder.end(Outcome.SUCCESS, Judge.PERSON, GateLog(6, 3, 1, 2, 4, 0.3))
    return path


def _record_foreign(path):
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
    quantiles = np.quantile(flat, list(stats.QUANTILES.values()), axis=0)
    expected = {
        "min": flat.min(axis=0),
        "max": flat.max(axis=0),
        "mean": flat.mean(axis=0),
        "std": flat.std(axis=0),
        "count": [len(flat)],
        **dict(zip(stats.QUANTILES, quantiles, strict=True)),
    }
    for key in keys:
        assert np.shape(found[key]) == np.shape(expected[key]), (name, key)
        assert np.allclose(found[key], expected[key], rtol=1e-9, atol=1e-9), (name, key)


def read_rows(path):
    files = sorted((path / "meta/episodes").glob("*/*.parquet"))
    return [row for file in files for row in pq.read_table(file).to_pylist()]


def snapshot(path):
    return {p.relative_to(path): p.read_bytes() for p in path.rglob("*") if p.is_file()}


def refused(path, capsys, *words):
    before = snapshot(path)
    assert _main(["edit", str(path), *map(str, words)]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1, error
    assert snapshot(path) == before
    return error
