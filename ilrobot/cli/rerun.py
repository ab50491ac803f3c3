"""An episode, or a log of ticks, for the rerun viewer."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from exports.runtime.tick_reading import Ticks
from ilrobot.data.dataset import Dataset
from ilrobot.errors import UserError


def write_recording(path: Path, dataset: Dataset, index: int) -> None:
    """Write one episode as a .rrd file: a time series per element, pictures per camera.

    Raises:
        UserError: The package rerun-sdk is not installed.
    """
    rerun = _rerun()
    episode, spec = dataset.episode(index), dataset.spec
    stream: Any = rerun.RecordingStream("ilrobot", recording_id=f"episode-{index}")
    stream.save(path)
    for feature in (spec.action, *spec.observations):
        if feature.name not in episode.columns or len(feature.shape) > 1:
            continue
        values = episode.columns[feature.name].reshape(len(episode), -1)
        place = feature.name.replace(".", "/")
        names = rerun.SeriesLines(names=list(feature.element_names))
        stream.log(place, names, static=True)
        for tick, row in enumerate(values):
            stream.set_time("seconds", duration=tick / episode.info.rate)
            stream.log(place, rerun.Scalars(row))
    for camera in dataset.camera_keys:
        for tick, picture in enumerate(dataset.video(index, camera)):
            stream.set_time("seconds", duration=tick / episode.info.rate)
            stream.log(camera.replace(".", "/"), rerun.Image(picture).compress())
    for tick, source in enumerate(episode.columns.get("control.source", ())):
        stream.set_time("seconds", duration=tick / episode.info.rate)
        stream.log("control/source", rerun.TextLog(str(source)))
    stream.flush()


def write_ticks(path: Path, ticks: Ticks) -> None:
    """Write a log of a deployment: a time series per element, the times, and what the guards did.

    Raises:
        UserError: The package rerun-sdk is not installed.
    """
    rerun, rows, layout = _rerun(), ticks.rows, ticks.layout
    stream: Any = rerun.RecordingStream("ilrobot", recording_id=path.stem)
    stream.save(path)
    seconds = rows["start"] - (rows["start"][0] if len(rows) else 0.0)
    series = {field: tuple(names) for field, names in layout.elements.items()}
    series |= {name: (name,) for name in ("act_time", "read_time", "write_time", "age")}
    for field, names in series.items():
        place = field.replace(".", "/")
        stream.log(place, rerun.SeriesLines(names=list(names)), static=True)
        for at, row in zip(seconds, rows[field].reshape(len(rows), -1), strict=True):
            stream.set_time("seconds", duration=float(at))
            stream.log(place, rerun.Scalars(row))
    for name in layout.activations:
        for at in seconds[ticks.had(name)]:
            stream.set_time("seconds", duration=float(at))
            stream.log("guard", rerun.TextLog(name.replace("_", " ")))
    stream.flush()


def _rerun() -> Any:
    try:
        return importlib.import_module("rerun")
    except ModuleNotFoundError as error:
        raise UserError("--rerun needs the rerun viewer: pip install rerun-sdk") from error
