"""robomimic's HDF5: ``data/demo_k/obs/<key>``, ``actions``, ``rewards``, ``dones``.

Each vector of ``obs`` becomes ``observation.<key>``, uint8 pictures (T, H, W, 3) of ``<key>_image``
the film ``observation.images.<key>``; depth and ``next_obs`` are left out. Where all rewards are 0
or 1 they say at which steps the task was done: ``next.success``. The rate is robosuite's
``control_freq`` from ``env_args``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ilrobot.data.convert import Source, arrays, pictures
from ilrobot.data.convert.hdf5 import is_hdf5, opened
from ilrobot.data.episode import Episode, EpisodeInfo, Outcome
from ilrobot.errors import UserError
from ilrobot.observed import vector_spec
from ilrobot.spec import Feature, Spec


def detect(path: Path) -> bool:
    """Whether it is an HDF5 file."""
    return is_hdf5(path)


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
            keys, cameras, left_out = _observation_keys(path, demos[0], data[demos[0]])
            first = _columns(path, demos[0], data[demos[0]], keys)
            sparse = all(_is_sparse(data[demo]) for demo in demos)
            if "mask" in file:
                left_out += ("left out: mask (which demonstrations are of which part)",)
            name, stated = _environment(path, data.attrs.get("env_args"))
    except (OSError, KeyError) as error:
        raise UserError(f"{path}: cannot be read as HDF5 ({error}); copy it again") from error
    rate, remarks = arrays.stated_rate(path, rate, stated)
    spec = Spec(
        observations=(
            *(
                arrays.plain_feature(f"observation.{key}", first[f"observation.{key}"])
                for key in keys
            ),
            *cameras.values(),
        ),
        action=arrays.plain_feature("action", first["action"]),
        rate=rate,
    )
    remarks += left_out
    remarks += arrays.float64_remark((*spec.observations, spec.action))
    info = EpisodeInfo(name or path.stem, rate, outcome=Outcome.UNKNOWN)
    episodes = _episodes(path, demos, keys, cameras, spec, info, sparse)
    return Source("robomimic", spec, episodes, len(demos), remarks)


def _episodes(
    path: Path,
    demos: list[str],
    keys: list[str],
    cameras: Mapping[str, Feature],
    spec: Spec,
    info: EpisodeInfo,
    sparse: bool,
) -> Iterator[Episode]:
    import h5py

    with h5py.File(path) as file:
        for index, demo in enumerate(demos):
            try:
                columns = _columns(path, demo, file["data"][demo], keys)
            except (OSError, KeyError) as error:
                raise UserError(
                    f"{path}: data/{demo} is damaged ({error}); copy it again"
                ) from error
            for feature in (*vector_spec(spec).observations, spec.action):
                arrays.check_alike(f"{path}: data/{demo}", columns, feature)
            length = arrays.check_lengths(f"{path}, {demo}", columns)
            arrays.check_finite(path, index, columns)
            if sparse:
                columns["next.success"] = columns["next.reward"] == 1
            films = {
                camera.name: _pictures(path, f"data/{demo}/obs/{key}", camera, length)
                for key, camera in cameras.items()
            }
            yield Episode(info, columns, films)


def _pictures(path: Path, name: str, camera: Feature, length: int) -> Iterator[NDArray[np.uint8]]:
    """What a camera saw in a demonstration, from the file opened anew."""
    with opened(path) as file:
        found = file.get(name)
        pictures.check(f"{path}: {name}", found, camera, length)
        yield from pictures.ticks(f"{path}: {name}", found, 0, length)


def _observation_keys(
    path: Path, demo: str, group: Any
) -> tuple[list[str], dict[str, Feature], tuple[str, ...]]:
    """The vectors and cameras among the observations, and a remark on each kind left out."""
    import h5py

    if not isinstance(group, h5py.Group):
        raise UserError(f"{path}: data/{demo} is no group; check that it is robomimic's")
    seen = group.get("obs")
    if not isinstance(seen, h5py.Group) or not len(seen):
        raise UserError(
            f"{path}: data/{demo} has no observations (a group 'obs'); extract them with "
            "robomimic's dataset_states_to_obs.py"
        )
    groups = sorted(key for key, value in seen.items() if isinstance(value, h5py.Group))
    large = {
        key: seen[key] for key in sorted(set(seen) - set(groups)) if len(seen[key].shape or ()) > 2
    }
    keys = sorted(set(seen) - set(large) - set(groups))
    named = {key: key.removesuffix("_image") for key in large}
    cameras, remarks = pictures.filmable(
        {
            key: pictures.camera(name if name and name not in large else key, large[key])
            for key, name in named.items()
        }
    )
    if groups:
        remarks += (f"left out, groups within 'obs' are not read: {', '.join(groups)}",)
    if not keys:
        raise UserError(
            f"{path}: data/{demo}/obs holds no vectors (it has {', '.join(sorted(seen))}); save "
            "some there, because every policy reads what the robot measures of itself"
        )
    return keys, cameras, remarks


def _columns(path: Path, demo: str, group: Any, keys: list[str]) -> dict[str, Any]:
    import h5py

    def load(name: str) -> NDArray[Any]:
        found = group[name]
        if not isinstance(found, h5py.Dataset) or found.shape is None:
            raise UserError(f"{path}: data/{demo}/{name} is no array of numbers; save it as one")
        return np.asarray(found)

    if not isinstance(group, h5py.Group):
        raise UserError(f"{path}: data/{demo} is no group; check that it is robomimic's")
    if "actions" not in group:
        raise UserError(
            f"{path}: data/{demo} has no 'actions' (it has {', '.join(group)}); record it again"
        )
    columns = {}
    for key in keys:
        if f"obs/{key}" not in group:
            raise UserError(f"{path}: data/{demo} lacks obs/{key}, which the first one has")
        name = f"{demo}/obs/{key}"
        columns[f"observation.{key}"] = arrays.vector(path, name, load(f"obs/{key}"))
    columns["action"] = arrays.vector(path, f"{demo}/actions", load("actions"))
    if "rewards" in group:
        columns["next.reward"] = arrays.scalar(path, f"{demo}/rewards", load("rewards"))
    if "dones" in group:
        columns["next.done"] = arrays.scalar(path, f"{demo}/dones", load("dones")).astype(bool)
    return columns


def _is_sparse(group: Any) -> bool:
    """Whether the rewards of a demonstration are robosuite's for success: 0 or 1."""
    import h5py

    rewards = group.get("rewards") if isinstance(group, h5py.Group) else None
    if not isinstance(rewards, h5py.Dataset) or rewards.dtype.kind not in "biuf":
        return False
    return bool(np.isin(np.asarray(rewards), (0, 1)).all())


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
