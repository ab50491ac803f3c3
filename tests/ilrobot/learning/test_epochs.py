"""Training for so many passes over the windows: fewer steps where there is less to learn."""

from dataclasses import replace

import pytest

from ilrobot.data.windows import Windows
from ilrobot.errors import UserError
from ilrobot.learners import config as learning
from ilrobot.learners.behavioral_cloning import train
from ilrobot.learners.config import LEAST_STEPS, PRESETS, TrainConfig
from ilrobot.learners.fitting import fit_policy
from ilrobot.learners.split import split_windows
from ilrobot.learners.training import Training
from ilrobot.policies.config import PolicyConfig
from ilrobot.run import Run
from tests.ilrobot.policy_tester import CONTINUOUS, assert_same_weights, recordings

POLICY = PolicyConfig(width=16, blocks=1)
TRAIN = TrainConfig(steps=500, batch_size=16, patience=0, held_out=0.2, device="cpu", epochs=3.0)


def test_steps_are_the_passes_over_the_windows_within_two_bounds():
    config = TrainConfig(steps=40_000, batch_size=256, epochs=100.0)
    assert config.for_windows(25_600).steps == 10_000
    assert config.for_windows(25_601).steps == 10_001
    assert config.for_windows(10).steps == LEAST_STEPS
    assert config.for_windows(10**7).steps == 40_000
    assert replace(config, steps=200).for_windows(25_600).steps == 200


def test_so_many_steps_asked_for_are_so_many_whatever_the_preset_says():
    for _, training in PRESETS.values():
        assert training.with_steps(12_345).for_windows(100).steps == 12_345


def test_epochs_below_0_are_refused():
    with pytest.raises(UserError, match="--epochs"):
        replace(TRAIN, epochs=-1.0).check()


def test_a_run_of_epochs_is_the_run_of_as_many_steps(tmp_path, monkeypatch):
    monkeypatch.setattr(learning, "LEAST_STEPS", 5)
    data = recordings(CONTINUOUS)
    by_epochs = train(data, POLICY, TRAIN, tmp_path / "epochs")
    made = Run.read(tmp_path / "epochs").description
    assert made.config.train == TRAIN
    whole = len(Windows(data, n_obs=1, horizon=1))
    assert 5 < made.result.steps < 3 * whole / 16 < 500
    counted = train(data, POLICY, TRAIN.with_steps(made.result.steps), tmp_path / "steps")
    assert_same_weights(by_epochs, counted)


def test_a_fit_in_memory_takes_as_long(monkeypatch):
    monkeypatch.setattr(learning, "LEAST_STEPS", 5)
    counted = []
    advance = Training.advance
    monkeypatch.setattr(Training, "advance", lambda self: counted.append(1) or advance(self))
    data = recordings(CONTINUOUS)
    fit_policy(data, POLICY, TRAIN)
    windows = len(split_windows(data, POLICY, TRAIN)[0])
    assert len(counted) == TRAIN.for_windows(windows).steps < TRAIN.steps


def test_more_recordings_take_more_steps(tmp_path, monkeypatch):
    monkeypatch.setattr(learning, "LEAST_STEPS", 5)
    steps = []
    for episodes in (5, 10):
        run = tmp_path / str(episodes)
        train(recordings(CONTINUOUS, episodes=episodes), POLICY, TRAIN, run)
        steps.append(Run.read(run).description.result.steps)
    assert steps[1] > 1.5 * steps[0]
