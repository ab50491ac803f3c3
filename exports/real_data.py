"""What an export takes from the dataset: real windows of observations and the taught actions."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from exports.samples import AS_EXECUTED, GOLDEN
from ilrobot.compatibility import check_policy_fits
from ilrobot.data.branches import BRANCH
from ilrobot.data.episode import Outcome
from ilrobot.data.film_files import film
from ilrobot.data.labels import labels
from ilrobot.data.recordings import Recordings, lives
from ilrobot.errors import UserError
from ilrobot.observed import vector_spec
from ilrobot.spec import Feature, Spec

#: Bytes of pictures that are held at most, of no fewer histories than a contract quotes.
_PICTURES_BYTES, _FEWEST = 2**30, AS_EXECUTED * GOLDEN


def observation_windows(
    dataset: Recordings, spec: Spec, n_obs: int, count: int
) -> dict[str, NDArray[Any]]:
    """Histories spread evenly over the dataset, as a policy would see them.

    Args:
        dataset: Where they come from.
        spec: Which observations the policy reads.
        n_obs: Ticks in each history; an episode's first observation fills what comes before it.
        count: At most so many, and of large pictures as many as fit into a gigabyte.

    Returns:
        Name to shape (count, n_obs, *shape), physical units, float32; pictures uint8.

    Raises:
        UserError: The dataset has other observations or actions than the policy.
    """
    check_policy_fits(spec, dataset.spec, str(dataset.path))
    if spec.cameras:
        size = n_obs * sum(camera.size for camera in spec.cameras)
        count = min(count, max(_FEWEST, _PICTURES_BYTES // size))
    frames = np.unique(np.linspace(0, dataset.num_frames - 1, count).round().astype(np.int64))
    first = dataset.starts[np.searchsorted(dataset.starts, frames, side="right") - 1]
    back = np.arange(n_obs - 1, -1, -1)
    indexes = np.maximum(frames[:, None] - back, first[:, None])
    windows = {
        f.name: dataset.column(f.name)[indexes].astype(np.float32)
        for f in vector_spec(spec).observations
    }
    for name, window in windows.items():
        if not np.isfinite(window).all():
            raise UserError(f"{dataset.path}: '{name}' holds NaN or infinity; repair the dataset")
    pictures = {camera.name: _pictures(dataset, camera, indexes) for camera in spec.cameras}
    return {**windows, **pictures}


def _pictures(
    dataset: Recordings, camera: Feature, indexes: NDArray[np.int64]
) -> NDArray[np.uint8]:
    """What a camera saw at these ticks, as it took it: (..., H, W, 3)."""
    flat = indexes.ravel()
    pictures = np.empty((len(flat), *camera.shape), np.uint8)
    episodes = np.searchsorted(dataset.starts, flat, side="right") - 1
    for episode in np.unique(episodes).tolist():
        for tick, picture in enumerate(film(dataset, camera, episode), dataset.starts[episode]):
            pictures[flat == tick] = picture
    return pictures.reshape(*indexes.shape, *camera.shape)


def taught_actions(dataset: Recordings) -> list[NDArray[Any]]:
    """The actions that the policy was taught, in runs that somebody really moved in.

    A run ends where the ticks stop teaching (see `ilrobot.data.labels.labels`), where another
    takes over, and at a rewind: across these no robot is to move as the numbers do, and a jump
    from a policy's command to a person's says nothing about what may be commanded.

    Returns:
        Each of shape (T, *action shape), physical units.

    Raises:
        UserError: Nothing teaches.
    """
    teaches, actions = labels(dataset)
    if not teaches.any():
        raise UserError(
            f"{dataset.path}: nothing in it teaches, so no action tells what the robot may do; "
            "give a --dataset with demonstrations that were kept"
        )
    return _runs(dataset, teaches, actions)


def executed_actions(dataset: Recordings) -> list[NDArray[Any]]:
    """What was executed in all that was not discarded or undone, whoever acted, in such runs.

    An offline learner's policy may do any of it.

    Raises:
        UserError: All was discarded.
    """
    kept = [info.outcome is not Outcome.DISCARDED for info in dataset.infos]
    counts = np.repeat(kept, dataset.lengths) & lives(dataset)
    if not counts.any():
        raise UserError(
            f"{dataset.path}: all of it was discarded, so no action tells what the robot may do; "
            "give another --dataset"
        )
    return _runs(dataset, counts, dataset.column("action"))


def _runs(
    dataset: Recordings, counts: NDArray[np.bool_], actions: NDArray[Any]
) -> list[NDArray[Any]]:
    """The actions at ticks that count, cut where another takes over and at a rewind."""
    marks: list[NDArray[Any]] = [
        np.repeat(np.arange(dataset.num_episodes), dataset.lengths),
        counts,
        *(dataset.column(name) for name in ("control.source", BRANCH) if dataset.has_column(name)),
    ]
    ends = np.logical_or.reduce([mark[1:] != mark[:-1] for mark in marks])
    runs = np.split(np.arange(dataset.num_frames), np.flatnonzero(ends) + 1)
    return [actions[run] for run in runs if counts[run[0]]]
