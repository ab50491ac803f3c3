"""Flows and the minimal policy against what is known in closed form."""

import numpy as np
import pytest
import torch

from ilrobot.policies.heads.flow import FlowHead
from ilrobot.policies.heads.iterated import TIME_STEPS
from ilrobot.policies.heads.mip import SECOND_TIME, MipHead
from ilrobot.policies.networks.mlp import ResidualMLP
from ilrobot.policies.networks.network import Sizes
from tests.exhaustive import thinned
from tests.ilrobot.learning.known_heads import known, noise_for


def velocity(mean, std):
    """E[a - ε | x_t] where ε is N(0, 1) and a is N(μ, σ²); the time is counted in steps."""

    def velocity(sample, time):
        t = (time / TIME_STEPS)[:, None, None].to(sample.dtype)
        variance = (1 - t) ** 2 + (t * std) ** 2
        return mean + (t * std**2 - (1 - t)) / variance * (sample - t * mean)

    return velocity


def test_the_flow_carries_noise_to_where_the_exact_velocity_does():
    """x₁ = μ + σ x₀, which Euler's method reaches with an error of O(1 / steps)."""
    mean, std, errors = 0.4, 0.3, []
    for steps in (50, 100, 400):
        head = known(FlowHead, velocity(mean, std), shape=(2, 2), sample_steps=steps)
        noise = noise_for(head, 200)
        chunk = head(torch.zeros(200, 0), noise)
        errors.append((chunk - (mean + std * noise)).abs().max().item())
    assert errors[2] < 0.01
    assert errors[0] / errors[1] == pytest.approx(2, rel=0.1)


def test_the_loss_of_the_exact_velocity_is_what_cannot_be_known():
    """Var(a - ε | x_t) = σ² / ((1-t)² + t² σ²) for Gaussians, here its mean over t."""
    torch.manual_seed(0)
    mean, std, count = 0.4, 0.5, 40_000
    head = known(FlowHead, velocity(mean, std), shape=(1, 1), sample_steps=10)
    actions = mean + std * torch.randn(count, 1, 1)
    loss = head.loss(torch.zeros(count, 0), actions, torch.ones(count, 1, dtype=torch.bool))
    t = (np.arange(10_000) + 0.5) / 10_000
    least = np.mean(std**2 / ((1 - t) ** 2 + (t * std) ** 2))
    assert loss.mean().item() == pytest.approx(least, rel=0.03)


@pytest.mark.parametrize("prediction", ["velocity", "sample", "preconditioned"])
def test_whatever_a_flow_predicts_its_best_prediction_means_the_same_chunk(prediction):
    """What the loss asks for, told by the network, gives back the very chunk at every step."""
    torch.manual_seed(0)
    actions, noise = torch.randn(1, 4, 2), torch.randn(1, 4, 2)
    head = FlowHead(
        lambda size: ResidualMLP(Sizes(size, 4, 2, 2), width=8, blocks=1, dropout=0.0),
        condition=0,
        shape=(4, 2),
        sample_steps=7,
        prediction=prediction,
    )
    for step, t in enumerate(head.times / TIME_STEPS):
        _, tables = head.begin(torch.zeros(1, 0), noise)
        head.predict = lambda *_, t=t: head._wanted(actions, noise, t)
        sample = torch.lerp(noise, actions, t)
        clean = head.clean((sample,), tuple(table[step] for table in tables), torch.zeros(1, 0))
        torch.testing.assert_close(clean, actions)


def test_the_scale_of_the_noise_is_that_of_what_a_flow_begins_with():
    head = known(FlowHead, velocity(0.4, 0.3), shape=(2, 2), sample_steps=5)
    scaled = known(FlowHead, velocity(0.4, 0.3), shape=(2, 2), sample_steps=5, noise_scale=0.5)
    noise = noise_for(head, 10)
    condition = torch.zeros(10, 0)
    torch.testing.assert_close(scaled(condition, noise), head(condition, 0.5 * noise))


@pytest.mark.parametrize("prediction", thinned(["velocity", "preconditioned"], ["preconditioned"]))
def test_a_flow_that_is_trained_learns_a_known_transport(prediction):
    torch.manual_seed(0)
    mean, std = 0.3, 0.25
    head = FlowHead(
        lambda size: ResidualMLP(Sizes(size, 1, 1, 1), width=32, blocks=1, dropout=0.0),
        condition=0,
        shape=(1, 1),
        sample_steps=50,
        prediction=prediction,
    )
    optimizer = torch.optim.Adam(head.parameters(), 3e-3)
    nothing, mask = torch.zeros(256, 0), torch.ones(256, 1, dtype=torch.bool)
    for step in range(500):
        optimizer.param_groups[0]["lr"] = 3e-3 * (1 - step / 500)
        optimizer.zero_grad()
        head.loss(nothing, mean + std * torch.randn(256, 1, 1), mask).mean().backward()
        optimizer.step()
    noise = torch.linspace(-2, 2, 41)[:, None, None]
    with torch.no_grad():
        chunk = head(torch.zeros(41, 0), noise)
    torch.testing.assert_close(chunk, mean + std * noise, rtol=0, atol=0.08)


def test_the_minimal_policy_mends_what_it_first_gave():
    """f(x, t) = 0.5 + 0.25 x at t = 0 and 1 + x at t*; others would be seen in the result."""

    def function(sample, time):
        first = time[:, None, None].abs() < 1e-3
        second = (time[:, None, None] - TIME_STEPS * SECOND_TIME).abs() < 1e-3
        assert (first | second).all()
        return torch.where(first, 0.5 + 0.25 * sample, 1 + sample).float()

    head = known(MipHead, function, shape=(2, 1))
    assert head.noise_shape is None
    assert head(torch.zeros(3, 0)).tolist() == [[[1.5], [1.5]]] * 3

    torch.manual_seed(0)
    count, label = 20_000, 0.2
    mask = torch.ones(count, 2, dtype=torch.bool)
    loss = head.loss(torch.zeros(count, 0), torch.full((count, 2, 1), label), mask)
    # |1 + a + 0.1 ε - a|² has the mean 1.01.
    paper = (0.5 - label) ** 2 / 0.9**2 + 1.01 / 0.1**2
    assert loss.mean().item() == pytest.approx(0.1**2 * paper, rel=0.01)
