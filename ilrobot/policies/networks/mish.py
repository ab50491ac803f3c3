"""Mish(x) = x tanh(log(1 + exp x)), faster to train on a CPU than torch's own.

Misra 2019, "Mish: a self regularized non-monotonic activation function", arXiv:1908.08681, eq. 1.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional


class Mish(nn.Module):
    """It as a layer."""

    def forward(self, x: Tensor) -> Tensor:
        """Any shape to the same."""
        if self.training and x.device.type == "cpu":
            y: Tensor = _Mish.apply(x)
            return y
        return functional.mish(x)


def mish_and_slope(minus_x: Tensor) -> tuple[Tensor, Tensor]:
    """Mish at x and its derivative there, from -x, whose sigmoid needs no further pass.

    With r the sigmoid of -x and i = 1 / (1 + r²), tanh(log(1 + exp x)) = 2 i - 1, which neither
    overflows nor needs a logarithm; its derivative is 4 i (1 - i) (1 - r).
    """
    r = minus_x.sigmoid()
    i = torch.addcmul(minus_x.new_ones(()), r, r).reciprocal_()
    minus_gate = torch.add(minus_x.new_ones(()), i, alpha=-2)
    lean = r.sub_(1).mul_(minus_x)
    steep = torch.addcmul(i, i, i, value=-1, out=i)
    slope = lean.mul_(steep).mul_(4).sub_(minus_gate)
    return minus_gate.mul_(minus_x), slope


class _Mish(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        y, slope = mish_and_slope(-x)
        ctx.save_for_backward(slope)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (slope,) = ctx.saved_tensors
        y: Tensor = grad * slope
        return y
