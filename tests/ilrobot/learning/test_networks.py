"""What networks make of the history: its order, and what follows it."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional

from ilrobot.data.episode import Episode, EpisodeInfo, Outcome
from ilrobot.data.memory import MemoryRecordings
from ilrobot.learners.behavioral_cloning import train
from ilrobot.learners.config import TrainConfig
from ilrobot.policies.config import PolicyConfig
from ilrobot.policies.networks.network import Sizes
from ilrobot.policies.networks.time_major import norm_mish
from ilrobot.policies.networks.transformer import Transformer
from ilrobot.policies.networks.twins import TwinPerceptrons
from ilrobot.spec import Feature, Spec

SIZES = Sizes(condition=3 * 4 + 5, horizon=6, sample=2, output=7, history=3, extra=5)


def transformer(sizes=SIZES):
    torch.manual_seed(0)
    return Transformer(sizes, width=16, layers=2, attention_heads=4, dropout=0.0).eval()


def test_a_condition_is_the_history_and_what_follows_it():
    condition = torch.arange(2 * 17).reshape(2, 17)
    history, extra = SIZES.split(condition)
    assert history.shape == (2, 3, 4)
    assert history[1, 2].tolist() == [25, 26, 27, 28]
    assert extra[1].tolist() == [29, 30, 31, 32, 33]
    history, extra = Sizes(condition=17, horizon=6, sample=0, output=7).split(condition)
    assert history.shape == (2, 1, 17)
    assert extra is None


def test_every_input_and_every_weight_matters():
    network = transformer()
    condition, sample = torch.randn(2, 17), torch.randn(2, 6, 2)
    condition.requires_grad_()
    sample.requires_grad_()
    chunk = network(condition, sample)
    assert chunk.shape == (2, 6, 7)
    leaves = [condition, sample, *network.parameters()]
    gradients = torch.autograd.grad(chunk.square().sum(), leaves)
    assert all(bool(gradient.any()) for gradient in gradients)
    assert bool((gradients[0] != 0).all())
    assert bool((gradients[1] != 0).all())
    turned = torch.cat([condition[:, 4:12], condition[:, :4], condition[:, 12:]], dim=1)
    assert (network(turned, sample) - chunk).abs().max() > 1e-3


def test_a_transformers_ticks_see_each_other_and_are_told_apart():
    network = transformer()
    condition, sample = torch.randn(1, 17), torch.zeros(1, 6, 2, requires_grad=True)
    chunk = network(condition, sample)
    assert (chunk[0, 1:] - chunk[0, :-1]).abs().amax(dim=1).min() > 1e-4
    for tick in (0, 5):
        (seen,) = torch.autograd.grad(chunk[0, tick].sum(), sample, retain_graph=True)
        assert bool((seen != 0).all())


@pytest.mark.parametrize("network", ["transformer", "rnn"])
def test_what_was_seen_some_ticks_ago_is_learnt(network, tmp_path):
    """The action is the oldest observation of the history, which nothing else tells."""
    rng = np.random.default_rng(0)
    spec = Spec((Feature("x", (1,)),), Feature("action", (1,)), 10.0)
    info = EpisodeInfo("", 10.0, outcome=Outcome.SUCCESS)
    episodes = []
    for _ in range(40):
        x = rng.uniform(-1, 1, (30, 1)).astype(np.float32)
        action = np.concatenate([x[:1].repeat(3, axis=0), x[:-3]])
        episodes.append(Episode(info, {"x": x, "action": action}))
    config = PolicyConfig(network=network, n_obs=4, width=32, layers=1, blocks=1)
    training = TrainConfig(
        steps=400, batch_size=64, warmup=20, learning_rate=5e-3, held_out=0.0, device="cpu"
    )
    policy = train(MemoryRecordings(spec, episodes), config, training, tmp_path / "run")
    history = rng.uniform(-1, 1, (200, 4, 1)).astype(np.float32)
    with torch.no_grad():
        wanted = policy({"x": torch.from_numpy(history)})[:, 0].numpy()
    assert np.abs(wanted - history[:, 0]).mean() < 0.1


def test_a_run_from_before_these_networks_is_read():
    config = PolicyConfig()
    old = {k: v for k, v in config.to_json().items() if k not in ("layers", "attention_heads")}
    assert PolicyConfig.from_json(old) == config


def test_a_run_from_before_flows_could_be_set_has_the_plain_one():
    config = replace(PolicyConfig(head="flow"), flow_prediction="velocity", noise_scale=1.0)
    told = config.to_json()
    old = {k: v for k, v in told.items() if k not in ("flow_prediction", "noise_scale")}
    assert PolicyConfig.from_json(old) == config


@pytest.mark.parametrize(("precision", "tolerance"), [("highest", 1e-5), ("medium", 0.02)])
def test_twins_are_two_perceptrons_whatever_their_products_are_rounded_to(precision, tolerance):
    torch.manual_seed(0)
    twins = TwinPerceptrons(5, (32, 64))
    x = torch.randn(16, 5, requires_grad=True)
    weights = list(twins.parameters())

    def apart(number):
        y = x
        for layer, (weight, bias) in enumerate(zip(twins.weights, twins.biases, strict=True)):
            y = (y.relu() if layer else y) @ weight[number] + bias[number]
        return y[:, 0]

    wanted = torch.stack([apart(0), apart(1)])
    slopes = torch.autograd.grad(wanted.sum(), [x, *weights])
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(precision)
    try:
        found = twins(x)
        first = twins.first(x)
        found_slopes = torch.autograd.grad(found.sum(), [x, *weights])
    finally:
        torch.set_float32_matmul_precision(before)
    assert found.dtype == torch.float32
    assert (found - wanted).norm() < tolerance * wanted.norm()
    assert (first - wanted[0]).norm() < tolerance * wanted[0].norm()
    for slope, exact in zip(found_slopes, slopes, strict=True):
        assert (slope - exact).norm() < tolerance * exact.norm()


def test_normalised_twins_do_not_care_how_large_a_hidden_layer_is():
    torch.manual_seed(0)
    twins = TwinPerceptrons(5, (32, 64), normalize=True)
    x = torch.randn(16, 5)
    before = twins(x).detach()
    with torch.no_grad():
        for part in (twins.weights[1], twins.biases[1]):
            part.mul_(100.0)
    torch.testing.assert_close(twins(x).detach(), before, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("offset", [0.0, 300.0])
def test_a_group_is_normalised_however_far_from_zero_it_lies(offset):
    torch.manual_seed(0)
    x, grad = offset + torch.randn(3, 8, 5), torch.randn(3, 8, 5)
    weight, bias = torch.rand(8) + 0.5, torch.randn(8)

    def found(dtype, function):
        given = [value.to(dtype).requires_grad_() for value in (x, weight, bias)]
        y = function(*given)
        y.backward(grad.to(dtype))
        return [y.detach().float(), *(value.grad.float() for value in given)]

    expected = found(
        torch.float64, lambda x, w, b: functional.mish(functional.group_norm(x, 2, w, b, 1e-5))
    )
    ours = found(torch.float32, lambda x, w, b: norm_mish(x, 2, w, b, 1e-5))
    for one, other in zip(ours, expected, strict=True):
        torch.testing.assert_close(one, other, atol=1e-3, rtol=1e-3)
