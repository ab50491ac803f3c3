"""Actions cut off at limits in a way that learning comes back from."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def bounded(actions: Tensor, low: Tensor | None = None, high: Tensor | None = None) -> Tensor:
    """Actions within limits, whose gradient leads back inside and never farther out.

    The gradient of a limit is 0, from which nothing that went beyond would come back; Hausknecht
    and Stone 2016, "Deep reinforcement learning in parameterized action space", section 5.2.

    Args:
        actions: Shape (..., A).
        low: Least, of a shape that fits (None: -1).
        high: Greatest (None: 1).
    """
    one = actions.new_ones(())
    result: Tensor = _Bounded.apply(
        actions, -one if low is None else low, one if high is None else high
    )
    return result


class _Bounded(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, actions: Tensor, low: Tensor, high: Tensor) -> Tensor:
        ctx.save_for_backward(actions, low, high)
        return torch.minimum(torch.maximum(actions, low), high)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (actions, low, high), (gradient,) = ctx.saved_tensors, gradients
        beyond = (actions > high).float() - (actions < low).float()
        return gradient * (beyond * gradient >= 0), None, None
