"""Rejection sampling: try, keep the best, clone them with the demonstrations; again.

RAFT, Dong et al. 2023, "RAFT: Reward rAnked FineTuning for generative foundation model alignment",
algorithm 1: from each beginning several attempts are drawn, of which the one of the greatest reward
is learnt. It only rolls out and clones, so that every kind of policy can be improved by it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ilrobot.actors import Source
from ilrobot.data.branches import DISCARDED
from ilrobot.data.dataset import Dataset
from ilrobot.data.episode import UNCOUNTED, Episode, EpisodeInfo, Outcome
from ilrobot.data.episode_table import count_sealed
from ilrobot.data.labels import vector_spec
from ilrobot.data.memory import MemoryRecordings, Recordings
from ilrobot.data.recorder import DatasetRecorder
from ilrobot.errors import WorkFailed
from ilrobot.learners.behavioral_cloning import train
from ilrobot.learners.config import TrainConfig
from ilrobot.learners.finetuning.exploring import ExploringActor
from ilrobot.policies.loading import load_policy
from ilrobot.policies.policy import Policy
from ilrobot.ranges import AT_LEAST_1, NOT_NEGATIVE, check_ranges
from ilrobot.rollout import EpisodeResult, rollout
from ilrobot.run import RUN_FILE, Run
from ilrobot.run_description import TrainDescription
from ilrobot.task_env import TaskEnv

#: All attempts of a run, in the order in which they were made.
ATTEMPTED = "attempts"


_RANGES = {
    "rounds": AT_LEAST_1,
    "episodes": AT_LEAST_1,
    "tries": AT_LEAST_1,
    "exploration": NOT_NEGATIVE,
}


@dataclass(frozen=True)
class RaftConfig:
    """How much of everything.

    Attributes:
        rounds: Of trying and cloning.
        episodes: Beginnings in each round, from seeds of their own.
        tries: Attempts from each.
        exploration: Noise on the actions, as a share of half their range in the demonstrations;
            what a policy draws itself comes on top.
        seed: Of the first beginning; the next ones count up from it.
    """

    rounds: int = 5
    episodes: int = 25
    tries: int = 4
    exploration: float = 0.02
    seed: int = 0

    def check(self) -> None:
        """Refuse what is out of range.

        Raises:
            UserError: The first thing found, as its option of the command line.
        """
        check_ranges(self, _RANGES)

    @property
    def attempts(self) -> int:
        """Attempts in a round."""
        return self.episodes * self.tries

    def place(self, attempt: int) -> tuple[int, int]:
        """Seed of the beginning of an attempt, counted from 0 over all rounds, and which try."""
        return self.seed + attempt // self.tries, attempt % self.tries


def best_attempts(
    beginnings: Sequence[int], outcomes: Sequence[Outcome], returns: Sequence[float]
) -> list[int]:
    """Which attempts are learnt from: of each beginning the one of the greatest return.

    Where anybody judges, only successes are; a beginning without one teaches nothing.

    Args:
        beginnings: What each attempt began from.
        outcomes: How it ended.
        returns: Sum of its rewards.

    Returns:
        Their indices, ascending.
    """
    judged = any(outcome is not Outcome.UNKNOWN for outcome in outcomes)
    best: dict[int, int] = {}
    for index, (begin, outcome, value) in enumerate(
        zip(beginnings, outcomes, returns, strict=True)
    ):
        if judged and outcome is not Outcome.SUCCESS:
            continue
        if begin not in best or value > returns[best[begin]]:
            best[begin] = index
    return sorted(best.values())


class RaftLearner:
    """An `ilrobot.learners.online.OnlineLearner` whose steps are attempts.

    All of it lies on disk: the attempts as a dataset, and the run of each round's cloning. So it
    goes on wherever it was killed, in the middle of a round or of its cloning as well. The last
    attempt of a round counts once the round is cloned.

    Args:
        folder: Of the run.
        begun: The policy to begin with; each cloning goes on with the weights of the one before.
        demonstrations: They stay among what is learnt.
        make: Makes the task.
        config: How much of everything.
        fit: How the rounds are cloned.

    Raises:
        UserError: A setting is out of range, the actions are choices, or such a policy is not
            cloned.
    """

    def __init__(
        self,
        folder: Path,
        begun: Policy,
        demonstrations: Dataset,
        make: Callable[[], TaskEnv],
        config: RaftConfig,
        fit: TrainConfig,
    ) -> None:
        config.check()
        begun.config.check_to_train(begun.spec)
        self.policy = begun
        self._folder, self._demonstrations, self._make = folder, demonstrations, make
        self._config, self._fit = config, fit
        self._env: TaskEnv | None = None
        self._recorder: DatasetRecorder | None = None
        self._actor: ExploringActor | None = None
        self._loss = 0.0
        self._made = len(self._attempts())
        self._done = self._made - self._is_to_clone()
        if cloned := self._done // config.attempts:
            self.policy = load_policy(self._round(cloned))
            self._loss = _last_loss(self._round(cloned))

    @property
    def steps(self) -> int:
        """Attempts so far."""
        return self._done

    def improve(self) -> dict[str, float]:
        """One attempt; the last one of a round is followed by the cloning."""
        number, place = divmod(self._done, self._config.attempts)
        told: dict[str, float] = {}
        # It was made already where the cloning after it was cut off.
        if self._made == self._done:
            if self._actor is None:
                self._begin()
            result = self._try(self._done)
            self._made += 1
            told = {
                "return": result.total_reward,
                "length": float(result.length),
            }
            if self._env is not None and self._env.judges_success:
                told["success"] = float(result.success)
        if place + 1 == self._config.attempts:
            told["kept"] = float(self._clone(number + 1))
        self._done += 1
        return {"loss": self._loss, **told}

    def state(self) -> dict[str, Any]:
        """See `OnlineLearner`; all but the number of attempts lies on disk."""
        return {"attempts": self.steps}

    def load_state(self, state: dict[str, Any]) -> None:
        """See `OnlineLearner`: what is on disk counts, of which a kill may have left more."""
        if self.steps < int(state["attempts"]):
            raise ValueError("there are fewer attempts than there were")

    def leave(self, folder: Path) -> None:
        """See `OnlineLearner`."""
        self.close()

    def close(self) -> None:
        """Seal what is open, and free the simulator."""
        if self._recorder is not None:
            self._recorder.close()
        if self._env is not None:
            self._env.close()
        self._recorder = self._env = self._actor = None

    def _begin(self) -> None:
        """Open what the attempts of a round need."""
        env = self._env or self._make()
        self._env = env
        low, high = self.policy.training_range["action"]
        std = self._config.exploration * (high - low) / 2
        self._actor = ExploringActor(self.policy.actor(), env.spec, std)
        if self._recorder is None:
            self._recorder = DatasetRecorder(
                self._folder / ATTEMPTED, env.spec, state_size=env.state_size, resume=True
            )

    def _try(self, attempt: int) -> EpisodeResult:
        assert self._env is not None
        assert self._actor is not None
        seed, number = self._config.place(attempt)
        info = EpisodeInfo(task=self._env.spec.task, rate=self._env.spec.rate, seed=seed)
        actor = self._actor.of_attempt(number)
        return rollout(self._env, actor, seed=seed, recorder=self._recorder, info=info)

    def _round(self, number: int) -> Path:
        """Run of the cloning of a round, counted from 1."""
        return self._folder / f"round-{number}"

    def _is_to_clone(self) -> bool:
        """Whether the attempts end with a round that is not cloned yet."""
        number, more = divmod(self._made, self._config.attempts)
        if number == 0 or more:
            return False
        run = self._round(number)
        return not ((run / RUN_FILE).exists() and Run.read(run).done)

    def _attempts(self) -> list[int]:
        """Indices of the attempts in their dataset that count."""
        folder = self._folder / ATTEMPTED
        if not count_sealed(folder)[0]:  # the first one may have been cut off
            return []
        infos = Dataset.open(folder).infos
        return [i for i, info in enumerate(infos) if info.outcome not in UNCOUNTED]

    def _clone(self, number: int) -> int:
        """Clone the best of all rounds up to this one, or read what was; how many were kept."""
        self.close()
        taught, kept = self._lessons(number)
        output, before = self._round(number), self.policy
        if not kept:
            raise WorkFailed(
                f"none of {number * self._config.attempts} attempts succeeded, so that nothing can "
                "be learnt from them; begin with a better policy, or give more --tries or another "
                "--exploration, into another --output"
            )
        self.policy = train(
            taught, before.config, self._fit, output, resume=True, initial=before
        ).eval()
        self._loss = _last_loss(output)
        return kept

    def _lessons(self, number: int) -> tuple[Recordings, int]:
        """Demonstrations and the best attempts, and how many these are."""
        data = Dataset.open(self._folder / ATTEMPTED)
        chosen = self._attempts()[: number * self._config.attempts]
        episodes = [data.episode(index) for index in chosen]
        best = best_attempts(
            [self._config.place(attempt)[0] for attempt in range(len(chosen))],
            [episode.info.outcome for episode in episodes],
            [float(episode.columns["next.reward"].sum()) for episode in episodes],
        )
        spec = vector_spec(self._demonstrations.spec)
        names = [*spec.observation_names, "action"]
        names += [n for n in _HELPFUL if self._demonstrations.has_column(n)]
        count = self._demonstrations.num_episodes
        shown = [self._demonstrations.episode(index) for index in range(count)]
        lessons = [Episode(e.info, {n: e.columns[n] for n in names}) for e in shown]
        lessons += [_as_demonstration(episodes[index], names) for index in best]
        return MemoryRecordings(spec, lessons, str(self._demonstrations.path)), len(best)


def _as_demonstration(episode: Episode, names: Sequence[str]) -> Episode:
    nothing_undone = {DISCARDED: np.zeros(len(episode), dtype=bool)}
    known: dict[str, NDArray[Any]] = {**nothing_undone, **episode.columns}
    columns = {name: known[name] for name in names}
    if "control.source" in columns:
        columns["control.source"] = np.full(len(episode), Source.DEMO.value, dtype=object)
    return Episode(replace(episode.info, outcome=Outcome.SUCCESS), columns)


def _last_loss(run: Path) -> float:
    result = Run.read_as(run, TrainDescription).description.result
    return 0.0 if result is None or result.loss is None else result.loss


#: Of a recording, what says which of its frames teach and what.
_HELPFUL = ("control.source", "control.human_action", "intervention", DISCARDED)
