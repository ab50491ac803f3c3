"""What ``ilrobot bench training`` measures, for every preset, on networks of a few weights."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import get_args

import pytest
import torch

from benchmarks import training as bench
from ilrobot.data.windows import Windows
from ilrobot.learners.config import PRESETS, Preset
from ilrobot.learners.training import Training
from ilrobot.policies.config import PolicyConfig
from ilrobot.policies.policy import Policy
from tests.ilrobot.policy_tester import CONTINUOUS, recordings

#: Of each module with weights of a head that has several: what embeds the time comes first, and
#: what reads the history.
CALLS: dict[str, tuple[int, ...]] = {
    "act": (1, 1),
    "bc-rnn": (1, 1),
    "diffusion": (1, 1),
    "flow": (1, 1),
    "fast": (1, 1),
    "mip": (1, 2),
}


def _small(policy: PolicyConfig) -> PolicyConfig:
    return replace(policy, width=8, blocks=1, layers=1, n_obs=2, attention_heads=2)


@pytest.mark.parametrize("name", get_args(Preset))
def test_every_preset_is_measured_and_all_its_networks_count(
    name: Preset, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(bench, "ROUNDS", 1)
    monkeypatch.setattr(bench, "SECONDS", 1e-9)
    policy_config, train_config = PRESETS[name]
    policy_config = _small(policy_config)
    train_config = replace(train_config, batch_size=4, device="cpu")
    data = recordings(CONTINUOUS)
    spent = bench.seconds_of(data, policy_config, train_config)
    assert list(spent)[:2] == ["step", "networks"]
    assert all(seconds > 0 for seconds in spent.values())

    windows = Windows(data, n_obs=2, horizon=policy_config.horizon)
    policy = Policy(CONTINUOUS, policy_config)
    policy.fit_normalizers(windows)
    training = Training(policy, windows, None, train_config)
    calls = bench.calls_of_networks(training)
    found = Counter(id(call.module) for call in calls)
    in_calls = {id(leaf) for call in calls for leaf in call.leaves}
    assert in_calls >= {id(parameter) for parameter in policy.parameters()}
    assert tuple(found.values()) == CALLS.get(name, (1,))
    for call in calls:
        assert call.module(*call.inputs).shape == call.gradient.shape
    for module in policy.modules():
        assert not any((module._forward_hooks, module._forward_pre_hooks))


def test_a_replay_makes_the_gradient_of_all_calls():
    policy = Policy(CONTINUOUS, _small(PRESETS["mip"][0])).eval()
    windows = Windows(recordings(CONTINUOUS), n_obs=2, horizon=16)
    policy.fit_normalizers(windows)
    train_config = replace(PRESETS["mip"][1], batch_size=4, learning_rate=1e-12, device="cpu")
    calls = bench.calls_of_networks(Training(policy, windows, None, train_config))
    bench._replay(calls)
    parameters = list(policy.parameters())
    together = [p.grad.clone() for p in parameters if p.grad is not None]
    apart = [torch.zeros_like(gradient) for gradient in together]
    for call in calls:
        policy.zero_grad()
        bench._replay([call])
        for total, parameter in zip(apart, parameters, strict=True):
            total += 0 if parameter.grad is None else parameter.grad
    torch.testing.assert_close(together, apart)
