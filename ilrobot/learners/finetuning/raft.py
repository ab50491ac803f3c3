"""Rejection sampling: try, keep the best, clone them with the demonstrations; again.

RAFT, Dong et al. 2023, "RAFT: Reward rAnked FineTuning for generative foundation model alignment",
algorithm 1: from each beginning several attempts are drawn, of which the one of the greatest reward
is learnt. It only rolls out and clones, so that every kind of policy can be improved by it. Where
the task is judged, the first success from a beginning is the last attempt from there: further
beginnings teach more than a second way of doing the same.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ilrobot.data.dataset import Dataset
from ilrobot.data.episode import UNCOUNTED, EpisodeInfo, Outcome
from ilrobot.data.episode_table import count_sealed
from ilrobot.errors import WorkFailed
from ilrobot.learners.behavioral_cloning import train
from ilrobot.learners.config import TrainConfig
from ilrobot.learners.finetuning.best_attempts import lessons
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
        self._left: deque[Beginning] = deque()
        self._loss: dict[str, float] = {}  # of the newest cloning
        tried = self._tried()
        whole, more = divmod(len(tried), config.episodes)
        cut_off = bool(tried) and not self._is_tried(tried[-1])  # others failed, with fewer tries
        if not more and self._is_cloned(whole):
            cut_off = False
        self._made = len(tried) - cut_off
        self._done = self._made - self._is_to_clone()
        cloned = self._cloned(self._done // config.episodes)
        if cloned is not None:
            self.policy = load_policy(cloned)
            self._loss = _last_loss(cloned)

    @property
    def steps(self) -> int:
        """Beginnings so far."""
        return self._done

    def improve(self) -> dict[str, float]:
        """The attempts from one beginning; the last one of a round is followed by the cloning.

        Where more tries are given on the way, those beginnings of the round under way that had no
        success are tried on first, which counts no further ones.

        Returns:
            ``return``, ``length`` and ``success`` of the first attempt, in which the policy acts as
            it is; how many ``tries`` were made, and their environment steps, ``tried``. After a
            round how many attempts were ``kept``, and how many of these are ``new``.
        """
        if self._trying is None:
            self._begin()
        told = None
        if self._left:
            assert self._trying is not None
            begin, results = self._left.popleft(), next(self._trying)
            lengths, first = [result.length for result in results], results[0]
            if begin.seed < self._config.seed + self._made:
                return {**self._loss, **_told(lengths)}
            self._made += 1
            if not begin.made:
                told = _told(lengths, first.total_reward, first.outcome)
        told = self._told_of_last() if told is None else told
        if self._made % self._config.episodes == 0:
            told |= self._clone(self._config.round_of(self._done))
        self._done += 1
        return {**self._loss, **told}

    def state(self) -> dict[str, Any]:
        """See `OnlineLearner`; all but the number of beginnings lies on disk."""
        return {"beginnings": self.steps}

    def load_state(self, state: dict[str, Any]) -> None:
        """See `OnlineLearner`: what is on disk counts, of which a kill may have left more."""
        if len(self._tried()) < int(state["beginnings"]):
            raise ValueError("there are fewer attempts than there were")

    def leave(self, folder: Path) -> None:
        """See `OnlineLearner`."""
        self.close()

    def close(self) -> None:
        """Seal what is open, end the processes, and free the simulator."""
        if self._trying is not None:
            self._trying.close()
        self._trying = None
        self._left.clear()

    def without_news(self) -> list[int]:
        """Rounds in which nothing new succeeded, so that the policy stayed as it was."""
        rounds = range(1, self._done // self._config.episodes + 1)
        return [number for number in rounds if not self._has_news(number)]

    def _begin(self) -> None:
        """Begin what is left of the attempts of a round, if anything is."""
        config, tried = self._config, self._tried()
        last = config.round_of(self._done) * config.episodes
        for number in range(last - config.episodes, last):
            made = tried[number] if number < len(tried) else []
            if not self._is_tried(made):
                self._left.append(Beginning(config.seed + number, len(made)))
        if self._left:
            trying = Trying(self._make, self.policy, config.exploration, config.tries)
            where = self._folder / ATTEMPTED
            self._trying = attempts_of(trying, list(self._left), where, workers=self._workers)

    def _round(self, number: int) -> Path:
        """Run of the cloning of a round, counted from 1."""
        return self._folder / f"round-{number}"

    def _cloned(self, number: int) -> Path | None:
        """Run of the newest cloning up to that round's (None: nothing was cloned yet)."""
        rounds = range(number, 0, -1)
        return next((self._round(earlier) for earlier in rounds if self._is_cloned(earlier)), None)

    def _is_cloned(self, number: int) -> bool:
        run = self._round(number)
        return (run / RUN_FILE).exists() and Run.read(run).done

    def _has_news(self, number: int) -> bool:
        """Whether a round brought something to learn: a success, where anybody judges."""
        tried = self._tried()[: number * self._config.episodes]
        outcomes = [info.outcome for attempts in tried for _, info in attempts]
        new = {i.outcome for made in tried[-self._config.episodes :] for _, i in made}
        return Outcome.SUCCESS in new or set(outcomes) <= {Outcome.UNKNOWN}

    def _is_to_clone(self) -> bool:
        """Whether the attempts end with a round that is not cloned yet."""
        number, more = divmod(self._made, self._config.episodes)
        if number == 0 or more:
            return False
        if self._cloned(number) is None:
            return True
        return not self._is_cloned(number) and self._has_news(number)

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

    def _told_of_last(self) -> dict[str, float]:
        """What is reported of a beginning of which a run that was cut off made attempts."""
        attempts, made = Dataset.open(self._folder / ATTEMPTED), self._tried()[self._done]
        played = [attempts.episode(index) for index, _ in made]
        total_reward = float(played[0].columns["next.reward"].sum())
        return _told([len(episode) for episode in played], total_reward, played[0].info.outcome)

    def _clone(self, number: int) -> dict[str, float]:
        """Clone the best of all rounds up to this one, or read what was; what to report of it."""
        self.close()
        attempts = Dataset.open(self._folder / ATTEMPTED)
        tried = self._tried()[: number * self._config.episodes]
        taught, kept = lessons(self._demonstrations, attempts, tried)
        if not kept:
            made = sum(len(attempts) for attempts in tried)
            if {info.outcome for of in tried for _, info in of} <= {Outcome.UNKNOWN}:
                raise WorkFailed(
                    f"nobody judged the {made} attempts, and none has rewards that are all finite "
                    "numbers; mend the task, or take one that judges"
                )
            raise WorkFailed(
                f"none of {made} attempts succeeded, so that nothing can be learnt from them; give "
                "more --tries with --resume, or begin with a better policy, into another --output"
            )
        new = sum(begin >= (number - 1) * self._config.episodes for begin in kept)
        if new:
            output = self._round(number)
            self.policy = train(taught, self.policy.config, self._fit, output, resume=True).eval()
            self._loss = _last_loss(output)
        return {"kept": float(len(kept)), "new": float(new)}


def _told(
    lengths: Sequence[int], total_reward: float | None = None, outcome: Outcome = Outcome.UNKNOWN
) -> dict[str, float]:
    """What to report of attempts from a beginning.

    Args:
        lengths: Of the attempts.
        total_reward: Of the first one (None: none of them is the policy's as it is).
        outcome: Of the first one.
    """
    told = {"tries": float(len(lengths)), "tried": float(sum(lengths))}
    if total_reward is None:
        return told
    told = {"return": total_reward, "length": float(lengths[0]), **told}
    if outcome is not Outcome.UNKNOWN:
        told["success"] = float(outcome is Outcome.SUCCESS)
    return told


def _last_loss(run: Path) -> dict[str, float]:
    result = Run.read_as(run, TrainDescription).description.result
    return {} if result is None or result.loss is None else {"loss": result.loss}
