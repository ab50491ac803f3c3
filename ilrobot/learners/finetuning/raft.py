"""Rejection sampling: try, keep the best, clone them with the demonstrations; again.

RAFT, Dong et al. 2023, "RAFT: Reward rAnked FineTuning for generative foundation model alignment",
algorithm 1: from each beginning several attempts are drawn, of which the one of the greatest reward
is learnt. It only rolls out and clones, so that every kind of policy can be improved by it. Where
the task is judged, the first success from a beginning is the last attempt from there: further
beginnings teach more than a second way of doing the same.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
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
from ilrobot.data.labels import LABEL_COLUMNS, vector_spec
from ilrobot.data.memory import MemoryRecordings, Recordings
from ilrobot.errors import WorkFailed
from ilrobot.learners.behavioral_cloning import train
from ilrobot.learners.config import TrainConfig
from ilrobot.learners.finetuning.tries import Beginning, Trying, attempts_of, is_tried
from ilrobot.policies.loading import load_policy
from ilrobot.policies.policy import Policy
from ilrobot.ranges import AT_LEAST_1, NOT_NEGATIVE, check_ranges
from ilrobot.rollout import EpisodeResult
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
        tries: Attempts from each, at most; one success is enough.
        exploration: Noise on the actions of all but the first of these, as a share of half their
            range in the demonstrations; what a policy draws itself comes on top.
        seed: Of the first beginning; the next ones count up from it.
    """

    rounds: int = 3
    episodes: int = 100
    tries: int = 3
    exploration: float = 0.02
    seed: int = 0

    def check(self) -> None:
        """Refuse what is out of range.

        Raises:
            UserError: The first thing found, as its option of the command line.
        """
        check_ranges(self, _RANGES)

    def round_of(self, beginning: int) -> int:
        """The round of a beginning that is counted from 0, from 1."""
        return beginning // self.episodes + 1


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
    """An `ilrobot.learners.online.OnlineLearner` whose steps are beginnings.

    All of it lies on disk: the attempts as a dataset, and the run of each round's cloning. So it
    goes on wherever it was killed, in the middle of a round or of its cloning as well. The last
    beginning of a round counts once the round is cloned.

    Args:
        folder: Of the run.
        begun: The policy to begin with.
        demonstrations: They stay among what is learnt.
        make: Makes the task; picklable where several processes share the attempts.
        config: How much of everything.
        fit: How the rounds are cloned.
        workers: Processes that share the attempts of a round.

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
        *,
        workers: int = 1,
    ) -> None:
        config.check()
        begun.config.check_to_train(begun.spec)
        self.policy = begun
        self._folder, self._demonstrations, self._make = folder, demonstrations, make
        self._config, self._fit, self._workers = config, fit, workers
        self._trying: Generator[list[EpisodeResult], None, None] | None = None
        self._loss = 0.0
        tried = self._tried()
        self._made = sum(self._is_tried(attempts) for attempts in tried)
        self._done = self._made - self._is_to_clone()
        if cloned := self._done // config.episodes:
            self.policy = load_policy(self._round(cloned))
            self._loss = _last_loss(self._round(cloned))

    @property
    def steps(self) -> int:
        """Beginnings so far."""
        return self._done

    def improve(self) -> dict[str, float]:
        """The attempts from one beginning; the last one of a round is followed by the cloning.

        Returns:
            ``return``, ``length`` and ``success`` of the first attempt, in which the policy acts as
            it is; how many ``tries`` were made, and their environment steps, ``tried``.
        """
        told: dict[str, float] = {}
        # They were made already where the cloning after them was cut off.
        if self._made == self._done:
            if self._trying is None:
                self._trying = self._begin()
            results = next(self._trying)
            self._made += 1
            first = results[0]
            told = {
                "return": first.total_reward,
                "length": float(first.length),
                "tries": float(len(results)),
                "tried": float(sum(result.length for result in results)),
            }
            if first.outcome is not Outcome.UNKNOWN:
                told["success"] = float(first.success)
        if (self._done + 1) % self._config.episodes == 0:
            told["kept"] = float(self._clone(self._config.round_of(self._done)))
        self._done += 1
        return {"loss": self._loss, **told}

    def state(self) -> dict[str, Any]:
        """See `OnlineLearner`; all but the number of beginnings lies on disk."""
        return {"beginnings": self.steps}

    def load_state(self, state: dict[str, Any]) -> None:
        """See `OnlineLearner`: what is on disk counts, of which a kill may have left more."""
        if self.steps < int(state["beginnings"]):
            raise ValueError("there are fewer attempts than there were")

    def leave(self, folder: Path) -> None:
        """See `OnlineLearner`."""
        self.close()

    def close(self) -> None:
        """Seal what is open, end the processes, and free the simulator."""
        if self._trying is not None:
            self._trying.close()
        self._trying = None

    def _begin(self) -> Generator[list[EpisodeResult], None, None]:
        """What is left of the attempts of a round."""
        config, tried = self._config, self._tried()
        last = config.round_of(self._done) * config.episodes
        # Of the first one there may be attempts already.
        made = [len(attempts) for attempts in tried[self._done :]] or [0]
        left = [Beginning(config.seed + number) for number in range(self._done, last)]
        left[0] = Beginning(left[0].seed, made[0])
        trying = Trying(self._make, self.policy, config.exploration, config.tries)
        return attempts_of(trying, left, self._folder / ATTEMPTED, workers=self._workers)

    def _round(self, number: int) -> Path:
        """Run of the cloning of a round, counted from 1."""
        return self._folder / f"round-{number}"

    def _is_to_clone(self) -> bool:
        """Whether the attempts end with a round that is not cloned yet."""
        number, more = divmod(self._made, self._config.episodes)
        if number == 0 or more:
            return False
        run = self._round(number)
        return not ((run / RUN_FILE).exists() and Run.read(run).done)

    def _is_tried(self, attempts: Sequence[tuple[int, EpisodeInfo]]) -> bool:
        return is_tried([info.outcome for _, info in attempts], self._config.tries)

    def _tried(self) -> list[list[tuple[int, EpisodeInfo]]]:
        """Of each beginning the attempts that count: index in their dataset, and description."""
        folder = self._folder / ATTEMPTED
        if not count_sealed(folder)[0]:  # the first one may have been cut off
            return []
        found: dict[int, list[tuple[int, EpisodeInfo]]] = {}
        for index, info in enumerate(Dataset.open(folder).infos):
            if info.outcome not in UNCOUNTED:
                assert info.seed is not None
                found.setdefault(info.seed, []).append((index, info))
        return [found[seed] for seed in sorted(found)]

    def _clone(self, number: int) -> int:
        """Clone the best of all rounds up to this one, or read what was; how many were kept."""
        self.close()
        taught, kept = self._lessons(number)
        output = self._round(number)
        if not kept:
            made = sum(len(attempts) for attempts in self._tried())
            raise WorkFailed(
                f"none of {made} attempts succeeded, so that nothing can be learnt from them; "
                "begin with a better policy, or give more --tries or another --exploration, into "
                "another --output"
            )
        self.policy = train(taught, self.policy.config, self._fit, output, resume=True).eval()
        self._loss = _last_loss(output)
        return kept

    def _lessons(self, number: int) -> tuple[Recordings, int]:
        """Demonstrations and the best attempts, and how many these are."""
        data = Dataset.open(self._folder / ATTEMPTED)
        tried = self._tried()[: number * self._config.episodes]
        chosen = [(begin, *attempt) for begin, made in enumerate(tried) for attempt in made]
        episodes = [data.episode(index) for _, index, _ in chosen]
        best = best_attempts(
            [begin for begin, _, _ in chosen],
            [info.outcome for _, _, info in chosen],
            [float(episode.columns["next.reward"].sum()) for episode in episodes],
        )
        spec = vector_spec(self._demonstrations.spec)
        names = [*spec.observation_names, "action"]
        names += [n for n in LABEL_COLUMNS if self._demonstrations.has_column(n)]
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
