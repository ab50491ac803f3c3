"""A simulated robot behind the robot protocol: any Gymnasium environment, reached by its id."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from exports.robots.base import Capabilities, Motion, Reading, Status
from ilrobot.actors import Observation
from ilrobot.control.contract_joints import Joints
from ilrobot.env import make_env, task_keywords
from ilrobot.env_spec import stated_joints
from ilrobot.errors import UserError
from ilrobot.task_env import TaskEnv


class GymnasiumRobot:
    """An environment that is stepped once per `write`, in the controller's own process.

    The loop's clock makes it run in real time. The physics is computed inside `write`, so that
    the time of a write is the simulator's and not that of sending a command. A step is as long as
    the environment makes it, so it runs at one rate, unless the environment states none.

    Args:
        task: Gymnasium id.
        options: Keyword arguments for the environment, e.g. ``{"engine": "pybullet"}``.
        rate: Control rate in Hz, where that is known better than by the environment.
    """

    def __init__(
        self, task: str, options: Mapping[str, Any] | None = None, rate: float | None = None
    ) -> None:
        self._task, self._options, self._rate = task, dict(options or {}), rate
        self._env: TaskEnv | None = None
        self._inner: Any = None
        self._observation: Observation = {}

    def connect(self) -> Capabilities:
        """Make the environment; see `make_env` for what it raises."""
        env = self._env = make_env(self._task, self._options, rate=self._rate)
        self._inner = env.env.unwrapped
        engine, joints = self._options.get("engine"), stated_joints(env.env)
        return Capabilities(
            name=self._task if engine is None else f"{self._task} on {engine}",
            spec=env.spec,
            any_rate=env.stated_rate is None,
            time_limit=env.time_limit,
            joints=None if joints is None else Joints.from_json(joints),
        )

    def reset(self, seed: int) -> Motion | None:
        """Begin an episode from this seed; what it holds is not known in general."""
        self._observation = self._connected.reset(seed)
        return None

    def read(self, now: float) -> Reading:
        """The state that the simulation has reached, which stands still between steps."""
        # A task whose commands are steps may say where they have led to.
        return Reading(self._observation, now, getattr(self._inner, "commanded_target", None))

    def write(self, command: NDArray[Any]) -> Status:
        """Simulate one control period under this command."""
        env = self._connected
        # The guard reuses its buffer, while an environment may keep what it is given.
        step = env.step(np.array(command, env.spec.action.dtype))
        self._observation = step.observation
        return Status(
            ended=step.terminated or step.truncated,
            success=step.success if env.judges_success else None,
        )

    def stop(self) -> None:
        """A simulation that is not stepped stands still."""

    def close(self) -> None:
        """Free the simulator."""
        if self._env is not None:
            self._env.close()
            self._env = None

    @property
    def env(self) -> TaskEnv:
        """The environment behind it, for a simulated person who looks into it."""
        return self._connected

    @property
    def _connected(self) -> TaskEnv:
        if self._env is None:
            raise RuntimeError("connect() was not called")
        return self._env


def simulated_robot(
    task: str,
    options: Mapping[str, Any],
    *,
    engine: str | None = None,
    rate: float | None = None,
) -> GymnasiumRobot:
    """The task's robot on a physics engine.

    Args:
        task: Gymnasium id.
        options: Keyword arguments for the environment.
        engine: ``mujoco`` or ``pybullet`` (None: what `options` say, or the task's own).
        rate: Control rate in Hz, where that is known better than by the environment.

    Raises:
        UserError: There is no such task, or it has no choice of engine.
    """
    others = {key: value for key, value in options.items() if key != "engine"}
    known = task_keywords(task)
    if "engine" in known:
        others["engine"] = engine or options.get("engine", known["engine"])
    elif engine is not None:
        raise UserError(
            f"task '{task}' has no option 'engine', so it has no choice of engine; leave out "
            f"'{engine}'"
        )
    return GymnasiumRobot(task, others, rate)
