"""What a recording teaches: which frames, with which labels, in which episodes."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ilrobot.actors import Source
from ilrobot.data.branches import DISCARDED
from ilrobot.data.episode import Outcome
from ilrobot.data.lessons import Weighting
from ilrobot.data.recordings import Recordings, lives
from ilrobot.errors import UserError


class Origin(IntEnum):
    """Where a frame's label would come from.

    Attributes:
        NOBODY: From nobody: discarded, undone, blended, paused, the policy's in an episode that
            did not succeed, or somebody's whose last drive did not save the attempt.
        DEMO: Demonstrated in an episode that succeeded or that nobody judged.
        CORRECTION: A person or an expert, in a policy's attempt that was not discarded.
        ROBOT: The policy itself, in an attempt that succeeded or that nobody judged.
        BEFORE: The same, right before somebody took over, so that it probably was in the wrong.
    """

    NOBODY = 0
    DEMO = 1
    CORRECTION = 2
    ROBOT = 3
    BEFORE = 4


#: Which frames teach.
_TEACH: dict[Weighting, tuple[Origin, ...]] = {
    "plain": (Origin.DEMO, Origin.CORRECTION),
    "iwr": (Origin.DEMO, Origin.CORRECTION, Origin.ROBOT, Origin.BEFORE),
    "sirius": (Origin.DEMO, Origin.CORRECTION, Origin.ROBOT),
    "own": (Origin.DEMO, Origin.CORRECTION, Origin.ROBOT),
}
#: Of a recording, what says beside the outcomes which of its frames teach and what.
LABEL_COLUMNS = ("control.source", "control.human_action", "intervention", DISCARDED)

#: How long before a takeover things went wrong already: 15 steps of Sirius at its 20 Hz. A time and
#: no number of steps, because it is a person's reaction.
BEFORE_SECONDS = 0.75

_WORTHY = frozenset({Outcome.SUCCESS, Outcome.UNKNOWN})
_LOST = frozenset({Outcome.FAILURE, Outcome.TIMEOUT})
#: Share of a drive's ticks at which what was wanted was executed, if nobody disturbed it.
_UNDISTURBED = 0.5


def own_teach(weighting: Weighting) -> bool:
    """Whether the policy's own actions do, in attempts that succeeded."""
    return Origin.ROBOT in _TEACH[weighting]


def labels(
    dataset: Recordings, weighting: Weighting = "plain"
) -> tuple[NDArray[np.bool_], NDArray[Any]]:
    """Which frames teach, and what.

    Demonstrations and corrections do, and with the weightings that say so the policy's own actions,
    see `Origin`. The label is what the person or expert wanted where that is known, else what was
    executed.

    Returns:
        Mask of shape (num_frames,) and labels of shape (num_frames, *action shape).

    Raises:
        UserError: There are no frames at all.
    """
    origin = origins(dataset)
    values = dataset.column("action")
    if dataset.has_column("control.human_action"):
        said = np.isin(origin, (Origin.DEMO, Origin.CORRECTION)) & _known(dataset)
        wanted = dataset.column("control.human_action")
        if dataset.spec.choices is not None:
            wanted = np.nan_to_num(wanted)
        said = said.reshape(len(said), *(1,) * (values.ndim - 1))
        values = np.where(said, wanted, values).astype(values.dtype)
    return np.isin(origin, _TEACH[weighting]), values


def origins(dataset: Recordings) -> NDArray[np.int8]:
    """The `Origin` of each frame, shape (num_frames,).

    An attempt of the policy is corrected wherever it is known what the person or expert wanted:
    where they acted, and where the expert was asked and the policy went on acting. Of an attempt
    that was lost all the same a person's last drive is left out, as demonstrations that failed are:
    from there what they did leads nowhere. The drives before it, what was wanted but not done, as
    under DART's noise, and what an expert did that holds no device, teach.

    Raises:
        UserError: There are no frames at all.
    """
    frames = dataset.num_frames
    if frames == 0:
        raise UserError(f"{dataset.path} holds no frames; record demonstrations first")
    episode = np.repeat(np.arange(dataset.num_episodes), dataset.lengths)
    worthy = np.array([info.outcome in _WORTHY for info in dataset.infos], dtype=bool)[episode]
    kept = np.array([info.outcome is not Outcome.DISCARDED for info in dataset.infos], dtype=bool)
    left = lives(dataset)
    demonstrated, by_policy = np.ones(frames, dtype=bool), np.zeros(frames, dtype=bool)
    if dataset.has_column("control.source"):
        source = dataset.column("control.source")
        demonstrated, by_policy = source == Source.DEMO.value, source == Source.POLICY.value
    taken_over = np.zeros(frames, dtype=bool)
    if dataset.has_column("intervention"):
        taken_over = dataset.column("intervention").astype(bool) & left

    found = np.full(frames, Origin.NOBODY, dtype=np.int8)
    found[left & demonstrated & worthy] = Origin.DEMO
    own = left & by_policy & worthy
    found[own] = Origin.ROBOT
    found[own & _before(taken_over, left, episode, dataset.spec.rate)] = Origin.BEFORE
    if dataset.has_column("control.human_action"):
        found[left & ~demonstrated & _known(dataset) & kept[episode]] = Origin.CORRECTION
        found[_in_vain(dataset, taken_over, left, episode)] = Origin.NOBODY
    return found


