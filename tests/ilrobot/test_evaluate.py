"""Evaluation: the intervals against published values, and independence of the worker count."""

import os
import signal
import subprocess
import sys
from dataclasses import replace
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from ilrobot.actors import Actor, Decision, Source
from ilrobot.env import make_env
from ilrobot.evaluate import Evaluation, evaluate
from ilrobot.intervals import t_interval, wilson_interval
from ilrobot.task_env import TaskEnv
from tests.exhaustive import thinned


class Swing(Actor):
    """Pushes the pole towards the side to which it falls; needs nothing but the observation."""

    def act(self, observation, now):
        state = observation["observation.state"]
        return Decision(np.array(int(state[2] > 0)), Source.POLICY)


def _cartpole() -> tuple[TaskEnv, Actor]:
    return make_env("CartPole-v1"), Swing()


@pytest.mark.parametrize(
    ("successes", "episodes", "low", "high"),
    [
        # Newcombe 1998, "Two-sided confidence intervals for the single proportion", table I.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_interval_matches_published_values(successes, episodes, low, high):
    assert wilson_interval(successes, episodes) == pytest.approx((low, high), abs=1e-4)


def test_wilson_interval_stays_within_zero_and_one():
    assert wilson_interval(20, 20)[1] == 1.0
    with pytest.raises(ValueError, match="no proportion"):
        wilson_interval(3, 2)


@pytest.mark.parametrize("count", [2, 4, 30])
def test_as_many_intervals_hold_the_mean_as_they_promise(count):
    """Of few episodes, too: by the normal distribution it would be 70 % of two."""
    drawn = np.random.default_rng(0).normal(size=(4_000, count))
    bounds = np.array([t_interval(values) for values in drawn])
    held = (bounds[:, 0] <= 0) & (bounds[:, 1] >= 0)
    assert held.mean() == pytest.approx(0.95, abs=0.01)


def test_one_value_has_no_interval():
    with pytest.raises(ValueError, match="two values or more, not 1"):
        t_interval([0.5])


def test_an_evaluation_does_not_depend_on_the_number_of_workers():
    seeds = list(range(6))
    alone = evaluate(_cartpole, seeds)
    together = evaluate(_cartpole, seeds, workers=2)
    assert alone == together
    assert len({result.length for result in alone.results}) > 1


def test_one_episode_has_no_interval_of_its_reward():
    (result,) = evaluate(_cartpole, [0]).results
    assert Evaluation((result,)).to_json()["max_reward_interval"] is None
    both = Evaluation((result, replace(result, max_reward=result.max_reward + 2.0)))
    assert both.max_reward_interval == pytest.approx(t_interval([1.0, 3.0]))
    low, high = both.max_reward_interval
    assert high - low == pytest.approx(2 * 12.706)


def test_an_environment_without_a_time_limit_still_ends():
    def setup():
        env = make_env("CartPole-v1")
        env.env = env.env.unwrapped
        env.env.spec.max_episode_steps = None
        return env, Swing()

    result: Evaluation = evaluate(setup, [0])
    assert result.results[0].length <= 1000


def test_progress_is_told_for_every_episode():
    seen = []
    evaluate(partial(_cartpole), [3, 4], on_episode=lambda result: seen.append(result.seed))
    assert seen == [3, 4]


@pytest.mark.parametrize(
    ("number", "to_group"),
    thinned(
        product([signal.SIGINT, signal.SIGTERM, signal.SIGKILL], [False, True]),
        [(signal.SIGINT, True), (signal.SIGKILL, False)],
    ),
)
def test_an_evaluation_that_is_stopped_leaves_no_worker(number, to_group):
    """Each worker holds the pipe that is read here, so its end is the end of all of them."""
    child = Path(__file__).with_name("evaluation_child.py")
    process = subprocess.Popen(
        [sys.executable, str(child)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        start_new_session=True,
    )
    assert process.stdout is not None
    for _ in range(2):
        assert process.stdout.readline() == "acting\n"
    (os.killpg if to_group else os.kill)(process.pid, number)
    assert process.communicate(timeout=30) == ("", None)  # an episode takes minutes
    assert process.returncode != 0


def test_where_nobody_judges_there_is_no_rate_of_success():
    evaluation = evaluate(_cartpole, [0, 1])
    assert not evaluation.judged
    assert evaluation.to_json()["success_rate"] is None
