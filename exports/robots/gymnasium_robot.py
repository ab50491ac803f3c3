"""A simulated robot behind the robot protocol: any Gymnasium environment, reached by its id."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from exports.robots.base import Capabilities, Reading, Status
from ilrobot.actors import Observation
from ilrobot.env import TaskEnv, make_env
from ilrobot.errors import UserError

_log = logging.getLogger(__name__)


class GymnasiumRobot:
    """An environment that is stepped once per `write`, in the controller's own process.

    The loop's clock makes it run in real time. The physics is computed inside `write`, so that
    the time of a write is the simulator's and not that of sending a command.

    Args:
        task: Gymnasium id.
        options: Keyword arguments for the environment, e.g. ``{"engine": "pybullet"}``.
    """

    def __init__(self, task: str, options: Mapping[str, Any] | None = None) -> None:
        self._task, self._options = task, dict(options or {})
        self._env: TaskEnv | None = None
        self._observation: Observation = {}

    def connect(self) -> Capabilities:
        """Make the environment; see `make_env` for what it raises."""
        self._env = make_env(self._task, self._options)
        self._env.reset(seed=0)  # only a reset or step tells whether it judges success
        return Capabilities(
            self._env.spec,
            judges_success=self._env.judges_success,
            time_limit=self._env.time_limit,
        )

    def reset(self, seed: int) -> NDArray[Any] | None:
        """Begin an episode from this seed; what it holds is not known in general."""
        self._observation = self._connected.reset(seed)
        return None

    def read(self, now: float) -> Reading:
        """The state that the simulation has reached, which stands still between steps."""
        return Reading(self._observation, now)

    def write(self, command: NDArray[Any]) -> Status:
        """Simulate one control period under this command."""
        # The guard reuses its buffer, while an environment may keep what it is given.
        step = self._connected.step(np.array(command))
        self._observation = step.observation
        return Status(ended=step.terminated or step.truncated, success=step.success)

    def stop(self) -> None:
        """A simulation that is not stepped stands still."""

    def close(self) -> None:
        """Free the simulator."""
        if self._env is not None:
            self._env.close()
            self._env = None

    @property
    def _connected(self) -> TaskEnv:
        if self._env is None:
            raise RuntimeError("connect() was not called")
        return self._env


def simulated_robot(engine: str, task: str, options: Mapping[str, Any]) -> GymnasiumRobot:
    """The task's robot on a physics engine.

    Args:
        engine: ``mujoco`` or ``pybullet``.
        task: Gymnasium id.
        options: Further keyword arguments for the environment.

    Raises:
        UserError: The task cannot be made, or has no choice of engine while another than its own
            may have been meant.
    """
    others = {key: value for key, value in options.items() if key != "engine"}
    if _has_engine_option(task, others):
        return GymnasiumRobot(task, {**others, "engine": engine})
    if engine != "mujoco":
        raise UserError(
            f"task '{task}' has no option 'engine', so it does not run on {engine}; use "
            "--robot mujoco, which takes the task as it is"
        )
    _log.warning("task '%s' has no choice of engine; it runs as it is", task)
    return GymnasiumRobot(task, others)


def _has_engine_option(task: str, options: dict[str, Any]) -> bool:
    env = make_env(task, options)
    try:
        return "engine" in inspect.signature(type(env.env.unwrapped)).parameters
    finally:
        env.close()
