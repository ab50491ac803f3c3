"""Training for a time: the steps that fit are chosen once, and are the run's from then on."""

import time
from dataclasses import replace

import numpy as np
import pytest

from ilrobot.errors import UserError
from ilrobot.learners import behavioral_cloning, time_budget
from ilrobot.learners.behavioral_cloning import train
from ilrobot.learners.config import TrainConfig
from ilrobot.learners.fitting import fit_policy
from ilrobot.learners.time_budget import fitting_steps
from ilrobot.policies.config import PolicyConfig
from ilrobot.policies.policy import Policy
from ilrobot.run import Run
from tests.ilrobot.policy_tester import CONTINUOUS, assert_same_weights, recordings

POLICY = PolicyConfig(width=16, blocks=1)
TRAIN = TrainConfig(batch_size=16, patience=0, held_out=0.2, device="cpu", time_budget=2.0)


@pytest.fixture(scope="module", autouse=True)
def _warm(tmp_path_factory):
    """What torch does at the first step of a process takes longer than all steps of a test."""
    once = replace(TRAIN, steps=1, time_budget=None)
    train(recordings(CONTINUOUS), POLICY, once, tmp_path_factory.mktemp("warm") / "run")


def test_steps_and_their_validations_fit_into_the_time():
    config = TrainConfig(validate_every=250)
    for left in (3.0, 30.0, 300.0):
        steps = fitting_steps(left, 0.01, 0.1, config.validate_every)
        every = config.with_steps(steps).validate_every
        assert 0.95 * left < 0.01 * steps + 0.1 * (steps / every) <= left
    assert fitting_steps(0.5, 0.01, 0.1, 250) < 0


def test_a_run_with_a_time_budget_is_the_run_of_so_many_steps(tmp_path):
    data = recordings(CONTINUOUS)
    timed = train(data, POLICY, TRAIN, tmp_path / "timed")
    made = Run.read(tmp_path / "timed").description
    steps = made.config.train.steps
    assert made.result.steps == steps >= 10
    assert made.config.train == TRAIN.with_steps(steps)
    counted = replace(TRAIN, time_budget=None).with_steps(steps)
    assert_same_weights(timed, train(data, POLICY, counted, tmp_path / "counted"))


class Stop(Exception):
    pass


def test_a_run_that_goes_on_keeps_the_steps_that_it_chose(tmp_path, monkeypatch):
    data, chosen = recordings(CONTINUOUS), iter([120, 999])
    monkeypatch.setattr(
        behavioral_cloning,
        "within_budget",
        lambda policy, windows, held_out, config, teacher, spent: config.with_steps(next(chosen)),
    )
    often = replace(TRAIN, checkpoint_seconds=1e-9)

    def stop(progress):
        if progress.step == 50:
            raise Stop

    with pytest.raises(Stop):
        train(data, POLICY, often, tmp_path / "cut", resume=True, on_progress=stop)
    cut = train(data, POLICY, TRAIN, tmp_path / "cut", resume=True)
    counted = replace(TRAIN, time_budget=None).with_steps(120)
    assert_same_weights(cut, train(data, POLICY, counted, tmp_path / "counted"))
    with pytest.raises(UserError, match=r"begun with time budget 2\.0, not 7"):
        train(data, POLICY, replace(TRAIN, time_budget=7.0), tmp_path / "cut", resume=True)


def test_what_a_head_is_fitted_to_before_the_first_step_is_part_of_the_time(tmp_path, monkeypatch):
    slow, left = 0.25, []

    def fit(policy, windows, began=Policy.fit_normalizers):
        time.sleep(slow)
        began(policy, windows)

    def steps_within(seconds, *rest):
        left.append(seconds)
        return 10

    monkeypatch.setattr(Policy, "fit_normalizers", fit)
    monkeypatch.setattr(time_budget, "fitting_steps", steps_within)
    train(recordings(CONTINUOUS), POLICY, TRAIN, tmp_path / "run")
    fit_policy(recordings(CONTINUOUS), POLICY, TRAIN)
    assert len(left) == 2
    # Measuring itself takes as long again as it is told to, twice.
    most = TRAIN.time_budget - slow - 2 * time_budget._SHARE * TRAIN.time_budget
    assert max(left) <= most


def test_a_time_too_short_for_any_training_is_told_and_writes_nothing(tmp_path):
    tiny = replace(TRAIN, time_budget=1e-6)
    with pytest.raises(UserError, match=r"1e-06 s has room for 0 steps of .* usual \S+ steps"):
        train(recordings(CONTINUOUS), POLICY, tiny, tmp_path / "run")
    assert not (tmp_path / "run").exists()
    with pytest.raises(UserError, match="--time-budget must be finite and positive"):
        train(recordings(CONTINUOUS), POLICY, replace(TRAIN, time_budget=np.nan), tmp_path / "run")


def test_a_policy_that_is_kept_nowhere_is_fitted_within_the_time_too():
    policy = fit_policy(recordings(CONTINUOUS), POLICY, TRAIN)
    assert not policy.training
