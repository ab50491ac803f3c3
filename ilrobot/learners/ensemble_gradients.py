"""The gradient of an ensemble's members, and of what they see by together."""

from __future__ import annotations

from torch import nn

from ilrobot.policies.heads.ensemble import EnsembleHead
from ilrobot.policies.policy import Policy


def clip_gradients(policy: Policy, greatest: float) -> float:
    """Of an ensemble whose members' losses were added: each member's gradient, and the encoder's.

    Each member is to learn as it would alone, clipped by the norm of its own. The network that sees
    pictures is one for all, so that it learns by the mean of their losses, and is clipped by the
    norm of that.

    Args:
        policy: Its gradients are scaled in place, if it has several members.
        greatest: Norm that a gradient is scaled down to where it is greater (0: it is not).

    Returns:
        What is left to be clipped by: 0 of an ensemble, else `greatest`.
    """
    head = policy.head
    if not isinstance(head, EnsembleHead):
        return greatest
    shared = [weights for weights in policy.encoder.parameters() if weights.grad is not None]
    for weights in shared:
        assert weights.grad is not None
        weights.grad.div_(policy.config.members)
    if greatest:
        head.clip_gradients(greatest)
        nn.utils.clip_grad_norm_(shared, greatest)
    return 0.0
