"""``meta/info.json`` of a LeRobot dataset, ours or another's, read and checked."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ilrobot.data.branches import LATER
from ilrobot.data.episode import frame_columns
from ilrobot.data.layout import CODEBASE_VERSION, DATA, INFO, VIDEO
from ilrobot.errors import UserError
from ilrobot.spec import Feature, Spec

#: Version of what stands under "ilrobot".
FORMAT = 1

#: Hz; nothing is controlled faster.
_GREATEST_RATE = 1e6

_NO_NUMBERS = ("string", "image", "video")

#: For each version that can be read: where data and films lie if that is not said, and what may
#: stand in braces there.
_PATHS = {
    CODEBASE_VERSION: (DATA, VIDEO, {"chunk_index": 0, "file_index": 0}),
    "v2.1": (
        "data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet",
        "videos/chunk-{episode_chunk:03d}/{video_key}/episode_{episode_index:06d}.mp4",
        {"episode_chunk": 0, "episode_index": 0},
    ),
}


def read_info(root: Path) -> dict[str, Any]:
    """The file's JSON; what may be left out is filled in.

    Its ``fps``, ``features``, paths and counts, and our own part if there is one, are of the types
    that they must have; whether they fit the data files shows when those are read.

    Raises:
        UserError: The folder is missing, empty or not a dataset, or the file is damaged.
    """
    if not root.exists():
        raise UserError(f"{root}: does not exist; check the path")
    if not root.is_dir():
        raise UserError(f"{root}: is a file, not a dataset's folder; `ilrobot import` may read it")
    if not any(root.iterdir()):
        raise UserError(f"{root}: is empty; record or import a dataset into it first")
    path = root / INFO
    try:
        info = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        inside = sorted(root.glob(f"*/{INFO}"))
        cure = "check the path, or copy it again from its source"
        if inside:
            cure = f"give {' or '.join(str(file.parents[1]) for file in inside[:3])}"
        raise UserError(
            f"{root}: has no {INFO}, so it is no dataset or only half of one; {cure}"
        ) from error
    except ValueError as error:
        raise UserError(f"{path}: is not JSON ({error}); copy it again from its source") from error
    _check_version(path, info)
    try:
        return _checked(info)
    except (ValueError, OverflowError, UserError) as error:
        raise UserError(f"{path}: {error}; mend it, or copy it again from its source") from error


def read_ours(root: Path) -> dict[str, Any]:
    """The same of a dataset that ilrobot records into.

    Raises:
        UserError: As above, or another program wrote the dataset.
    """
    info = read_info(root)
    if "ilrobot" not in info:
        raise UserError(
            f"{root}: was written by another program, so that nothing can be added to it; copy it "
            f"first: ilrobot import {root} --output DIR"
        )
    return info


def check_episodes(
    listed: Path, rows: Sequence[Mapping[str, Any]], info: Mapping[str, Any]
) -> None:
    """Refuse a copy of another program's dataset of which a part is missing or there twice.

    Args:
        listed: Where its episodes are listed.
        rows: Of each its ``episode_index`` and ``length``.
        info: From `read_info`; counts of 0 are not stated.

    Raises:
        UserError: An episode is listed twice, or fewer of them, or of their ticks, than info.json
            counts.
    """
    known = Counter(row["episode_index"] for row in rows)
    twice = next((index for index, count in known.items() if count > 1), None)
    cure = "copy the dataset again from its source"
    if twice is not None:
        raise UserError(f"{listed}: lists episode {twice} more than once; {cure}")
    for what, found, counted in (
        ("episodes", len(rows), info["total_episodes"]),
        ("ticks", sum(row["length"] for row in rows), info["total_frames"]),
    ):
        if found < counted:
            raise UserError(
                f"{listed}: lists {found} {what}, but info.json counts {counted}; {cure}"
            )


def _check_version(path: Path, info: Any) -> None:
    """Refuse what a newer version wrote, which no copy of it mends."""
    ours = info.get("ilrobot") if isinstance(info, dict) else None
    version = ours.get("format") if isinstance(ours, dict) else None
    if isinstance(version, int) and version > FORMAT:
        raise UserError(
            f"{path}: 'ilrobot.format' is {version}, and this ilrobot reads up to {FORMAT}: "
            "a newer ilrobot wrote it; install that one"
        )


def _checked(info: Any) -> dict[str, Any]:
    _require(isinstance(info, dict), "is not a JSON object")
    _require("features" in info and "fps" in info, "lacks 'features' or 'fps'")
    defaults = {"codebase_version": "", "chunks_size": 1000}
    info = {**defaults, "total_episodes": 0, "total_frames": 0, **info}
    _require(_is_rate(info["fps"]), f"'fps' is {info['fps']!r}, not a positive number of Hz")
    for key in ("total_episodes", "total_frames"):
        _require(_is_count(info[key]), f"'{key}' is {info[key]!r}, not a count")
    _require(
        _is_count(info["chunks_size"]) and info["chunks_size"] > 0,
        f"'chunks_size' is {info['chunks_size']!r}, not a positive count",
    )
    data, video, places = _PATHS.get(str(info["codebase_version"]), _PATHS[CODEBASE_VERSION])
    for key, usual in (("data_path", data), ("video_path", video)):
        info[key] = usual if info.get(key) is None else info[key]
        fits = _is_template(info[key], {**places, "video_key": "camera"})
        _require(fits, f"'{key}' is {info[key]!r}, not the template of a path")
    features = info["features"]
    _require(isinstance(features, dict), f"'features' is {features!r}, not a JSON object")
    for name, feature in features.items():
        _require(_is_feature(feature), f"feature '{name}' lacks a dtype or a shape that there is")
    if "ilrobot" in info:
        _check_ours(info["ilrobot"], features)
    return info


def _check_ours(ours: Any, features: Mapping[str, Any]) -> None:
    _require(isinstance(ours, dict), f"'ilrobot' is {ours!r}, not a JSON object")
    version = ours.get("format")
    _require(_is_count(version), f"'ilrobot.format' is {version!r}, not a version")
    size = ours.get("state_size")
    _require(_is_count(size), f"'ilrobot.state_size' is {size!r}, not a count")
    _require(isinstance(ours.get("spec"), dict), "'ilrobot.spec' is not a JSON object")
    spec = Spec.from_json(ours["spec"])
    _require(_is_rate(spec.rate), f"'ilrobot.spec.rate' is {spec.rate!r}, not a positive number")
    _require(spec.action.name == "action", f"'ilrobot.spec' calls the action '{spec.action.name}'")
    for feature in (*spec.observations, spec.action):
        named = feature.names if feature.shape else ()  # those of choices: `Spec.from_json`
        for words in (named, feature.units, feature.low, feature.high):
            _require(
                not words or len(words) == feature.size,
                f"'ilrobot.spec' does not describe each element of '{feature.name}'",
            )
    for camera in spec.cameras:
        _check_film(camera, features)
    for column in frame_columns(spec, size):
        if column.name in LATER and column.name not in features:
            continue
        listed = features.get(column.name, {})
        _require(
            (listed.get("dtype"), listed.get("shape")) == (column.dtype, list(column.shape) or [1]),
            f"'features' and 'ilrobot' disagree about '{column.name}'",
        )


def _check_film(camera: Feature, features: Mapping[str, Any]) -> None:
    listed = features.get(camera.name, {})
    _require(
        (listed.get("dtype"), listed.get("shape")) == ("video", list(camera.shape)),
        f"'features' and 'ilrobot' disagree about '{camera.name}'",
    )


def _require(fits: bool, otherwise: str) -> None:
    if not fits:
        raise ValueError(otherwise)


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**63


def _is_rate(value: Any) -> bool:
    return type(value) in (int, float) and 0 < value <= _GREATEST_RATE


def _is_template(value: Any, places: Mapping[str, Any]) -> bool:
    try:
        return isinstance(value, str) and bool(value.format(**places))
    except (ValueError, LookupError, AttributeError):
        return False


def _is_feature(value: Any) -> bool:
    if not isinstance(value, Mapping) or not isinstance(value.get("shape"), list):
        return False
    return _is_dtype(value.get("dtype")) and all(
        _is_count(length) and length > 0 for length in value["shape"]
    )


def _is_dtype(name: Any) -> bool:
    if name in _NO_NUMBERS:
        return True
    try:
        return isinstance(name, str) and np.dtype(name).kind in "biuf"
    except TypeError:
        return False
