"""A recorded episode played again in the simulator: how far does it stray?

The recorded actions are executed one after the other from where the episode began. In the same
simulator, with its state restored, the same observations must come back; in another one they tell
how much the task depends on what differs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ilrobot.actors import Source
from ilrobot.data.branches import surviving
from ilrobot.data.episode import Episode
from ilrobot.errors import UserError
from ilrobot.spec import ANGLE_UNIT, Feature
from ilrobot.task_env import TaskEnv


@dataclass(frozen=True)
class Deviation:
    """How far those elements of a feature that share a unit came from what was recorded.

    Attributes:
        feature: Its column.
        unit: Unit of the numbers below (empty: not known).
        greatest: Greatest absolute difference of any element at any frame; angles wrap.
        element: Whose difference that was.
        frame: At which frame of the episode.
        final: Greatest difference of any element at the last frame compared.
        strays_at: First frame at which one is above the tolerance (None: none is).
    """

    feature: str
    unit: str
    greatest: float
    element: str
    frame: int
    final: float
    strays_at: int | None


@dataclass(frozen=True)
class Replay:
    """What came of it.

    Attributes:
        deviations: One for each feature and unit.
        frames: Frames whose actions were executed.
        recorded: Frames that could have been: fewer are executed if the replay ends before.
        restored: The first recorded state was restored; else the episode began from its seed.
        success_then: Whether the recording says of any of its frames that the task was done.
        success_now: Whether the environment says so of the replay.
    """

    deviations: tuple[Deviation, ...]
    frames: int
    recorded: int
    restored: bool
    success_then: bool
    success_now: bool

    @property
    def strays_at(self) -> int | None:
        """First frame at which anything is above the tolerance (None: nothing is)."""
        return min((d.strays_at for d in self.deviations if d.strays_at is not None), default=None)


def replay(env: TaskEnv, episode: Episode, *, restore: bool, tolerance: float) -> Replay:
    """Execute the actions of an episode.

    Frames that were discarded by a rewind are left out: the next one goes on from before them.
    Those at which the robot was held on purpose do not count towards the time limit, as then.

    Args:
        env: Where.
        episode: The recording, with a seed, or with states to restore.
        restore: Begin from its first recorded state, after a reset from its seed if it has one.
        tolerance: In the unit of each element.

    Raises:
        UserError: It has no frame that was not discarded.
        WorkFailed: A recorded action is not finite.
    """
    numbers = np.flatnonzero(surviving(episode.columns))
    if not len(numbers):
        raise UserError("all frames of the episode were discarded; there is nothing to replay")
    columns = {name: values[numbers] for name, values in episode.columns.items()}
    seed = episode.info.seed
    observation = env.reset(0 if seed is None else seed)
    if restore:
        env.set_state(columns["sim.state"][0])
    features = [f for f in env.spec.observations if f.name in columns and not f.is_image]
    seen: dict[str, list[NDArray[np.generic]]] = {f.name: [] for f in features}
    paused = np.zeros(len(numbers), dtype=bool)
    if "control.source" in columns:
        paused = columns["control.source"] == Source.PAUSED.value
    success, executed = False, 0
    for action, held in zip(columns["action"], paused, strict=True):
        for feature in features:
            # The observation at the reset is not that of a state restored after it.
            known = executed > 0 or not restore
            now = observation[feature.name] if known else columns[feature.name][0]
            seen[feature.name].append(np.asarray(now))
        if held:
            env.stop_time()
        step = env.step(action)
        executed += 1
        observation, success = step.observation, success or step.success
        if step.terminated or step.truncated:
            break
    deviations: list[Deviation] = []
    for feature in features:
        now, then = np.array(seen[feature.name]), columns[feature.name][:executed]
        deviations += _deviations(feature, then, now, numbers, tolerance)
    return Replay(
        deviations=tuple(deviations),
        frames=executed,
        recorded=len(numbers),
        restored=restore,
        success_then=bool(columns["next.success"].any()) if "next.success" in columns else False,
        success_now=success,
    )


def _deviations(
    feature: Feature,
    then: NDArray[np.generic],
    now: NDArray[np.generic],
    numbers: NDArray[np.int64],
    tolerance: float,
) -> list[Deviation]:
    """Both are (frames, *shape); `numbers` are those of the frames in the recording."""
    one, other = (values.astype(np.float64).reshape(len(then), -1) for values in (now, then))
    difference = np.where(np.isnan(one) & np.isnan(other), 0.0, one - other)
    units = np.array(feature.units or ("",) * feature.size)
    wraps = units == ANGLE_UNIT
    difference[:, wraps] = np.remainder(difference[:, wraps] + np.pi, 2 * np.pi) - np.pi
    apart = np.nan_to_num(np.abs(difference), nan=np.inf, posinf=np.inf)
    found = []
    for unit in dict.fromkeys(units.tolist()):
        elements = np.flatnonzero(units == unit)
        part = apart[:, elements]
        frame, element = np.unravel_index(int(part.argmax()), part.shape)
        above = np.flatnonzero((part > tolerance).any(axis=1))
        found.append(
            Deviation(
                feature=feature.name,
                unit=unit,
                greatest=float(part.max()),
                element=feature.element_names[elements[element]],
                frame=int(numbers[frame]),
                final=float(part[-1].max()),
                strays_at=int(numbers[above[0]]) if len(above) else None,
            )
        )
    return found
