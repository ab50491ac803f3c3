"""What a policy does, recorded: the data of a run that was begun without any."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from ilrobot.actors import Decision, Observation, Source, WrappedActor
from ilrobot.data.dataset import Dataset
from ilrobot.data.recorder import DatasetRecorder
from ilrobot.policies.policy import Policy
from ilrobot.rollout import rollout
from ilrobot.task_env import TaskEnv

#: Enough to know where a policy comes.
EPISODES = 5


def record_attempts(
    policy: Policy,
    folder: Path,
    make: Callable[[], TaskEnv],
    *,
    seed: int,
    episodes: int = EPISODES,
) -> Dataset:
    """Record a policy as one that demonstrates, into a new dataset.

    What a kill left behind there is made anew.

    Args:
        policy: Acts.
        folder: Of the dataset, inside of a run.
        make: Makes the task.
        seed: Of the first episode; the next ones count up from it.
        episodes: How many.

    Raises:
        UserError: The folder cannot be written.
        WorkFailed: The disk is full.
    """
    shutil.rmtree(folder, ignore_errors=True)
    env = make()
    try:
        with DatasetRecorder(folder, env.spec, state_size=env.state_size) as recorder:
            for number in range(episodes):
                rollout(
                    env,
                    _Shown(policy.actor()),
                    seed=seed + number,
                    recorder=recorder,
                    max_steps=env.unattended_limit,
                )
    finally:
        env.close()
    return Dataset.open(folder)


class _Shown(WrappedActor):
    """An actor whose actions are to be read as demonstrations."""

    def act(self, observation: Observation, now: float) -> Decision:
        """See `Actor`."""
        return replace(self._actor.act(observation, now), source=Source.DEMO)