def _in_vain(
    dataset: Recordings,
    taken_over: NDArray[np.bool_],
    remains: NDArray[np.bool_],
    episode: NDArray[np.int64],
) -> NDArray[np.bool_]:
    """The frames of a hand's last drive in each lost attempt, over what a rewind left.

    What an expert does that holds no device (`EpisodeInfo.mapping_hash`) is right by definition.
    A pause does not end a drive. One whose commands were executed otherwise at most of its ticks
    was disturbed: of it nobody knows what it would have led to. Some are by the robot's guards.
    """
    paused = np.zeros(len(episode), dtype=bool)
    if dataset.has_column("control.source"):
        paused = dataset.column("control.source") == Source.PAUSED.value
    wanted = dataset.column("control.human_action")
    executed = dataset.column("action").astype(wanted.dtype)
    done = (executed == wanted).reshape(len(episode), -1).all(axis=1)
    marks = np.zeros(len(episode), dtype=bool)
    lost = [info.outcome in _LOST and info.mapping_hash != "" for info in dataset.infos]
    for index in np.flatnonzero(lost):
        first = dataset.starts[index]
        frames = first + np.flatnonzero(remains[first : first + dataset.lengths[index]])
        drove = np.flatnonzero(taken_over[frames])
        if not drove.size:
            continue
        others = np.flatnonzero(~(taken_over | paused)[frames[: drove[-1]]])
        drive = frames[drove[drove > (others[-1] if others.size else -1)]]
        marks[drive] = done[drive].mean() > _UNDISTURBED
    return marks


def _known(dataset: Recordings) -> NDArray[np.bool_]:
    """Where it is known what the person or expert wanted, shape (num_frames,)."""
    wanted = dataset.column("control.human_action")
    known: NDArray[np.bool_] = np.isfinite(wanted).reshape(len(wanted), -1).all(axis=1)
    return known


def _before(
    taken_over: NDArray[np.bool_],
    remains: NDArray[np.bool_],
    episode: NDArray[np.int64],
    rate: float,
) -> NDArray[np.bool_]:
    """The frames less than `BEFORE_SECONDS` ahead of a takeover, over what a rewind left."""
    left = np.flatnonzero(remains)
    acting, of = taken_over[left], episode[left]
    began = acting & np.concatenate(([True], ~acting[:-1] | (of[1:] != of[:-1])))
    marks = np.zeros(len(taken_over), dtype=bool)
    for onset in np.flatnonzero(began):
        first = max(onset - round(BEFORE_SECONDS * rate), np.searchsorted(of, of[onset]))
        marks[left[first:onset]] = True
    return marks


def split_episodes(
    dataset: Recordings, teaches: NDArray[np.bool_], held_out: float, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Whole episodes for training and for validation, drawn by `seed`.

    Only episodes that teach anything are shared out. Of two or more at least one is held out,
    unless `held_out` is 0, and at least one is left to train on. One that was ever trained on is
    never held out when others are added after it, so that it stays unseen by what was learnt on;
    those that lie `besides` are drawn apart, because others are added before them.

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
    recorded = int(np.count_nonzero(useful < dataset.num_episodes - dataset.besides))
    parts = (recorded, useful.size - recorded)
    kept = np.concatenate([held_out_places(count, held_out, seed) for count in parts])
    return useful[~kept], useful[kept]


def held_out_places(count: int, share: float, seed: int | Sequence[int]) -> NDArray[np.bool_]:
    """Which of `count` things in a row are held out: one drawn of every 1 / `share` in turn.

    Whether one is does not depend on how many come after it, with one exception: before the first
    one that is drawn it is the second. The first never is.

    Args:
        count: How many there are.
        share: In [0, 1); of two or more at least one is held out, unless it is 0.
        seed: Seed of the draws.

    Returns:
        Shape (count,).
    """
    marks = np.zeros(count, dtype=bool)
    if share > 0 and count > 1:
        edges = np.ceil(np.arange(np.ceil(share * count) + 2) / share)
        edges[0] = 1
        draws = np.random.default_rng(seed).random(len(edges) - 1)
        places = np.floor(edges[:-1] + draws * np.diff(edges))
        within = places[places < count].astype(np.int64)
        marks[within if within.size else 1] = True
    return marks


def nothing_to_learn(dataset: Recordings) -> str:
    """One line that says why no frame teaches."""
    outcomes = [info.outcome.value for info in dataset.infos]
    found = ", ".join(f"{outcomes.count(o)} {o}" for o in dict.fromkeys(outcomes))
    return (
        f"{dataset.path} has nothing to learn from: its episodes ended as {found}, and only "
        "demonstrations that succeeded (or that nobody judged) and corrections by a person or an "
        "expert teach; record successful demonstrations"
    )
