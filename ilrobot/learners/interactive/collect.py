"""A round of collection: the novice tries under a gate, the expert corrects it, all is recorded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from ilrobot.actors import Actor
from ilrobot.data.dataset import Dataset, DatasetRecorder
from ilrobot.data.episode import UNCOUNTED, EpisodeInfo, Recorder
from ilrobot.env import TaskEnv
from ilrobot.rollout import EpisodeResult


class Cast(Protocol):
    """Who acts in a round and where; picklable where several processes share the episodes.

    Each process has a world of its own and asks for the actor of a round once. What an episode is
    must depend on the round and on its seed alone, never on the episodes that ran before it.
    """

    def make_env(self) -> TaskEnv:
        """The world, alike in every process."""

    def prepare(self, number: int, dataset: Dataset, policy_run: Path) -> None:
        """Fit and write what the gate of a round needs, before any of its episodes.

        It is called by one process, and again when a round that was cut off goes on, whose first
        episodes the dataset may hold by then: what was written the first time must stay.

        Args:
            number: Of the round, from 1.
            dataset: All that was recorded so far.
            policy_run: Run of the policy that acts in this round.
        """

    def share_control(self, env: TaskEnv, policy_run: Path, number: int) -> Actor:
        """Novice and expert under the gate of a round.

        Args:
            env: The world that this process runs its episodes in.
            policy_run: Run of the policy that acts.
            number: Of the round, from 1.
        """


class RunEpisode(Protocol):
    """Runs one recorded episode; `ilrobot.rollout.rollout`, or that in front of a person."""

    def __call__(
        self, env: TaskEnv, actor: Actor, *, seed: int, recorder: Recorder, info: EpisodeInfo
    ) -> EpisodeResult:
        """Run it from `seed`."""


def collect(
    path: Path,
    env: TaskEnv,
    actor: Actor,
    *,
    seeds: range,
    kept: set[int],
    info: EpisodeInfo,
    run_episode: RunEpisode,
    on_kept: Callable[[int], None],
) -> None:
    """Record an episode that counts for each seed that has none yet.

    An attempt that the person discards is kept and made again.

    Args:
        path: The dataset.
        env: The world.
        actor: Who acts in it.
        seeds: Of the round's episodes.
        kept: Those of them that have an episode.
        info: What each episode shall know about itself; its seed is filled in.
        run_episode: Runs each episode.
        on_kept: Called with the number of episodes kept, first before any is run.
    """
    on_kept(len(kept))
    with DatasetRecorder(path, env.spec, state_size=env.state_size, resume=True) as recorder:
        for seed in seeds:
            while seed not in kept:
                known = replace(info, seed=seed)
                result = run_episode(env, actor, seed=seed, recorder=recorder, info=known)
                if result.outcome not in UNCOUNTED:
                    kept.add(seed)
                    on_kept(len(kept))
