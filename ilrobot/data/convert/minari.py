"""Minari's HDF5: ``episode_k`` with ``observations``, ``actions``, ``rewards`` and how it ended.

A dataset's folder has ``data/main_data.hdf5`` and ``data/metadata.json``, which names the
environment. There is one observation more than actions; the last one, after which nothing was done,
has no place in a dataset of ours. Observations may be a group of arrays, as those with a goal. Of
``infos`` what is called ``success`` or ``is_success`` is ``next.success``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ilrobot.data.convert import Source, arrays, pictures
from ilrobot.data.convert.hdf5 import load, opened, root_names
from ilrobot.data.episode import Episode, EpisodeInfo, Outcome
from ilrobot.errors import UserError
from ilrobot.observed import vector_spec
from ilrobot.spec import Feature, Spec

_FILE = Path("data/main_data.hdf5")
#: As `ilrobot.task_env` asks for it.
_SUCCESS = ("is_success", "success")


def detect(path: Path) -> bool:
    """Whether it is such a file, or a dataset's folder."""
    if path.is_dir():
        return (path / _FILE).is_file()
    return "episode_0" in root_names(path)


def read(path: Path, rate: float | None = None) -> Source:
    """Open it; an episode is loaded when its turn comes.

    Raises:
        UserError: It is damaged, has no episodes, or they lack observations or actions.
    """
    file_path = path / _FILE if path.is_dir() else path
    with opened(file_path) as file:
        episodes = sorted((name for name in file if _number(name) is not None), key=_number)
        if not episodes:
            raise UserError(
                f"{file_path}: has no group 'episode_0'; check that it is Minari's main_data.hdf5"
            )
        first, shown = _columns(file_path, file[episodes[0]])
        others = sorted(set(_infos(file[episodes[0]])) - set(_SUCCESS))
        choices = None
        if first["action"].dtype.kind in "iu" and first["action"].ndim == 1:
            choices = max(_choices(file_path, file[name]) for name in episodes)
    rate, remarks = arrays.stated_rate(file_path, rate, None)
    cameras, unfilmed = pictures.filmable(
        {n: pictures.camera(n.removeprefix("observation."), each) for n, each in shown.items()}
    )
    vectors = (
        arrays.plain_feature(name, values)
        for name, values in first.items()
        if name.startswith("observation.")
    )
    observations = (*vectors, *cameras.values())
    spec = Spec(
        observations=observations,
        action=Feature("action", (), "int64")
        if choices is not None
        else arrays.plain_feature("action", first["action"]),
        rate=rate,
        choices=choices,
        semantics="unknown" if choices is None else "discrete",
    )
    environment = _environment(file_path)
    if environment:
        remarks += (f"recorded in {environment}: try policies with --task {environment}",)
    if others:
        remarks += (f"left out: {', '.join(f'infos/{name}' for name in others)}",)
    remarks += unfilmed
    remarks += arrays.float64_remark((*spec.observations, spec.action))
    info = EpisodeInfo(environment or path.stem, rate, outcome=Outcome.UNKNOWN)
    return Source(
        "minari", spec, _episodes(file_path, episodes, spec, cameras, info), len(episodes), remarks
    )


def _episodes(
    path: Path, names: list[str], spec: Spec, cameras: Mapping[str, Feature], info: EpisodeInfo
) -> Iterator[Episode]:
    with opened(path) as file:
        for index, name in enumerate(names):
            columns, shown = _columns(path, file[name])
            for feature in (*vector_spec(spec).observations, spec.action):
                arrays.check_alike(f"{path}: {name}", columns, feature)
            arrays.check_finite(path, index, columns)
            films = {}
            for seen, camera in cameras.items():
                found, where = shown.get(seen), f"{path}: {name}: '{seen}'"
                pictures.check(where, found, camera, len(columns["action"]))
                films[camera.name] = pictures.ticks(where, found, 0, len(columns["action"]))
            yield Episode(info, columns, films)


def _columns(path: Path, group: Any) -> tuple[dict[str, NDArray[Any]], dict[str, NDArray[Any]]]:
    """What an episode holds, and its pictures.

    Raises:
        UserError: Something is missing, is no array, or of another length.
    """
    where = f"{path}, {group.name.lstrip('/')}"
    for wanted in ("observations", "actions"):
        arrays.require(where, group, wanted)
    action = load(path, group, "actions")
    length = len(action)
    columns: dict[str, NDArray[Any]] = {}
    shown: dict[str, NDArray[Any]] = {}
    for name, values in _observations(path, group["observations"]):
        if name in columns or name in shown:
            raise UserError(
                f"{where}: two of its observations would be called '{name}'; save one of them "
                "under another name"
            )
        if len(values) != length + 1:
            raise UserError(
                f"{where}: '{name}' holds {len(values)} observations for {length} actions; there "
                "must be one more than actions"
            )
        if values.ndim > 2:
            shown[name] = values[:-1]
        else:
            columns[name] = arrays.vector(where, name, values[:-1])
    if not columns:
        raise UserError(f"{where}: has no vectors among its observations; save some there")
    discrete = action.dtype.kind in "iu" and action.ndim == 1
    columns["action"] = (
        action.astype(np.int64) if discrete else arrays.vector(where, "actions", action)
    )
    if "rewards" in group:
        rewards = arrays.scalar(where, "rewards", load(path, group, "rewards"))
        columns["next.reward"] = rewards.astype(np.float32)
    ends = {}
    for name in ("terminations", "truncations"):
        ends[name] = np.zeros(length, dtype=bool)
        if name in group:
            ends[name] = arrays.scalar(where, name, load(path, group, name)).astype(bool)
    columns["next.terminated"] = ends["terminations"]
    columns["next.done"] = ends["terminations"] | ends["truncations"]
    for name in _SUCCESS:
        if name in _infos(group):
            said = arrays.scalar(where, f"infos/{name}", load(path, group, f"infos/{name}"))
            # Where the info of the reset is among them, it comes first.
            columns["next.success"] = said[len(said) - length :].astype(bool)
            break
    arrays.check_lengths(where, columns)
    return columns, shown


def _infos(group: Any) -> Any:
    """What the environment's infos said at each step (empty: nothing was kept)."""
    import h5py

    found = group.get("infos")
    return found if isinstance(found, h5py.Group) else ()


def _observations(path: Path, found: Any, inner: str = "") -> Iterator[tuple[str, NDArray[Any]]]:
    """Each array, named as in the task (`ilrobot.env_spec.walk`)."""
    import h5py

    if isinstance(found, h5py.Dataset):
        yield f"observation.{inner or 'state'}", np.asarray(found)
        return
    for key in sorted(found):
        clean = key.replace(".", "_")
        yield from _observations(path, found[key], f"{inner}_{clean}" if inner else clean)


def _choices(path: Path, group: Any) -> int:
    return arrays.choices(f"{path}, {group.name.lstrip('/')}", load(path, group, "actions"))


def _environment(file: Path) -> str:
    """Gymnasium id that the metadata beside the file state (empty: they do not)."""
    metadata = file.parent / "metadata.json"
    if not metadata.exists():
        return ""
    try:
        stated = json.loads(metadata.read_bytes()).get("env_spec") or "{}"
        return str((json.loads(stated) if isinstance(stated, str) else stated).get("id", ""))
    except (ValueError, AttributeError, TypeError) as error:
        raise UserError(
            f"{metadata}: is not Minari's JSON ({error}); copy it again, or give the .hdf5 alone"
        ) from error


def _number(name: str) -> Any:
    digits = name.removeprefix("episode_")
    return int(digits) if digits.isdigit() and digits != name else None
