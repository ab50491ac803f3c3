"""The actions' scale inside the last layer of a policy of single calls: two operators less a tick.

    spread (W h + b) + offset = (spread W) h + (spread b + offset)

ONNX Runtime does not do so by itself, and calling a small operator costs it more than computing it:
these two are 0.6 µs.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ilrobot.policies.heads.regression import RegressionHead
from ilrobot.policies.networks.mlp import ResidualMLP
from ilrobot.policies.normalize import Normalizer
from ilrobot.policies.policy import Policy

#: An offset that is so many spreads away would have its rounding count, so that it stays outside.
_MOST_SPREADS = 16.0


def fold_scale(policy: Policy) -> None:
    """Let an MLP that predicts the chunk itself predict it in physical units, where that is exact.

    Exact but for the rounding of the two new constants. Other policies are left as they are: a
    sampler's steps are in normalised units, and relative actions are decoded before they are
    scaled.
    """
    head, normalizer = policy.head, policy.action_normalizer
    if not (type(head) is RegressionHead and isinstance(head.network, ResidualMLP)):
        return
    moves = normalizer.spread > 0
    far = normalizer.offset.abs() > _MOST_SPREADS * normalizer.spread
    if policy.relative is not None or bool((moves & far).any()):
        return
    layer = head.network.leave[-1]
    assert isinstance(layer, torch.nn.Linear)
    ticks = layer.out_features // len(normalizer.spread)
    spread = normalizer.spread.double().repeat(ticks)
    offset = normalizer.offset.double().repeat(ticks)
    with torch.no_grad():
        layer.weight.copy_(layer.weight.double() * spread[:, None])
        layer.bias.copy_(layer.bias.double() * spread + offset)
    policy.replace_action_normalizer(_Physical(normalizer))


class _Physical(Normalizer):
    """Of what is in physical units already."""

    def __init__(self, normalizer: Normalizer) -> None:
        super().__init__([""] * len(normalizer.spread), normalizer.mode)
        self.load_state_dict(normalizer.state_dict())

    def inverse(self, normalized: Tensor) -> Tensor:
        """What is given."""
        return normalized
