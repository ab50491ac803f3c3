"""How much of a training step is its networks, and what the rest is: presets and others, Push-T."""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from benchmarks import row
from benchmarks._pusht_data import load
from ilrobot.data.recordings import Recordings
from ilrobot.data.windows import Windows
from ilrobot.learners.clipped_adamw import ClippedAdamW
from ilrobot.learners.config import PRESETS, TrainConfig
from ilrobot.learners.ema import Ema
from ilrobot.learners.machine import find_device, numerics
from ilrobot.learners.split import split_windows
from ilrobot.learners.training import Training
from ilrobot.policies.config import PolicyConfig
from ilrobot.policies.policy import Policy

#: Share of a step that may be something else than the network, in percent.
GOAL = 5.0
#: Whole steps and their parts take turns, so that a busy machine is busy for both.
ROUNDS = 9
SECONDS = 0.3


class Call(NamedTuple):
    """Of a module with weights: what a step gave it, and a gradient of its answer."""

    module: nn.Module
    inputs: tuple[Tensor, ...]
    gradient: Tensor
    #: Whatever is given a gradient: its weights and those inputs that had one.
    leaves: tuple[Tensor, ...]


def run() -> list[dict[str, Any]]:
    """Rows of each preset, and of `diffusion` on the other networks."""
    data = load()
    rows = []
    for name, (policy_config, train_config) in _trainings().items():
        spent = seconds_of(data, policy_config, train_config)
        what = f"{name}, batch {train_config.batch_size}"
        step = spent.pop("step")
        rows.append(row(f"{what}: a step", 1e3 * step, "ms"))
        share = 100 * max(0.0, 1 - spent["networks"] / step)
        rows.append(row(f"{what}: not the network", share, "% of a step", at_most=GOAL))
        for part, seconds in spent.items():
            rows.append(row(f"{what}: {part} alone", 100 * seconds / step, "% of a step"))
    return rows


def _trainings() -> dict[str, tuple[PolicyConfig, TrainConfig]]:
    trainings = {str(name): made for name, made in PRESETS.items()}
    config, train_config = PRESETS["diffusion"]
    for name, made in {
        "transformer": replace(config, network="transformer", width=128, layers=2),
        "U-Net of 64, 128": replace(config, network="unet", channels=(64, 128)),
        "U-Net of 128, 256": replace(config, network="unet", channels=(128, 256)),
    }.items():
        trainings[f"diffusion, {name}"] = made, train_config
    return trainings


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
        training.step = train_config.steps // 2
        calls = calls_of_networks(training)
        parts = {"networks": lambda: _replay(calls), **_others(policy, windows, train_config)}
        return _turns(parts, training)


def calls_of_networks(training: Training) -> list[Call]:
    """Each call that a step makes of a module of the head with weights, none of one inside another.

    That is the network and what embeds a sampler's time, which is a network of its own, 6 % of
    the products of `flow`.
    """
    calls: list[Call] = []
    depth = 0

    def enter(*_: Any) -> None:
        nonlocal depth
        depth += 1

    def keep(module: nn.Module, given: tuple[Tensor, ...], answer: Tensor) -> None:
        nonlocal depth
        depth -= 1
        weights = tuple(module.parameters())
        if depth or not weights:
            return
        inputs = tuple(x.detach().requires_grad_(x.requires_grad) for x in given)
        leaves = weights + tuple(x for x in inputs if x.requires_grad)
        calls.append(Call(module, inputs, torch.ones_like(answer), leaves))

    hooks = []
    for module in training.policy.head.modules():
        hooks.append(module.register_forward_pre_hook(enter))
        hooks.append(module.register_forward_hook(keep))
    training.advance()
    for hook in hooks:
        hook.remove()
    return calls


def _replay(calls: Sequence[Call]) -> None:
    """The networks forward and backward on what a step gave them, and nothing else."""
    for call in calls:
        for leaf in call.leaves:
            leaf.grad = None
    answers = [call.module(*call.inputs) for call in calls]
    torch.autograd.backward(answers, [call.gradient for call in calls])


def _others(
    policy: Policy, windows: Windows, config: TrainConfig
) -> dict[str, Callable[[], object]]:
    """What else a step does, each apart.

    Within a step each takes up to twice as long: there the network was at work before it, and
    neither its data nor its code is in the caches near the processor any more.
    """
    generator = torch.Generator(windows.device).manual_seed(0)
    batch = windows.sample(config.batch_size, generator)
    parameters = list(policy.parameters())
    gradients = [torch.zeros_like(p) for p in parameters]
    optimizer = ClippedAdamW(parameters, lr=0.0, weight_decay=0.0, fused=True)
    ema = Ema(policy, config.ema)
    steps = itertools.count(config.steps // 2)

    def encode() -> None:
        policy.encode(batch.observations)
        policy.represent(batch.actions, batch.observations)

    def update() -> None:
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = gradient
        optimizer.update(config.clip)

    return {
        "drawing a batch": lambda: windows.sample(config.batch_size, generator),
        "encoding it": encode,
        "clipping and AdamW": update,
        "averaging the weights": lambda: ema.update(next(steps)),
    }


def _turns(parts: Mapping[str, Callable[[], object]], training: Training) -> dict[str, float]:
    """Median seconds of a step and of each part."""

    def step() -> None:
        training.advance()
        training.step += 1

    works = {"step": step, **parts}
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
