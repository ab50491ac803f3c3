"""The density of a small policy in numpy: forward, and from its gradient back to the weights."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from ilrobot.learners.reinforcement.explicit_layers import Array, explicit
from ilrobot.policies.heads.gaussian import LOG_STD_BOUNDS, GaussianHead
from ilrobot.policies.policy import Policy

_LOW, _HIGH = LOG_STD_BOUNDS
_HALF = np.float32((_HIGH - _LOW) / 2)


class ExplicitDensity:
    """What `PolicyDensity.given` says, of a policy on the CPU, with whose weights it changes.

    Args:
        policy: In evaluation mode, see `ilrobot.policies.density.check_density`.
        gradient: See `explicit` (None: it does not learn).
    """

    def __init__(self, policy: Policy, gradient: Callable[[Tensor], Tensor] | None = None) -> None:
        head = policy.head
        assert isinstance(head, GaussianHead)
        self._network = explicit(head.network, gradient or torch.empty_like)

    def given(self, conditions: Array) -> tuple[Array, Array]:
        """Mean and log standard deviation of the normalised action, (B, C) to (B, A) each."""
        mean, raw = np.split(self._network.forward(conditions), 2, axis=1)
        self._bounded = np.tanh(raw)
        return mean, np.float32(_LOW) + _HALF * (self._bounded + 1)

    def backward(self, to_mean: Array, to_log_std: Array) -> None:
        """Keep the gradient of the weights, given that of what `given` said last."""
        to_raw = to_log_std * _HALF * (1 - self._bounded**2)
        self._network.backward(np.concatenate([to_mean, to_raw], axis=1))
