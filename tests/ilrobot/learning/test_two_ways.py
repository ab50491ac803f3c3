"""Where two ways are right, which heads keep them apart, and which have one answer."""

from dataclasses import replace
from typing import get_args

import pytest
import torch

from ilrobot.learners.behavioral_cloning import train
from ilrobot.learners.config import TrainConfig
from ilrobot.policies.config import HeadName, PolicyConfig
from ilrobot.policies.heads import residual_vq
from tests.exhaustive import thinned
from tests.ilrobot.policy_tester import two_ways

BASE = PolicyConfig(horizon=2, width=64, prediction="sample", flow_prediction="preconditioned")
TRAINING = TrainConfig(
    steps=300,
    batch_size=128,
    warmup=20,
    learning_rate=2e-3,
    held_out=0.0,
    patience=0,
    device="cpu",
)
#: What draws a way, and the CVAE with a divergence that weighs so little that its latent is used.
DRAWING = {
    "mixture": replace(BASE, head="mixture"),
    "bins": replace(BASE, head="bins"),
    "vq": replace(BASE, head="vq"),
    "cvae, drawn": replace(BASE, head="cvae", latent="drawn", kl_weight=0.01),
    "diffusion": replace(BASE, head="diffusion"),
    "flow": replace(BASE, head="flow", noise_scale=1.0),
    "flow of the velocity": replace(BASE, head="flow", flow_prediction="velocity", noise_scale=1.0),
}
#: What has one answer, which is the mean of both.
AVERAGING = ("mse", "huber", "log-cosh", "gaussian")
#: What has one answer, which may be anything from one way to the other: any of it is a median.
UNDECIDED = ("l1", "cvae", "mip")


@pytest.mark.parametrize("name", thinned(DRAWING, ["mixture", "cvae, drawn", "diffusion"]))
def test_a_head_that_draws_keeps_both_ways(name, tmp_path, monkeypatch):
    monkeypatch.setattr(residual_vq, "_STEPS", 100)  # two codes are soon found
    chunks = _chunks(DRAWING[name], tmp_path)
    assert ((chunks.abs() - 1).abs() < 0.25).float().mean() > 0.6
    assert 0.3 < (chunks[:, 0] > 0).float().mean() < 0.7
    assert ((chunks[:, 0] > 0) == (chunks[:, 1] > 0)).float().mean() > 0.9


@pytest.mark.parametrize("head", thinned([*AVERAGING, *UNDECIDED], ["mse", "cvae", "mip"]))
def test_a_head_that_regresses_has_one_answer(head, tmp_path):
    chunks = _chunks(replace(BASE, head=head), tmp_path)
    assert chunks.std(dim=0).max() < 1e-6
    assert chunks.abs().max() < (0.4 if head in AVERAGING else 1.1)


def test_every_head_of_continuous_actions_is_in_one_of_the_three():
    drawing = {config.head for config in DRAWING.values()}
    assert drawing | {*AVERAGING, *UNDECIDED} == {*get_args(HeadName)} - {"cross-entropy"}


def _chunks(config, folder):
    """What it would do 400 times at one observation, shape (400, 2)."""
    policy = train(two_ways(), config, TRAINING, folder / "run")
    observations = {"observation.state": torch.full((400, 1, 1), 0.2)}
    generator = torch.Generator().manual_seed(0)
    noise = None
    if policy.noise_shape is not None:
        noise = torch.randn(400, *policy.noise_shape, generator=generator)
    with torch.no_grad():
        return policy(observations, noise)[..., 0]
