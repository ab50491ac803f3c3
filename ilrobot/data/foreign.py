"""Datasets that other programs wrote: what their features say about observations and action."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ilrobot.data.layout import STATS
from ilrobot.data.synonyms import misnamed
from ilrobot.errors import UserError
from ilrobot.spec import MOST_CHOICES, Feature, Spec


def image_keys(features: Mapping[str, Any]) -> list[str]:
    """Columns that are pictures or films."""
    return [key for key, value in features.items() if value["dtype"] in ("video", "image")]


def check_videos(files: Iterable[Path]) -> None:
    """Refuse a dataset that lacks one of its films.

    Raises:
        UserError: The line names the first that is missing.
    """
    for file in files:
        if not file.exists():
            raise UserError(f"{file}: the video is missing; copy the dataset again from its source")


def derive_spec(path: Path, info: Mapping[str, Any], choices: int | None = None) -> Spec:
    """The spec of a LeRobot dataset: columns ``observation.*`` and ``action``, without images.

    Args:
        path: The dataset's folder.
        info: Its ``meta/info.json``.
        choices: How many actions there are if they are whole numbers (None: by its statistics).

    Raises:
        UserError: There is no ``action`` or no vector observation under LeRobot's names.
    """
    features: Mapping[str, Any] = info["features"]
    for right in ("action", "observation.state"):
        wrong = misnamed(features, right)
        if wrong is not None and right not in features:
            raise UserError(
                f"{path}: its column '{wrong}' must be named '{right}'; rename it in "
                "meta/info.json and in the data files"
            )
    images = image_keys(features)
    observations = tuple(
        _feature(key, value)
        for key, value in features.items()
        if key.startswith("observation.") and key not in images and len(value["shape"]) == 1
    )
    if "action" not in features or not observations:
        missing = "'action'" if "action" not in features else "'observation.*' vector"
        raise UserError(
            f"{path}: has no {missing} column (it has {', '.join(features)}); a dataset needs both"
        )
    action = _feature("action", features["action"])
    if len(action.shape) != 1:
        raise UserError(
            f"{path}: its action has shape {list(action.shape)}; only vectors are read, so write "
            "it as one"
        )
    rate = float(info["fps"])
    if not action.dtype.startswith("int"):
        return Spec(observations, action, rate)
    discrete = Feature("action", (), "int64")
    return Spec(
        observations, discrete, rate, choices=choices or _choices(path), semantics="discrete"
    )


def _feature(name: str, described: Mapping[str, Any]) -> Feature:
    shape = tuple(int(n) for n in described["shape"])
    names = described.get("names")
    if isinstance(names, Mapping):
        names = next(iter(names.values()), None)
    flat = tuple(str(n) for n in names) if isinstance(names, list) else ()
    return Feature(name, shape, described["dtype"], names=flat if shape == (len(flat),) else ())


def _choices(path: Path) -> int:
    try:
        greatest = int(json.loads((path / STATS).read_bytes())["action"]["max"][0])
    except (OSError, ValueError, KeyError, IndexError, TypeError, OverflowError) as error:
        raise UserError(
            f"{path / STATS}: does not say how many discrete actions there are ({error!r})"
        ) from error
    if not 0 <= greatest < MOST_CHOICES:
        raise UserError(
            f"{path / STATS}: states {greatest} as the greatest discrete action; they are 0 to "
            f"{MOST_CHOICES - 1} at most; write continuous ones as floats"
        )
    return greatest + 1
