"""How RAFT explores, when a beginning was tried enough, and which attempts from there are kept."""

import numpy as np
import pytest

from ilrobot.data.episode import Outcome
from ilrobot.errors import UserError
from ilrobot.learners.finetuning.best_attempts import best_attempts
from ilrobot.learners.finetuning.exploring import ExploringActor
from ilrobot.learners.finetuning.raft import RaftConfig
from ilrobot.learners.finetuning.tries import is_tried
from tests.ilrobot.policy_tester import CONTINUOUS, DISCRETE
from tests.still import Still


def test_of_each_beginning_the_best_is_kept():
    unjudged = [Outcome.UNKNOWN] * 5
    assert best_attempts([7, 7, 8, 8, 9], unjudged, [1, 2, 4, 3, 0]) == [1, 2, 4]
    unknown = float("nan")
    assert best_attempts([7, 7, 8, 8, 9], unjudged, [unknown, 2, 4, unknown, unknown]) == [1, 2]


def test_where_anybody_judges_only_successes_are_kept():
    outcomes = [Outcome.SUCCESS, Outcome.SUCCESS, Outcome.FAILURE, Outcome.TIMEOUT]
    assert best_attempts([7, 7, 7, 8], outcomes, [1.0, 2.0, 9.0, 9.0]) == [1]
    assert best_attempts([7, 8], [Outcome.FAILURE, Outcome.TIMEOUT], [1.0, 2.0]) == []


def test_beginnings_are_counted_through_the_rounds():
    config = RaftConfig(rounds=2, episodes=3)
    assert [config.round_of(number) for number in range(7)] == [1, 1, 1, 2, 2, 2, 3]


def test_a_success_or_all_tries_are_enough():
    failed, done = Outcome.FAILURE, Outcome.SUCCESS
    assert [is_tried([failed] * made, 2) for made in range(4)] == [False, False, True, True]
    assert is_tried([done], 2)
    assert is_tried([failed, done], 3)


def test_exploration_wanders_as_far_as_was_asked():
    actor = ExploringActor(Still(2), CONTINUOUS, np.array([0.5, 0.0]))
    actor.reset(0)
    drawn = np.array([actor.act({}, 0.0).action for _ in range(5_000)])
    assert drawn[:, 0].std() == pytest.approx(0.5, rel=0.2)
    assert not drawn[:, 1].any()
    lag = round(CONTINUOUS.rate * 0.5)
    together = np.corrcoef(drawn[:-lag, 0], drawn[lag:, 0])[0, 1]
    assert together == pytest.approx(np.exp(-1), abs=0.15)


def test_exploration_is_drawn_anew_for_each_attempt_and_alike_for_the_same():
    actor = ExploringActor(Still(2), CONTINUOUS, np.ones(2))

    def first(seed: int, attempt: int) -> list[float]:
        actor.of_attempt(attempt).reset(seed)
        return actor.act({}, 0.0).action.tolist()

    assert first(1, 0) == first(1, 0)
    assert len({tuple(first(seed, number)) for seed in (1, 2) for number in (0, 1)}) == 4


def test_choices_cannot_be_disturbed():
    with pytest.raises(UserError, match="are choices"):
        ExploringActor(Still(2), DISCRETE, np.ones(1))
