"""Any Gymnasium environment, seen through a `Spec`: flat named observations, one action."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from ilrobot.actors import Action, Observation
from ilrobot.env_errors import gave, misfit, picture_of, running, without_gl
from ilrobot.env_spec import describe, stated_rate, walk
from ilrobot.errors import UserError, WorkFailed
from ilrobot.spec import DEFAULT_RATE

#: Steps after which an episode that nobody watches ends in a task that has no limit of its own.
DEFAULT_TIME_LIMIT = 1000


@dataclass(frozen=True)
class Step:
    """What one step gave.

    Attributes:
        observation: The next observation.
        reward: The environment's reward for this step.
        terminated: The episode ended by itself.
        truncated: The episode ran out of time.
        success: The task counts as done at this step.
    """

    observation: Observation
    reward: float
    terminated: bool
    truncated: bool
    success: bool


@dataclass(frozen=True)
class Snapshot:
    """A moment of an episode.

    Attributes:
        state: The simulator's whole state.
        raw_observation: The environment's own observation of it.
        elapsed: Steps that the time limit had counted (None: there is no limit).
    """

    state: NDArray[np.float64]
    raw_observation: Any
    elapsed: int | None

    @property
    def size(self) -> int:
        """Bytes that it takes, about."""
        return self.state.nbytes + sum(np.asarray(v).nbytes for _, v in walk(self.raw_observation))


class TaskEnv:
    """A Gymnasium environment in ilrobot's vocabulary.

    A Box observation becomes ``observation.state``; a key ``k`` of a Dict becomes
    ``observation.k``, nested keys are joined by ``_``. The task succeeds at a step if the
    environment's info says so under ``is_success`` or ``success``; where it says neither, no step
    counts as a success and `judges_success` stays False; None and NaN say nothing.

    An environment may describe itself by a plain attribute ``feature_metadata``: for each
    observation key (``state`` for a Box) and for ``action`` a dict with ``names``, ``units``,
    ``frame``, and for the action ``semantics`` and ``controller``; and the arm behind its action by
    ``joint_metadata`` (`ilrobot.env_spec.stated_joints`). It may offer ``get_state()``
    and ``set_state(vector)``, which makes it possible to replay and to rewind; its
    observations must then be new arrays at each step. It may have ``camera_names`` and
    ``render_camera(name)``, and ``camera_heading(name)`` so that a person can steer as they see;
    a key ``images.<camera>`` of its observation is
    ``observation.images.<camera>``.
    """

    def __init__(self, env: gym.Env[Any, Any], task: str, options: dict[str, Any]) -> None:
        self.env = env
        self.stated_rate = stated_rate(env)
        """The control rate in Hz that the environment itself states (None: it states none)."""
        self.spec, self._sources = describe(env, task, options, self.stated_rate or DEFAULT_RATE)
        self.raw_observation: Any = None
        self.judges_success = False

    def reset(self, seed: int | None = None) -> Observation:
        """Begin an episode from this seed.

        Raises:
            WorkFailed: The environment failed, or gave another observation than it describes.
        """
        with running(self.spec.task, "reset"):
            given = self.env.reset(seed=seed)
            if not (isinstance(given, tuple) and len(given) == 2):
                raise WorkFailed(gave(self.spec.task, "reset", given))
            self.raw_observation, info = given
            self._success(info)
        return self._flatten(self.raw_observation)

    def step(self, action: Action) -> Step:
        """Execute one action (shape of the action feature, in its units).

        Raises:
            WorkFailed: It is of another shape, or not finite, as the actions of a policy with
                damaged weights are; or the environment failed, or gave another observation than
                it describes.
        """
        wanted = self.spec.action.shape
        if np.shape(action) != wanted:
            raise WorkFailed(
                f"the action for {self.spec.task} has shape {list(np.shape(action))}, not "
                f"{list(wanted)}; whoever acts must give one as its spec says"
            )
        if not np.isfinite(action).all():
            names = self.spec.action.element_names
            index = int(np.flatnonzero(~np.isfinite(action))[0])
            raise WorkFailed(
                f"{names[index]} of the action for {self.spec.task} is {action.flat[index]}; an "
                f"action must be finite: {self._why_not_finite()}"
            )
        command: Any = int(action) if self.spec.choices is not None else action
        with running(self.spec.task, "step"):
            self.raw_observation, reward, terminated, truncated, info = self.env.step(command)
            said = float(reward), bool(terminated), bool(truncated), self._success(info)
        return Step(self._flatten(self.raw_observation), *said)

    @property
    def camera_names(self) -> tuple[str, ...]:
        """The cameras that `render` can be asked for (empty: the environment names none)."""
        return tuple(getattr(self.env.unwrapped, "camera_names", ()))

    def camera_heading(self, camera: str) -> float | None:
        """Where a camera looks, rad about the base's upward axis (None: nobody says)."""
        inner: Any = self.env.unwrapped
        if camera not in self.camera_names or not hasattr(inner, "camera_heading"):
            return None
        heading = inner.camera_heading(camera)
        return None if heading is None else float(heading)

    def render(self, camera: str | None = None) -> NDArray[np.uint8]:
        """One picture, H×W×3 uint8; the environment must be made with ``render_mode=rgb_array``.

        Args:
            camera: One of `camera_names` (None: the environment's own view).

        Raises:
            UserError: It cannot be drawn on this machine, or what it gives is no such picture.
        """
        inner: Any = self.env.unwrapped
        modes = self.env.metadata.get("render_modes") or ()
        if camera is None and "rgb_array" not in modes:
            raise UserError(
                f"{self.spec.task} gives no pictures: 'rgb_array' is not among the render_modes of "
                "its metadata; it cannot be filmed"
            )
        try:
            frame: Any = self.env.render() if camera is None else inner.render_camera(camera)
        except Exception as error:  # a missing GL, display or package: renderers share no base
            raise UserError(f"{self.spec.task} cannot be drawn: {without_gl(error)}") from error
        if frame is None:
            raise UserError(f"{self.spec.task} gives no pictures; it cannot be filmed")
        picture = picture_of(self.spec.task, frame)
        # Copied, unless nobody can draw into it: the same array is taken for the same picture.
        lasts = picture.flags.owndata and not picture.flags.writeable
        return picture if lasts else picture.copy()

    @property
    def time_limit(self) -> int | None:
        """Steps after which an episode is truncated (None: it has no limit)."""
        return self.env.spec.max_episode_steps if self.env.spec is not None else None

    @property
    def unattended_limit(self) -> int | None:
        """Steps after which an attempt is cut off that nobody watches (None: the task ends it)."""
        return DEFAULT_TIME_LIMIT if self.time_limit is None else None

    @property
    def can_restore(self) -> bool:
        """Whether the simulator's state can be saved and restored."""
        inner = self.env.unwrapped
        return hasattr(inner, "get_state") and hasattr(inner, "set_state")

    @property
    def state_size(self) -> int:
        """Length of the simulator's state vector (0: it cannot be saved).

        Raises:
            WorkFailed: The environment cannot give it before its first reset.
        """
        return self.get_state().size if self.can_restore else 0

    def get_state(self) -> NDArray[np.float64]:
        """The simulator's whole state as one flat vector (needs `can_restore`).

        Raises:
            WorkFailed: The environment failed, or gave something else.
        """
        inner: Any = self.env.unwrapped
        with running(self.spec.task, "get_state"):
            state = inner.get_state()
            try:
                return np.array(state, dtype=np.float64)
            except (TypeError, ValueError) as error:
                raise WorkFailed(gave(self.spec.task, "get_state", state)) from error

    def set_state(self, state: NDArray[np.float64]) -> None:
        """Return the simulator to a saved state, which stays as it is (needs `can_restore`).

        Raises:
            WorkFailed: The environment failed.
        """
        inner: Any = self.env.unwrapped
        with running(self.spec.task, "set_state"):
            # Copied: an environment may go on in the very array that it was given.
            inner.set_state(np.array(state))

    def snapshot(self) -> Snapshot:
        """Where the episode is now, to come back to (needs `can_restore`)."""
        limit = self._time_limit()
        elapsed = None if limit is None else limit._elapsed_steps
        return Snapshot(self.get_state(), self.raw_observation, elapsed)

    def restore(self, snapshot: Snapshot) -> Observation:
        """Come back; time limit and observation are those of then.

        What the environment draws at random goes on from where it was.
        """
        self.set_state(snapshot.state)
        self.raw_observation = snapshot.raw_observation
        limit = self._time_limit()
        if limit is not None:
            limit._elapsed_steps = snapshot.elapsed
        return self._flatten(self.raw_observation)

    def stop_time(self) -> None:
        """The next step does not count towards the time limit."""
        limit = self._time_limit()
        if limit is not None and limit._elapsed_steps is not None:
            limit._elapsed_steps -= 1

    def _time_limit(self) -> Any:
        """The wrapper that counts the steps (None: there is none)."""
        env: Any = self.env
        while isinstance(env, gym.Wrapper):
            if isinstance(env, gym.wrappers.TimeLimit):
                return env
            env = env.env
        return None

    def close(self) -> None:
        """Free the simulator."""
        self.env.close()

    def _why_not_finite(self) -> str:
        for name, value in self._flatten(self.raw_observation).items():
            if not np.isfinite(value).all():
                return f"the task's {name} before it is not; mend the task, or the sensor behind it"
        return "look at the weights of the policy, and train it again"

    def _success(self, info: dict[str, Any]) -> bool:
        for key in ("is_success", "success"):
            said = info.get(key)
            # None and NaN are no judgement, and NaN would count as true.
            if said is not None and not bool(np.all(said != said)):
                self.judges_success = True
                return bool(said)
        return False

    def _flatten(self, raw: Any) -> Observation:
        flat = dict(walk(raw))
        observation = {}
        for source, feature in zip(self._sources, self.spec.observations, strict=True):
            try:
                if feature.is_image and np.asarray(flat[source]).dtype.kind not in "ui":
                    raise WorkFailed(
                        f"task '{self.spec.task}' gives '{source}' as "
                        f"{np.asarray(flat[source]).dtype}; pictures are uint8, from 0 to 255"
                    )
                # Copied: an environment may hand out the array that its next step changes.
                value = np.array(flat[source], dtype=feature.dtype)
                observation[feature.name] = value.reshape(feature.shape)
            except (KeyError, TypeError, ValueError) as error:
                raise WorkFailed(misfit(self.spec.task, source, feature.shape, flat)) from error
        return observation
