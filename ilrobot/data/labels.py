"""What a recording teaches: which frames, with which labels, in which episodes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ilrobot.actors import Source
from ilrobot.data.branches import DISCARDED
from ilrobot.data.episode import Outcome
from ilrobot.data.memory import Recordings
from ilrobot.errors import UserError
from ilrobot.spec import Spec

_WORTHY = frozenset({Outcome.SUCCESS, Outcome.UNKNOWN})


def vector_spec(spec: Spec) -> Spec:
    """The spec without its images, which no policy reads yet, and without asking the task for them.

    Raises:
        UserError: Nothing is left.
    """
    vectors = tuple(f for f in spec.observations if len(f.shape) <= 1)
    if not vectors:
        raise UserError(
            "the dataset has images but no vector observation; record one such as "
            "observation.state, because policies read vectors only"
        )
    options = {key: value for key, value in spec.task_options.items() if key != "cameras"}
    return replace(spec, observations=vectors, task_options=options)


def labels(dataset: Recordings) -> tuple[NDArray[np.bool_], NDArray[Any]]:
    """Which frames teach, and what.

    A frame teaches if it was demonstrated in an episode that succeeded or that nobody judged; or
    if, in any episode that was not discarded, a person had taken over there, or an expert was
    asked at every frame (DAgger). Frames that a rewind undid do not teach. The label is what the
    person or expert wanted where that is known, else what was executed.

    Returns:
        Mask of shape (num_frames,) and labels of shape (num_frames, *action shape).

    Raises:
        UserError: There are no frames at all.
    """
    spec, frames = dataset.spec, dataset.num_frames
    if frames == 0:
        raise UserError(f"{dataset.path} holds no frames; record demonstrations first")
    episode_of_frame = np.repeat(np.arange(dataset.num_episodes), dataset.lengths)
    worthy = np.array([info.outcome in _WORTHY for info in dataset.infos], dtype=bool)
    kept = np.array([info.outcome is not Outcome.DISCARDED for info in dataset.infos], dtype=bool)

    demonstrated = np.ones(frames, dtype=bool)
    if dataset.has_column("control.source"):
        demonstrated = dataset.column("control.source") == Source.DEMO.value
    lives = np.ones(frames, dtype=bool)
    if dataset.has_column(DISCARDED):
        lives = ~dataset.column(DISCARDED).astype(bool)
    teaches = lives & demonstrated & worthy[episode_of_frame]
    values = dataset.column("action")
    if not dataset.has_column("control.human_action"):
        return teaches, values

    wanted = dataset.column("control.human_action")
    known = np.isfinite(wanted).reshape(frames, -1).all(axis=1)
    taken_over = np.zeros(frames, dtype=bool)
    if dataset.has_column("intervention"):
        taken_over = dataset.column("intervention").astype(bool)
    unasked = np.bincount(episode_of_frame[lives & ~known], minlength=dataset.num_episodes) > 0
    corrected = lives & ~demonstrated & known & (taken_over | ~unasked[episode_of_frame])
    teaches = teaches | (corrected & kept[episode_of_frame])
    known = known.reshape(frames, *(1,) * (values.ndim - 1))
    if spec.choices is not None:
        wanted = np.nan_to_num(wanted)
    return teaches, np.where(known, wanted, values).astype(values.dtype)


def split_episodes(
    dataset: Recordings, teaches: NDArray[np.bool_], held_out: float, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Whole episodes for training and for validation, drawn by `seed`.

    Only episodes that teach anything are shared out. Of two or more at least one is held out,
    unless `held_out` is 0, and at least one is left to train on.

    Args:
        dataset: The recordings.
        teaches: Mask of the frames that teach, shape (num_frames,).
        held_out: Share of the episodes for validation, in [0, 1).
        seed: Seed of the draw.

    Returns:
        Indexes of the episodes for training and for validation, each ascending.

    Raises:
        UserError: No frame teaches anything.
    """
    useful = np.unique(np.searchsorted(dataset.starts, np.flatnonzero(teaches), side="right") - 1)
    if useful.size == 0:
        raise UserError(nothing_to_learn(dataset))
    count = 0
    if held_out > 0 and useful.size > 1:
        count = min(max(1, round(held_out * useful.size)), useful.size - 1)
    shuffled = np.random.default_rng(seed).permutation(useful)
    return np.sort(shuffled[count:]), np.sort(shuffled[:count])


def nothing_to_learn(dataset: Recordings) -> str:
    """One line that says why no frame teaches."""
    outcomes = [info.outcome.value for info in dataset.infos]
    found = ", ".join(f"{outcomes.count(o)} {o}" for o in dict.fromkeys(outcomes))
    return (
        f"{dataset.path} has nothing to learn from: its episodes ended as {found}, and only "
        "demonstrations that succeeded (or that nobody judged) and corrections by a person or an "
        "expert teach; record successful demonstrations"
    )
