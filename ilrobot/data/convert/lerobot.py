"""LeRobot's datasets: v3.0, which is also our own layout, and v2.1, a data file per episode."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ilrobot.data.columns import check_spacing, column_values
from ilrobot.data.convert import Source, arrays, lerobot_pictures
from ilrobot.data.dataset import Dataset
from ilrobot.data.episode import Episode, EpisodeInfo, Outcome
from ilrobot.data.episode_table import read_episodes
from ilrobot.data.film_files import film
from ilrobot.data.foreign import check_videos, derive_spec
from ilrobot.data.info import check_episodes, read_info
from ilrobot.data.layout import CODEBASE_VERSION, INFO
from ilrobot.data.parquet import read_parquet
from ilrobot.errors import UserError
from ilrobot.observed import vector_spec
from ilrobot.spec import Feature, Spec

_OLD = "v2.1"
_KEPT = ("next.reward", "next.done", "next.success", "next.terminated")
_EPISODES = "meta/episodes.jsonl"


def detect(path: Path) -> bool:
    """Whether it is a folder with parts of such a dataset."""
    return path.is_dir() and ((path / INFO).exists() or (path / "meta").is_dir())


def read(path: Path, rate: float | None = None) -> Source:
    """Open it.

    Raises:
        UserError: It is incomplete, damaged, of another version, or at another rate than asked.
    """
    info = read_info(path)
    if rate is not None and rate != info["fps"]:
        raise UserError(f"{path}: states {info['fps']:g} Hz; leave out --rate {rate:g}")
    version = info["codebase_version"]
    cameras, remarks = lerobot_pictures.cameras(info["features"])
    if version == CODEBASE_VERSION:
        dataset = Dataset.open(path)
        spec = _seeing(dataset.spec, cameras)
        episodes = _episodes(dataset, info, spec)
        return Source("lerobot", spec, episodes, dataset.num_episodes, remarks)
    if version != _OLD:
        raise UserError(
            f"{path}: is LeRobot {version or 'of no version'}; {_OLD} and {CODEBASE_VERSION} can "
            "be read, so convert it with LeRobot's own scripts first"
        )
    rows = _read_episodes(path / _EPISODES)
    if not rows:
        raise UserError(f"{path}: lists no episodes in {_EPISODES}; copy it again from its source")
    check_episodes(path / _EPISODES, rows, info)
    files = [_file(path, info, info["data_path"], row["episode_index"]) for row in rows]
    for file in files:
        if not file.exists():
            raise UserError(f"{file}: missing; copy the dataset again from its source")
    check_videos(
        _file(path, info, info["video_path"], row["episode_index"], key)
        for key, feature in info["features"].items()
        if feature["dtype"] == "video"
        for row in rows
    )
    integer = info["features"].get("action", {}).get("dtype", "").startswith("int")
    choices = max(_choices(file) for file in files) if integer else None
    spec = _seeing(derive_spec(path, info, choices), cameras)
    return Source("lerobot", spec, _old_episodes(path, rows, info, spec), len(rows), remarks)


def _seeing(spec: Spec, cameras: Mapping[str, Feature]) -> Spec:
    """The spec with these cameras; of a dataset of ours it has them already."""
    others = [camera for name, camera in cameras.items() if name not in spec.observation_names]
    return replace(spec, observations=(*spec.observations, *others))


def _episodes(dataset: Dataset, info: Mapping[str, Any], spec: Spec) -> Iterator[Episode]:
    before: Counter[Path] = Counter()
    encoded = lerobot_pictures.EncodedPictures()
    for index, row in enumerate(read_episodes(dataset.path)):
        place = {name: row[f"data/{name}"] for name in ("chunk_index", "file_index")}
        file = dataset.path / info["data_path"].format(**place)
        episode = dataset.episode(index)
        arrays.check_finite(dataset.path, index, episode.columns)
        films = {}
        for camera in spec.cameras:
            if info["features"][camera.name]["dtype"] == "image":
                shown = encoded.read(file, camera, before[file], row["length"])
            else:
                shown = film(dataset, camera, index)
            films[camera.name] = shown
        before[file] += row["length"]
        yield Episode(episode.info, episode.columns, films)


def _old_episodes(
    path: Path, rows: list[dict[str, Any]], info: Mapping[str, Any], spec: Spec
) -> Iterator[Episode]:
    vectors, encoded = vector_spec(spec), lerobot_pictures.EncodedPictures()
    names = (*vectors.observation_names, "action", *(n for n in _KEPT if n in info["features"]))
    shapes = {f.name: f.shape for f in (*vectors.observations, spec.action)}
    for index, row in enumerate(rows):
        number, length = row["episode_index"], row["length"]
        file = _file(path, info, info["data_path"], number)
        table = read_parquet(file, [*names, "timestamp"])
        if table.num_rows != length:
            raise UserError(
                f"{file}: holds {table.num_rows} ticks, but {_EPISODES} lists {length}; "
                "copy it again from its source"
            )
        columns = {
            name: column_values(
                file, table, name, shapes.get(name, ()), info["features"][name]["dtype"]
            )
            for name in names
        }
        arrays.check_finite(file, index, columns)
        if "timestamp" in table.column_names:
            stamps = column_values(file, table, "timestamp", (), "float32")
            check_spacing(file, index, stamps, spec.rate)
        task = (row.get("tasks") or [""])[0]
        films = {}
        for camera in spec.cameras:
            if info["features"][camera.name]["dtype"] == "image":
                films[camera.name] = encoded.read(file, camera, 0, length)
            else:
                film = _file(path, info, info["video_path"], number, camera.name)
                films[camera.name] = lerobot_pictures.old_film(film, camera, length, spec.rate)
        yield Episode(EpisodeInfo(task, spec.rate, outcome=Outcome.UNKNOWN), columns, films)


def _file(path: Path, info: Mapping[str, Any], template: str, index: int, video: str = "") -> Path:
    chunk = index // info["chunks_size"]
    return path / template.format(episode_chunk=chunk, episode_index=index, video_key=video)


def _choices(file: Path) -> int:
    table = read_parquet(file, ["action"])
    return arrays.choices(file, column_values(file, table, "action", (), "int64"))


def _read_episodes(path: Path) -> list[dict[str, Any]]:
    try:
        rows = [json.loads(line) for line in path.read_text().splitlines() if line.strip()]
    except FileNotFoundError as error:
        raise UserError(f"{path}: missing; copy the dataset again from its source") from error
    except ValueError as error:
        raise UserError(f"{path}: is not JSON ({error}); copy it again from its source") from error
    for row in rows:
        if not isinstance(row, dict) or not all(
            type(row.get(key)) is int and row[key] >= 0 for key in ("episode_index", "length")
        ):
            raise UserError(
                f"{path}: a line lacks 'episode_index' or 'length'; copy it again from its source"
            )
    return rows
