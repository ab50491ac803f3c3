"""From recordings to a policy without a run's folder: for methods that fit many, for studies."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from ilrobot.data.recordings import Recordings
from ilrobot.learners.behavioral_cloning import train
from ilrobot.learners.config import TrainConfig
from ilrobot.learners.machine import find_device, numerics, within_memory
from ilrobot.learners.split import split_windows
from ilrobot.learners.time_budget import within_budget
from ilrobot.learners.training import Progress, Training
from ilrobot.policies.combined import Acting
from ilrobot.policies.config import PolicyConfig
from ilrobot.policies.policy import Policy

Weights = NDArray[np.floating[Any]]


class Fit(Protocol):
    """Fits a policy to recordings; a method calls it once for each policy that it needs."""

    def __call__(self, recordings: Recordings, frame_weights: Weights | None = None) -> Acting:
        """Fit one; `frame_weights` as in `behavioral_cloning.train`."""


@within_memory()
def fit_policy(
    recordings: Recordings,
    policy_config: PolicyConfig,
    train_config: TrainConfig,
    frame_weights: Weights | None = None,
) -> Policy:
    """Train a policy and keep nothing but it.

    Raises:
        UserError: A setting is out of range, or there is nothing to learn from.
        WorkFailed: The loss or the weights are no longer finite, or the memory is full.
    """
    train_config.check()
    policy_config.check_to_train(recordings.spec)
    device = find_device(train_config.device)
    windows, validation = split_windows(recordings, policy_config, train_config, frame_weights)
    with numerics(device, policy_config.network):
        torch.manual_seed(train_config.seed)
        began = time.perf_counter()
        policy = Policy(recordings.spec, policy_config)
        policy.fit_normalizers(windows)
        spent = time.perf_counter() - began
        policy.to(device)
        windows.to(device)
        if validation is not None:
            validation.to(device)
        if train_config.time_budget is not None:
            train_config = within_budget(policy, windows, validation, train_config, spent=spent)
        lasting = train_config.for_windows(len(windows))
        training = Training(policy, windows, validation, lasting)
        training.run(_unheard)
        training.finish()
        policy.cpu().check_finite("the weights after training")
    return policy.eval()


def in_memory(policy_config: PolicyConfig, train_config: TrainConfig) -> Fit:
    """`fit_policy` with these settings."""

    def fit(recordings: Recordings, frame_weights: Weights | None = None) -> Policy:
        return fit_policy(recordings, policy_config, train_config, frame_weights)

    return fit


def in_folder(policy_config: PolicyConfig, train_config: TrainConfig, folder: Path) -> Fit:
    """`behavioral_cloning.train` into ``folder/fit-1``, ``folder/fit-2`` and so on."""
    count = 0

    def fit(recordings: Recordings, frame_weights: Weights | None = None) -> Policy:
        nonlocal count
        count += 1
        output = folder / f"fit-{count}"
        return train(recordings, policy_config, train_config, output, frame_weights=frame_weights)

    return fit


_unheard: Callable[[Progress | None], None] = lambda _: None  # noqa: E731
