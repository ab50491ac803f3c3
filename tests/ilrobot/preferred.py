"""Recordings whose true reward is known, and answers about them."""

from __future__ import annotations

import numpy as np

from ilrobot.data.comparisons import Compared, Comparison
from ilrobot.data.episode import Episode, EpisodeInfo, Outcome
from ilrobot.data.memory import MemoryRecordings
from ilrobot.learners.finetuning.judges import ScriptedJudge
from ilrobot.spec import Feature, Spec

SPEC = Spec(
    observations=(Feature("observation.state", (2,)),), action=Feature("action", (1,)), rate=10.0
)


def true_reward(seen: np.ndarray, done: np.ndarray) -> np.ndarray:
    return np.tanh(2 * seen[:, 0]) - 0.5 * seen[:, 1] ** 2 - 0.5 * np.abs(done[:, 0])


def wandering(episodes: int = 60, ticks: int = 15, seed: int = 0) -> MemoryRecordings:
    rng = np.random.default_rng(seed)
    made = []
    for number in range(episodes):
        seen = rng.normal(size=2) + 0.5 * rng.normal(size=(ticks, 2))
        done = rng.normal(size=(ticks, 1))
        columns = {
            "observation.state": seen.astype(np.float32),
            "action": done.astype(np.float32),
            "next.reward": true_reward(seen, done).astype(np.float32),
        }
        outcome = Outcome.SUCCESS if number % 2 else Outcome.FAILURE
        made.append(Episode(EpisodeInfo("wander", 10.0, outcome=outcome), columns))
    return MemoryRecordings(SPEC, made)


def answers(
    data: MemoryRecordings, count: int, error_rate: float = 0.0, ticks: int | None = None
) -> list[Comparison]:
    judge = ScriptedJudge("return", data, error_rate, seed=3)
    compared = Compared("memory", data.num_episodes, "", ticks, seed=1)
    given = []
    for number in range(count):
        left, right = compared.pair(data, number)
        given.append(Comparison(left, right, judge.judge(left, right, number), "return"))
    return given


def rank_correlation(one: np.ndarray, other: np.ndarray) -> float:
    ranks = [np.argsort(np.argsort(values)) for values in (one, other)]
    return float(np.corrcoef(*ranks)[0, 1])
