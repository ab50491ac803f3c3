"""Scripted experts of the small worlds; numpy only, and they read nothing but observations."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sims.small import junction, point_maze, point_path


class PointPathExpert:
    """Feed-forward along y = sin 2x plus a proportional-derivative correction.

    a = −4 v² sin 2x′ + k_p (sin 2x − y) + k_d (2 v cos 2x − ẏ), with v the speed along x and x′
    the middle of the coming step. On a ridge of 2 /s² the gains 5 /s² and 4 /s leave the poles −1
    and −3 /s: mild enough to be learned from few demonstrations.
    """

    _k_p = 5.0
    _k_d = 4.0

    def __init__(self, env: Any = None) -> None:
        """``env`` is not read: every expert is made from its environment."""

    def reset(self, seed: int | None = None) -> None:
        """Nothing to do: the expert has no memory and draws nothing."""

    def act(self, observation: Mapping[str, NDArray[np.float32]]) -> NDArray[np.float32]:
        """Lateral acceleration (1,) in m/s² for ``state`` = x [m], y [m], ẏ [m/s]."""
        x, y, velocity = (float(value) for value in observation["state"])
        speed = point_path.SPEED
        middle = x + 0.5 * speed * point_path.DT
        acceleration = (
            -4.0 * speed**2 * np.sin(2.0 * middle)
            + self._k_p * (np.sin(2.0 * x) - y)
            + self._k_d * (2.0 * speed * np.cos(2.0 * x) - velocity)
        )
        limit = point_path.ACCELERATION_LIMIT
        return np.array([np.clip(acceleration, -limit, limit)], dtype=np.float32)


class JunctionExpert:
    """Drive straight, swerve at full speed to a side drawn per episode, return to the middle.

    The side is drawn in ``reset`` and shows in nothing that can be observed before the swerve.
    """

    _clearance = 0.85
    _decision_distance = 1.4
    _return_distance = 0.7

    def __init__(self, env: Any = None) -> None:
        """``env`` is not read: every expert is made from its environment."""
        self._random = np.random.default_rng()
        self.side = 1.0
        """+1 passes on the left (+y), −1 on the right."""
        self.reset()

    def reset(self, seed: int | None = None) -> None:
        """Draw the side of the coming episode; a ``seed`` makes this draw and the next repeat."""
        if seed is not None:
            # An environment reset with the same seed draws from the same generator; without a
            # key of our own its first number, the start, would reveal the side.
            self._random = np.random.default_rng([seed, 1])
        self.side = 1.0 if self._random.random() < 0.5 else -1.0

    def act(self, observation: Mapping[str, NDArray[np.float32]]) -> NDArray[np.float32]:
        """Lateral velocity (1,) in m/s for ``state`` and ``environment_state`` in metres."""
        x, y = (float(value) for value in observation["state"])
        ahead = float(observation["environment_state"][0]) - x
        if ahead > self._decision_distance:
            target = y
        elif ahead > -self._return_distance:
            target = self.side * self._clearance
        else:
            target = 0.0
        limit = junction.LATERAL_LIMIT
        return np.array([np.clip((target - y) / junction.DT, -limit, limit)], dtype=np.float32)


class PointMazeExpert:
    """Towards the gap while below the wall, then towards the goal; slower near it.

    a = k (target - position), cut off at the greatest speed along each axis.
    """

    _k = 4.0
    #: Beside the middle, and behind the wall, of the place that leads through the gap, m.
    _aside, _behind = 0.75, 0.2

    def __init__(self, env: Any) -> None:
        """Which side the gap is on is asked of ``env``, as it is not observed."""
        self._side = -1.0 if env.unwrapped.gap == "left" else 1.0

    def reset(self, seed: int | None = None) -> None:
        """Nothing to do: the expert has no memory and draws nothing."""

    def act(self, observation: Mapping[str, NDArray[np.float32]]) -> NDArray[np.float32]:
        """Velocity (2,) in m/s for ``state`` = x, y [m]."""
        place = np.asarray(observation["state"], dtype=np.float64)
        below = place[1] < self._behind / 2
        target = (self._side * self._aside, self._behind) if below else point_maze.GOAL
        limit = point_maze.SPEED
        return np.clip(self._k * (np.array(target) - place), -limit, limit).astype(np.float32)
