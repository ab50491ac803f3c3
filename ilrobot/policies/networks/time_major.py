"""Convolution over time and what follows it, faster to train on a CPU than torch's own operators.

Signals are ordinary (B, C, T) tensors whose memory lies time first: one tick of the whole batch is
a dense (B, C) matrix. A convolution is then one matrix product per tap on contiguous rows, without
a copy, and the taps that only meet padding, 3 in 10 of a kernel of 5 on 4 ticks, are never
multiplied. Statistics and sums over time become sums of whole matrices. The functions are those of
`torch.nn.functional`, and give the same results within the rounding of float32, or within that of
bfloat16 where the precision of matrix products is medium and the processor multiplies bfloat16
itself, which takes half the time; what is kept and added up between products, the weights,
normalisation and Mish, stays float32.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from ilrobot.policies.networks.mish import mish_and_slope
from ilrobot.policies.networks.precision import product_type


def conv_same(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Convolution with stride 1 that keeps the length: padding is half the odd kernel.

    Args:
        x: Shape (B, C, T).
        weight: Shape (D, C, kernel).
        bias: Shape (D,).

    Returns:
        Shape (B, D, T).
    """
    y: Tensor = _ConvSame.apply(x, weight, bias)
    return y


def norm_mish(x: Tensor, groups: int, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
    """Group normalisation (Wu and He 2018), then Mish (Misra 2019).

    Args:
        x: Shape (B, C, T).
        groups: Number of groups, a divisor of C.
        weight: Scale, shape (C,).
        bias: Shape (C,).
        eps: Added to the variance.
    """
    y: Tensor = _NormMish.apply(x, groups, weight, bias, eps)
    return y


def film(x: Tensor, scale: Tensor, bias: Tensor) -> Tensor:
    """scale * x + bias of each channel (Perez et al. 2018).

    Args:
        x: Shape (B, C, T).
        scale: Shape (B, C).
        bias: Shape (B, C).
    """
    y: Tensor = _Film.apply(x, scale, bias)
    return y


def join(x: Tensor, y: Tensor) -> Tensor:
    """Shapes (B, C, T) and (B, D, T) to (B, C + D, T)."""
    return _time_last(torch.cat([x.permute(2, 0, 1), y.permute(2, 0, 1)], dim=2))


def _time_first(x: Tensor) -> Tensor:
    """(B, C, T) to contiguous (T, B, C); a view where the memory lies so already."""
    return x.permute(2, 0, 1).contiguous()


def _time_last(x: Tensor) -> Tensor:
    return x.permute(1, 2, 0)


def _taps(kernel: int, ticks: int, batch: int) -> list[tuple[int, slice, slice]]:
    """Each tap that meets the signal: its index and the rows that it reads and writes."""
    taps = []
    for tap in range(kernel):
        shift = tap - kernel // 2
        first, last = max(0, -shift), min(ticks, ticks - shift)
        if first < last:
            read = slice((first + shift) * batch, (last + shift) * batch)
            taps.append((tap, read, slice(first * batch, last * batch)))
    # The middle tap writes every row, so it comes first and the others add to it.
    return sorted(taps, key=lambda t: t[0] != kernel // 2)


class _ConvSame(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        dtype = product_type(x)
        x, weight = _time_first(x).to(dtype), _time_first(weight.to(dtype))
        ticks, batch, _ = x.shape
        rows = x.flatten(0, 1)
        (middle, _, _), *others = _taps(len(weight), ticks, batch)
        y = torch.addmm(bias.to(dtype), rows, weight[middle].t())
        for tap, read, write in others:
            y[write].addmm_(rows[read], weight[tap].t())
        ctx.save_for_backward(x, weight)
        return _time_last(y.view(ticks, batch, -1).float())

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor, Tensor]:
        x, weight = ctx.saved_tensors
        ticks, batch, _ = x.shape
        rows, grad = x.flatten(0, 1), _time_first(grad).flatten(0, 1)
        grad_bias, grad = grad.sum(dim=0), grad.to(x.dtype)
        taps = _taps(len(weight), ticks, batch)
        grad_weight = torch.zeros_like(weight)
        for tap, read, write in taps:
            torch.mm(grad[write].t(), rows[read], out=grad_weight[tap])
        grad_x = None
        if ctx.needs_input_grad[0]:
            (middle, _, _), *others = taps
            grad_rows = grad @ weight[middle]
            for tap, read, write in others:
                grad_rows[read].addmm_(grad[write], weight[tap])
            grad_x = _time_last(grad_rows.view_as(x).float())
        return grad_x, _time_last(grad_weight).float(), grad_bias


class _NormMish(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, groups: int, weight: Tensor, bias: Tensor, eps: float
    ) -> Tensor:
        x = _time_first(x)
        centred = x - _group_mean(x.mean(dim=0), groups)
        inverse = (_group_mean(centred.square().mean(dim=0), groups) + eps).rsqrt_()
        minus_z = torch.addcmul(-bias, centred, -inverse * weight)
        y, slope = mish_and_slope(minus_z)
        ctx.groups = groups
        ctx.save_for_backward(centred, inverse, weight, slope)
        return _time_last(y)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, Tensor, Tensor, None]:
        centred, inverse, weight, slope = ctx.saved_tensors
        grad_z = _time_first(grad) * slope
        along_bias = grad_z.mean(dim=0)
        along_weight = (grad_z * centred).mean(dim=0).mul_(inverse)
        # Through the mean and the variance of each group.
        shift = _group_mean(along_bias * weight, ctx.groups)
        stretch = _group_mean(along_weight * weight, ctx.groups) * inverse.square()
        grad_x = torch.addcmul(-inverse * shift, centred, stretch, value=-1)
        grad_x.addcmul_(grad_z, inverse * weight)
        ticks = len(centred)
        return (
            _time_last(grad_x),
            None,
            along_weight.sum(dim=0) * ticks,
            along_bias.sum(dim=0) * ticks,
            None,
        )


class _Film(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, scale: Tensor, bias: Tensor) -> Tensor:
        x = _time_first(x)
        ctx.save_for_backward(x, scale)
        return _time_last(torch.addcmul(bias, x, scale))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x, scale = ctx.saved_tensors
        grad = _time_first(grad)
        return _time_last(grad * scale), (grad * x).sum(dim=0), grad.sum(dim=0)


def _group_mean(x: Tensor, groups: int) -> Tensor:
    """Mean over each group of channels, at each of its channels: shape (B, C) to the same."""
    grouped = x.unflatten(1, (groups, -1))
    return grouped.mean(dim=2, keepdim=True).expand_as(grouped).flatten(1)
