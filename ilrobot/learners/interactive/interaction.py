"""What the methods that ask an expert have in common, with recordings that stay in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ilrobot.actors import Actor
from ilrobot.data.episode import Episode, EpisodeInfo, MemoryRecorder
from ilrobot.data.memory import MemoryRecordings
from ilrobot.errors import UserError
from ilrobot.gates.gate import Gate
from ilrobot.learners.fitting import Fit
from ilrobot.policies.combined import PolicySequence
from ilrobot.rollout import rollout
from ilrobot.shared_control import SharedControl
from ilrobot.task_env import TaskEnv


@dataclass(frozen=True)
class Interaction:
    """A world, an expert that can be asked anywhere, and a way to learn from what it says.

    Attributes:
        env: The world.
        expert: A script, or a stronger policy; it is asked at every step.
        fit: Makes a policy of recordings, see `ilrobot.learners.fitting`.
        episodes: Episodes of each round.
        seed: Of the first episode; each further one has the next.

    Raises:
        UserError: There is less than one episode, or the expert is a person.
    """

    env: TaskEnv
    expert: Actor
    fit: Fit
    episodes: int
    seed: int = 0

    def __post_init__(self) -> None:
        if self.episodes < 1:
            raise UserError(f"a round must have at least 1 episode, not {self.episodes}")
        if self.expert.attends:
            raise UserError(
                "this method asks for a label at every step, which no person can give; take a "
                "scripted expert or a stronger policy"
            )

    def seeds(self, number: int) -> range:
        """Those of a round, counted from 1."""
        first = self.seed + (number - 1) * self.episodes
        return range(first, first + self.episodes)

    def record(self, actor: Actor, number: int, max_steps: int | None = None) -> list[Episode]:
        """The episodes of a round under an actor, cut off after `max_steps`.

        Without, they are in a task that has no time limit after that of whatever nobody watches.
        """
        max_steps = self.env.unattended_limit if max_steps is None else max_steps
        recorder = MemoryRecorder(self.env.spec)
        for seed in self.seeds(number):
            info = EpisodeInfo(self.env.spec.task, self.env.spec.rate, seed=seed)
            rollout(self.env, actor, seed=seed, recorder=recorder, info=info, max_steps=max_steps)
        return recorder.episodes

    def shared(self, novice: Actor, gate: Gate) -> SharedControl:
        """What was learnt so far and the expert, under a gate."""
        return SharedControl(novice, self.expert, gate)

    def recordings(self, episodes: Sequence[Episode]) -> MemoryRecordings:
        """Episodes as a learner reads them."""
        return MemoryRecordings(self.env.spec, episodes)


#: A novice for the rounds in which nobody but the expert acts.
NOBODY = PolicySequence(())
