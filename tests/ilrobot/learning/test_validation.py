"""What is measured on held-out windows: the error of sampled chunks, and checkpoints to choose."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ilrobot.comparison import group
from ilrobot.contenders import Contender
from ilrobot.data.windows import Windows
from ilrobot.learners.behavioral_cloning import train
from ilrobot.learners.config import TrainConfig
from ilrobot.learners.validation import sampling_error
from ilrobot.policies.config import PolicyConfig
from ilrobot.policies.loading import load_policy
from ilrobot.policies.policy import Policy
from tests.ilrobot.policy_tester import CONTINUOUS, DISCRETE, assert_same_weights, recordings

SMALL = PolicyConfig(n_obs=2, horizon=4, execute=2, width=16, blocks=1, sampler_steps=3)
TRAIN = TrainConfig(
    steps=30,
    batch_size=16,
    warmup=2,
    ema=0.9,
    validate_every=10,
    held_out=0.2,
    patience=0,
    device="cpu",
)


class Constant(Policy):
    """Always does the same, in physical units."""

    def forward(self, observations, noise=None):
        assert noise is None
        count = len(next(iter(observations.values())))
        return torch.full((count, self.config.horizon, 2), 0.5)


def test_the_sampling_error_is_the_root_mean_square_in_shares_of_the_range():
    spec = replace(CONTINUOUS, action=replace(CONTINUOUS.action, low=(-1.0, -2.0), high=(1.0, 2.0)))
    data = recordings(spec, episodes=2, length=5)
    windows = Windows(data, n_obs=2, horizon=4)
    error = sampling_error(Constant(spec, SMALL), windows)
    scaled = (0.5 - data.column("action").reshape(2, 5, 2)) / [2.0, 4.0]
    chunks = [scaled[e, t : t + 4] for e in range(2) for t in range(5)]
    assert error == pytest.approx(np.sqrt(np.concatenate(chunks).__pow__(2).mean()), rel=1e-5)


def test_whole_turns_of_an_angle_are_no_error():
    action = replace(CONTINUOUS.action, units=("rad", "m"), low=None, high=None)
    spec = replace(CONTINUOUS, action=action)
    data = recordings(spec)
    policy = Constant(spec, SMALL)
    policy.fit_normalizers(Windows(data, n_obs=2, horizon=4))

    def error():
        return sampling_error(policy, Windows(data, n_obs=2, horizon=4))

    before = error()
    actions = data.column("action")
    turns = 2 * np.pi * (np.arange(len(actions)) % 3 - 1)
    actions[:, 0] += turns
    assert error() == pytest.approx(before, rel=1e-4)
    actions[:, 1] += turns
    assert error() > 2 * before


@pytest.mark.parametrize("head", ["mse", "diffusion", "cross-entropy"])
def test_it_is_the_same_at_every_call_and_leaves_no_trace(head):
    spec = DISCRETE if head == "cross-entropy" else CONTINUOUS
    windows = Windows(recordings(spec), n_obs=2, horizon=4)
    policy = Policy(spec, replace(SMALL, head=head))
    policy.fit_normalizers(windows)
    policy.train()
    before = torch.get_rng_state()
    first, second = sampling_error(policy, windows), sampling_error(policy, windows)
    assert first == second
    assert 0 < first < 2
    assert policy.training
    assert torch.equal(torch.get_rng_state(), before)


def test_it_falls_as_a_policy_learns_and_is_logged(tmp_path):
    config = replace(TRAIN, steps=600, validate_every=100, learning_rate=3e-3)
    one = replace(SMALL, horizon=1, execute=1)
    train(recordings(CONTINUOUS, episodes=20), one, config, tmp_path / "run")
    lines = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    errors = [json.loads(line)["sampling_error"] for line in lines]
    assert errors[0] is None
    assert errors[-1] < 0.7 * errors[1]


@pytest.mark.parametrize("count", [1, 3, 30])
def test_kept_checkpoints_are_the_policies_that_would_have_been_the_result(count, tmp_path):
    config = replace(TRAIN, keep_checkpoints=count)
    policy = train(recordings(CONTINUOUS), SMALL, config, tmp_path / "run")
    files = list((tmp_path / "run" / "checkpoints").iterdir())
    steps = sorted(int(file.stem.removeprefix("step-")) for file in files)
    assert steps == [30 * (part + 1) // count for part in range(count)]
    kept = [load_policy(tmp_path / "run" / "checkpoints" / f"step-{step}.pt") for step in steps]
    assert_same_weights(kept[-1], policy)
    plain = train(recordings(CONTINUOUS), SMALL, TRAIN, tmp_path / "plain")
    assert_same_weights(plain, policy)
    if count > 1:
        assert not torch.equal(next(kept[0].parameters()), next(policy.parameters()))


def test_kept_checkpoints_of_several_seeds_compare_as_one_method(tmp_path):
    runs = [tmp_path / f"run-{seed}" for seed in range(2)]
    for seed, run in enumerate(runs):
        config = replace(TRAIN, keep_checkpoints=2, seed=seed)
        train(recordings(CONTINUOUS), SMALL, config, run)

    def read(*places: Path) -> list[Contender]:
        return [Contender.read(path) for path in places]

    half = read(*(run / "checkpoints" / "step-15.pt" for run in runs))
    groups = group([*half, *read(*runs)])
    assert {name: len(found) for name, found in groups.items()} == {"mse, step-15": 2, "mse": 2}
    assert half[0].policies[0].folder == runs[0] / "checkpoints" / "step-15.pt"
