"""How good a policy is on held-out windows, without a simulator."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from ilrobot.data.batch import Batch
from ilrobot.data.windows import Windows
from ilrobot.learners.distillation import Teacher
from ilrobot.policies.policy import Policy

#: Greatest number of held-out windows in a validation, and how many go through at once.
_WINDOWS = 4096
_BATCH = 1024
#: Windows that are sampled for, which costs a diffusion policy ten times a loss.
_SAMPLED = 512


@torch.no_grad()
def validation_loss(policy: Policy, windows: Windows, teacher: Teacher | None = None) -> float:
    """Weighted mean loss over at most 4,096 windows, evenly spread; the same draws every time.

    With a teacher it is the loss of its chunks.
    """
    total = weight = 0.0
    with _same_draws(policy, windows):
        for index in windows.spread(_WINDOWS).split(_BATCH):
            # Every member is asked about every window, whose pictures are looked at once.
            members = policy.config.members
            condition = policy.encode(windows.take(index).observations).repeat(members, 1)
            batch: Batch = windows.take(index.repeat(members), pictures=teacher is not None)
            if teacher is not None:
                batch = teacher(batch)
            total += float((policy.loss(batch, condition) * batch.weight).sum())
            weight += float(batch.weight.sum())
    return total / weight


@torch.no_grad()
def sampling_error(policy: Policy, windows: Windows) -> float:
    """How far the chunks that a policy would act by are from what was done.

        √ E_w (â - a)² / r²   over windows, ticks that count and elements,

    with r the range of an element (`Policy.disagreement_scale`) and the shorter way between angles
    and between rotations, so that heads, normalisations and representations of the same actions
    compare; where actions are choices, the share of ticks with another one. A head that samples is
    asked for one sample, by the same noise every time: unlike its loss at a random noise level,
    this measures what it would do.

    Args:
        policy: On the device of `windows`.
        windows: At most 512 of them are asked about, evenly spread.
    """
    batch = windows.take(windows.spread(_SAMPLED))
    with _same_draws(policy, windows):
        noise = None
        if policy.noise_shape is not None:
            noise = torch.randn(len(batch.mask), *policy.noise_shape, device=windows.device)
        chunk = policy(batch.observations, noise)
    weight = batch.weight[:, None] * batch.mask
    if policy.spec.choices is not None:
        return float((weight * (chunk != batch.actions)).sum() / weight.sum())
    scale = torch.as_tensor(policy.disagreement_scale, dtype=chunk.dtype, device=chunk.device)
    chunk, wanted = (x.reshape(*batch.mask.shape, -1) for x in (chunk, batch.actions))
    if policy.rotations is not None:
        chunk = policy.rotations.nearest(chunk, wanted)
    error = chunk - wanted
    angles = list(policy.spec.action.angles)
    error[..., angles] = torch.remainder(error[..., angles] + math.pi, 2 * math.pi) - math.pi
    error = (error / scale).square().mean(dim=2)
    return float((weight * error).sum() / weight.sum()) ** 0.5


@contextmanager
def _same_draws(policy: Policy, windows: Windows) -> Iterator[None]:
    """In evaluation mode, with random numbers of its own."""
    training = policy.training
    policy.eval()
    with torch.random.fork_rng([windows.device] if windows.device.type == "cuda" else []):
        torch.manual_seed(0)
        yield
    policy.train(training)
