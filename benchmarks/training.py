"""How much of a training step is the network, and what the rest is, for presets on Push-T."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, get_args

import torch
from torch import Tensor, nn

from benchmarks import row
from benchmarks._pusht_data import load
from ilrobot.data.memory import Recordings
from ilrobot.data.windows import Windows
from ilrobot.learners.config import PRESETS, Preset, TrainConfig
from ilrobot.learners.ema import Ema
from ilrobot.learners.machine import find_device, numerics
from ilrobot.learners.split import split_windows
from ilrobot.learners.training import Training
from ilrobot.policies.config import PolicyConfig
from ilrobot.policies.networks.network import Network
from ilrobot.policies.policy import Policy

#: Share of a step that may be something else than the network, in percent.
GOAL = 5.0
#: Whole steps and their parts take turns, so that a busy machine is busy for both.
ROUNDS = 9
SECONDS = 0.3


class Call(NamedTuple):
    """A network, what a step gave it, and a gradient of its answer."""

    network: nn.Module
    inputs: tuple[Tensor, ...]
    gradient: Tensor


def run() -> list[dict[str, Any]]:
    """Rows of each preset."""
    data = load()
    rows = []
    for name in get_args(Preset):
        policy_config, train_config = PRESETS[name]
        spent = seconds_of(data, policy_config, train_config)
        what = f"{name}, batch {train_config.batch_size}"
        step = spent.pop("step")
        rows.append(row(f"{what}: a step", 1e3 * step, "ms"))
        share = 100 * max(0.0, 1 - spent["network"] / step)
        rows.append(row(f"{what}: not the network", share, "% of a step", at_most=GOAL))
        for part, seconds in spent.items():
            rows.append(row(f"{what}: {part} alone", 100 * seconds / step, "% of a step"))
    return rows


def seconds_of(
    data: Recordings, policy_config: PolicyConfig, train_config: TrainConfig
) -> dict[str, float]:
    """Median seconds of a whole step, of its calls of networks and of its other parts alone."""
    windows, _ = split_windows(data, policy_config, train_config)
    device = find_device(train_config.device)
    with numerics(device, policy_config.network):
        torch.manual_seed(0)
        policy = Policy(data.spec, policy_config)
        policy.fit_normalizers(windows)
        windows.to(device)
        training = Training(policy.to(device), windows, None, train_config)
        calls = calls_of_networks(training)
        parts = {"network": lambda: _replay(calls), **_others(policy, windows, train_config)}
        return _turns(parts, training)


def calls_of_networks(training: Training) -> list[Call]:
    """Each call that a step makes of a network of the head, none of one inside of another."""
    networks: list[Network] = []
    for module in training.policy.head.modules():  # what holds others comes before them
        inside = any(module is part for network in networks for part in network.modules())
        if isinstance(module, Network) and not inside:
            networks.append(module)
    calls: list[Call] = []

    def keep(network: nn.Module, given: tuple[Tensor, ...], answer: Tensor) -> None:
        inputs = tuple(x.detach().requires_grad_(x.requires_grad) for x in given)
        calls.append(Call(network, inputs, torch.ones_like(answer)))

    hooks = [network.register_forward_hook(keep) for network in networks]
    training.advance()
    for hook in hooks:
        hook.remove()
    return calls


def _replay(calls: Sequence[Call]) -> None:
    """The networks forward and backward on what a step gave them, and nothing else."""
    for network, _, _ in calls:
        for parameter in network.parameters():
            parameter.grad = None
    answers = [network(*inputs) for network, inputs, _ in calls]
    torch.autograd.backward(answers, [gradient for *_, gradient in calls])


def _others(
    policy: Policy, windows: Windows, config: TrainConfig
) -> dict[str, Callable[[], object]]:
    """What else a step does, each apart."""
    generator = torch.Generator(windows.device).manual_seed(0)
    parameters = list(policy.parameters())
    optimizer = torch.optim.AdamW(parameters, lr=0.0, weight_decay=0.0, fused=True)
    ema = Ema(policy, config.ema)

    def update() -> None:
        torch.nn.utils.clip_grad_norm_(parameters, config.clip)
        optimizer.step()

    return {
        "drawing a batch": lambda: windows.sample(config.batch_size, generator),
        "clipping and AdamW": update,
        "averaging the weights": lambda: ema.update(10**6),
    }


def _turns(parts: Mapping[str, Callable[[], object]], training: Training) -> dict[str, float]:
    """Median seconds of a step and of each part."""
    works = {"step": training.advance, **parts}
    spent: dict[str, list[float]] = {part: [] for part in works}
    for _ in range(ROUNDS):
        for part, once in works.items():
            spent[part].append(_seconds(once))
    return {part: statistics.median(values) for part, values in spent.items()}


def _seconds(once: Callable[[], object]) -> float:
    """Mean time of a call: of the processor, which others that are at work here do not count in."""
    cuda = torch.cuda.is_available()
    clock = time.perf_counter if cuda else time.process_time
    once()
    began, count = clock(), 0
    while count == 0 or clock() - began < SECONDS:
        once()
        count += 1
    if cuda:
        torch.cuda.synchronize()
    return (clock() - began) / count
