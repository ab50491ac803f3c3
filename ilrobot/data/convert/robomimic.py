"""robomimic's HDF5: ``data/demo_k/obs/<key>``, ``actions``, ``rewards``, ``dones``.

Each vector of ``obs`` becomes ``observation.<key>``; images and ``next_obs`` are left out. The
rate is robosuite's ``control_freq`` from ``env_args``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ilrobot.data.convert import Source, arrays
from ilrobot.data.episode import Episode, EpisodeInfo, Outcome
from ilrobot.errors import UserError
from ilrobot.spec import Spec

_MAGIC = b"\x89HDF\r\n\x1a\n"


def detect(path: Path) -> bool:
    """Whether it is an HDF5 file."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(_MAGIC)) == _MAGIC


def read(path: Path, rate: float | None = None) -> Source:
    """Open it; an episode is loaded when its turn comes.

    Raises:
        UserError: It is damaged, has no demonstrations, or they lack observations or actions.
    """
    import h5py

    if not path.is_file():
        raise UserError(f"{path}: is not an HDF5 file; check the path")
    try:
        with h5py.File(path) as file:
            data = file.get("data")
            if not isinstance(data, h5py.Group) or not len(data):
                raise UserError(
                    f"{path}: has no demonstrations: the group 'data' is missing or empty; check "
                    "that it is robomimic's"
                )
            demos = sorted(data, key=_number)
            keys, images = _observation_keys(path, demos[0], data[demos[0]])
            first = _columns(path, demos[0], data[demos[0]], keys)
            name, stated = _environment(path, data.attrs.get("env_args"))
    except OSError as error:
        raise UserError(f"{path}: cannot be read as HDF5 ({error}); copy it again") from error
    rate, remarks = arrays.stated_rate(path, rate, stated)
    spec = Spec(
        observations=tuple(
            arrays.plain_feature(f"observation.{key}", first[f"observation.{key}"]) for key in keys
        ),
        action=arrays.plain_feature("action", first["action"]),
        rate=rate,
    )
    if images:
        remarks += (f"left out, images are not imported yet: {', '.join(images)}",)
    remarks += arrays.float64_remark((*spec.observations, spec.action))
    info = EpisodeInfo(name or path.stem, rate, outcome=Outcome.UNKNOWN)
    sizes = {feature.name: feature.size for feature in (*spec.observations, spec.action)}
    episodes = _episodes(path, demos, keys, sizes, info)
    return Source("robomimic", spec, episodes, len(demos), remarks)


def _episodes(
    path: Path, demos: list[str], keys: list[str], sizes: dict[str, int], info: EpisodeInfo
) -> Iterator[Episode]:
    import h5py

    with h5py.File(path) as file:
        for index, demo in enumerate(demos):
            try:
                columns = _columns(path, demo, file["data"][demo], keys)
            except OSError as error:
                raise UserError(
                    f"{path}: data/{demo} is damaged ({error}); copy it again"
                ) from error
            for name, size in sizes.items():
                if columns[name].shape[1] != size:
                    raise UserError(
                        f"{path}: data/{demo}: '{name}' has {columns[name].shape[1]} elements, in "
                        f"the first one {size}; mend or drop that demonstration"
                    )
            arrays.check_lengths(f"{path}, {demo}", columns)
            arrays.check_finite(path, index, columns)
            yield Episode(info, columns)


def _observation_keys(path: Path, demo: str, group: Any) -> tuple[list[str], list[str]]:
    if "obs" not in group or not len(group["obs"]):
        raise UserError(
            f"{path}: data/{demo} has no observations ('obs'); extract them with robomimic's "
            "dataset_states_to_obs.py"
        )
    images = sorted(key for key, value in group["obs"].items() if value.ndim > 2)
    keys = sorted(set(group["obs"]) - set(images))
    if not keys:
        raise UserError(f"{path}: data/{demo}/obs has only images, which are not imported yet")
    return keys, images


def _columns(path: Path, demo: str, group: Any, keys: list[str]) -> dict[str, Any]:
    if "actions" not in group:
        raise UserError(
            f"{path}: data/{demo} has no 'actions' (it has {', '.join(group)}); record it again"
        )
    columns = {}
    for key in keys:
        if "obs" not in group or key not in group["obs"]:
            raise UserError(f"{path}: data/{demo} lacks obs/{key}, which the first one has")
        values = arrays.vector(path, f"{demo}/obs/{key}", np.asarray(group["obs"][key]))
        columns[f"observation.{key}"] = values
    columns["action"] = arrays.vector(path, f"{demo}/actions", np.asarray(group["actions"]))
    if "rewards" in group:
        columns["next.reward"] = np.asarray(group["rewards"]).reshape(-1)
    if "dones" in group:
        columns["next.done"] = np.asarray(group["dones"]).reshape(-1).astype(bool)
    return columns


def _environment(path: Path, env_args: Any) -> tuple[str, Any]:
    """Name of the environment, and its control rate as it is stated."""
    if env_args is None:
        return "", None
    try:
        args = json.loads(env_args)
        return str(args.get("env_name", "")), (args.get("env_kwargs") or {}).get("control_freq")
    except (ValueError, TypeError, AttributeError) as error:
        raise UserError(
            f"{path}: the attribute 'env_args' of 'data' is not robomimic's JSON ({error}); write "
            "it again, or delete it and say the rate with --rate"
        ) from error


def _number(demo: str) -> tuple[int, str]:
    digits = demo.rpartition("_")[2]
    return (int(digits) if digits.isdigit() else -1, demo)
