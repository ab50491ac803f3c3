"""An expert that reads the environment's own observation, as an `Actor`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ilrobot.actors import Action, Actor, Decision, Observation, Scripted, Source
from ilrobot.task_env import TaskEnv


class ScriptedActor(Actor):
    """A scripted expert of `sims` as an `Actor`; it reads the environment's own observation."""

    def __init__(self, expert: Scripted, env: TaskEnv, source: Source = Source.DEMO) -> None:
        self._expert, self._env, self._source = expert, env, source
        self._seed: int | None = None

    def reset(self, seed: int | None = None) -> None:
        """Begin a new episode."""
        self._seed = seed
        self._expert.reset(seed)

    def rewind(self, past: Sequence[Observation], executed: Action | None) -> None:
        """Plan anew from what there is, with the draws of the same seed."""
        self._expert.reset(self._seed)

    def act(self, observation: Observation, now: float) -> Decision:
        """The expert's action at the environment's present state."""
        raw = self._expert.act(self._env.raw_observation)
        feature = self._env.spec.action
        action = np.asarray(raw, dtype=feature.dtype).reshape(feature.shape)
        return Decision(action, self._source, human_action=action)
