"""An episode for the rerun viewer."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from ilrobot.data.dataset import Dataset
from ilrobot.errors import UserError


def write_recording(path: Path, dataset: Dataset, index: int) -> None:
    """Write one episode as a .rrd file: a time series per element, pictures per camera.

    Raises:
        UserError: The package rerun-sdk is not installed.
    """
    try:
        rerun: Any = importlib.import_module("rerun")
    except ModuleNotFoundError as error:
        raise UserError("--rerun needs the rerun viewer: pip install rerun-sdk") from error

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
