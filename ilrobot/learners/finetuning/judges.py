"""Judges that are programs: for tests, and to know what answers would be worth."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ilrobot.data.comparisons import Answer, Clip, Compared, Comparison, Comparisons
from ilrobot.data.episode import Outcome
from ilrobot.data.recordings import Recordings, lives
from ilrobot.errors import UserError

JudgeName = Literal["return", "success"]

_UNJUDGED = frozenset({Outcome.UNKNOWN, Outcome.UNFINISHED})


class ScriptedJudge:
    """Likes the clip of the greater return better, or the one of the episode that succeeded.

    Args:
        name: By what it judges.
        recordings: What the clips are of.
        error_rate: Share of the answers that it draws, left or right, in [0, 1].
        seed: Of these draws; an answer depends on its number alone.

    Raises:
        UserError: The recordings do not say what it judges by.
    """

    def __init__(
        self, name: JudgeName, recordings: Recordings, error_rate: float = 0.0, seed: int = 0
    ) -> None:
        if not 0 <= error_rate <= 1:
            raise UserError(f"--error-rate must be within 0 and 1, not {error_rate}")
        self.name = name
        self._error_rate, self._seed = error_rate, seed
        self._starts = recordings.starts
        self._worth = _rewards(recordings) if name == "return" else _successes(recordings)

    def judge(self, left: Clip, right: Clip, number: int) -> Answer:
        """Its answer to comparison `number`."""
        rng = np.random.default_rng([self._seed, number, 1])
        if rng.random() < self._error_rate:
            return Answer.LEFT if rng.random() < 0.5 else Answer.RIGHT
        one, other = self._of(left), self._of(right)
        if one == other:
            return Answer.EQUAL
        return Answer.LEFT if one > other else Answer.RIGHT

    def _of(self, clip: Clip) -> float:
        if self.name == "success":
            return float(self._worth[clip.episode])
        start = int(self._starts[clip.episode])
        return float(self._worth[start + clip.begin : start + clip.end].sum())


def answer_all(
    comparisons: Comparisons, recordings: Recordings, judge: ScriptedJudge, count: int
) -> None:
    """Let a judge answer until there are `count` answers."""
    compared: Compared = comparisons.compared
    for number in range(len(comparisons.answers), count):
        left, right = compared.pair(recordings, number)
        answer = judge.judge(left, right, number)
        comparisons.append(Comparison(left, right, answer, judge.name))


def _rewards(recordings: Recordings) -> NDArray[np.float64]:
    if not recordings.has_column("next.reward"):
        raise UserError(f"{recordings.path}: has no rewards; judge it by hand or by success")
    rewards = recordings.column("next.reward").reshape(-1).astype(np.float64)
    if not np.isfinite(rewards).all():
        raise UserError(
            f"{recordings.path}: some of its rewards are not finite; judge it by hand or by success"
        )
    left = np.asarray(np.where(lives(recordings), rewards, 0.0))
    # The same at each step still tells a short episode from a long one.
    returns = np.add.reduceat(left, recordings.starts[:-1])
    if np.ptp(rewards) == 0 and np.ptp(returns) == 0:
        raise UserError(
            f"{recordings.path}: its rewards are all the same, and so are the sums of its "
            "episodes; judge it by hand or by success"
        )
    return left


def _successes(recordings: Recordings) -> NDArray[np.float64]:
    outcomes = [info.outcome for info in recordings.infos]
    if any(outcome in _UNJUDGED for outcome in outcomes):
        raise UserError(
            f"{recordings.path}: nobody judged all of its episodes; judge by hand or by return"
        )
    succeeded = np.array([outcome is Outcome.SUCCESS for outcome in outcomes])
    compared = succeeded[[outcome is not Outcome.DISCARDED for outcome in outcomes]]
    if compared.all() or not compared.any():
        share = "all" if compared.all() else "none"
        raise UserError(
            f"{recordings.path}: {share} of its episodes succeeded, so that no one is better than "
            "another; judge by hand or by return"
        )
    return succeeded.astype(np.float64)
