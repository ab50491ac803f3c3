"""The conditional U-Net over time of Diffusion Policy.

Chi et al. 2023, "Diffusion Policy", section IV-A; the condition enters each residual block as a
scale and a bias per channel, FiLM (Perez et al. 2018).
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from ilrobot.errors import UserError
from ilrobot.policies.networks.network import Network, Sizes
from ilrobot.policies.networks.time_major import conv_same, film, join, norm_mish

_KERNEL = 5
_GROUPS = 8


class Conv(nn.Conv1d):
    """Convolution with stride 1 and an odd kernel that keeps the length."""

    bias: Tensor

    def __init__(self, inputs: int, outputs: int, kernel: int) -> None:
        super().__init__(inputs, outputs, kernel, padding=kernel // 2)

    def forward(self, x: Tensor) -> Tensor:
        """Shape (B, inputs, T) to (B, outputs, T)."""
        if _trains_on_cpu(self, x):
            return conv_same(x, self.weight, self.bias)
        return super().forward(x)


class NormMish(nn.GroupNorm):
    """Group normalisation, Mish."""

    def __init__(self, channels: int) -> None:
        super().__init__(_GROUPS, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Shape (B, channels, T) to the same."""
        if _trains_on_cpu(self, x):
            return norm_mish(x, self.num_groups, self.weight, self.bias, self.eps)
        return functional.mish(super().forward(x))


class ConvBlock(nn.Sequential):
    """Convolution over time, group normalisation, Mish."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(Conv(inputs, outputs, _KERNEL), NormMish(outputs))


class FilmBlock(nn.Module):
    """Two convolution blocks with a residual path; the condition scales and shifts in between."""

    def __init__(self, inputs: int, outputs: int, condition: int) -> None:
        super().__init__()
        self.first = ConvBlock(inputs, outputs)
        self.film = nn.Linear(condition, 2 * outputs)
        self.second = ConvBlock(outputs, outputs)
        self.skip = Conv(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """Shapes (B, inputs, T) and (B, condition) to (B, outputs, T)."""
        scale, bias = self.film(condition).chunk(2, dim=1)
        y: Tensor = self.first(x)
        if _trains_on_cpu(self, y):
            y = film(y, scale, bias)
        else:
            y = scale.unsqueeze(-1) * y + bias.unsqueeze(-1)
        y = self.second(y) + self.skip(x)
        return y


class Level(nn.Module):
    """Two FiLM blocks, then a change of resolution."""

    def __init__(self, inputs: int, outputs: int, condition: int, resize: nn.Module) -> None:
        super().__init__()
        self.first = FilmBlock(inputs, outputs, condition)
        self.second = FilmBlock(outputs, outputs, condition)
        self.resize = resize

    def forward(self, x: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        """Shape (B, inputs, T) to (B, outputs, T') and, before the change, (B, outputs, T)."""
        x = self.second(self.first(x, condition), condition)
        return self.resize(x), x


class UNet1d(Network):
    """Down, across and up again along the horizon.

    Args:
        sizes: What the head asks for; the horizon must be a multiple of 2^(levels - 1).
        channels: Channels at each level, each a multiple of 8.

    Raises:
        UserError: A size does not fit.
    """

    def __init__(self, sizes: Sizes, *, channels: tuple[int, ...]) -> None:
        super().__init__()
        if not channels or any(c < _GROUPS or c % _GROUPS for c in channels):
            raise UserError(
                f"--channels must be multiples of {_GROUPS}, one per level of the U-Net, not "
                f"{' '.join(map(str, channels)) or 'none'}"
            )
        step = 2 ** (len(channels) - 1)
        if sizes.horizon % step:
            raise UserError(
                f"a U-Net of {len(channels)} levels needs a --horizon that is a multiple of {step},"
                f" not {sizes.horizon}; change it or take --network mlp"
            )
        inputs, condition = sizes.sample, sizes.condition
        self.queries: nn.Parameter | None = None
        if not sizes.sample:
            # Without a sample to refine, the convolutions start from a learned sequence.
            inputs = channels[0]
            self.queries = nn.Parameter(torch.randn(1, inputs, sizes.horizon) * 0.02)
        widths = [inputs, *channels]
        down, up = [], []
        for level, (a, b) in enumerate(pairwise(widths)):
            last = level == len(channels) - 1
            resize = nn.Identity() if last else nn.Conv1d(b, b, 3, stride=2, padding=1)
            down.append(Level(a, b, condition, resize))
        top = channels[-1]
        self.across = nn.ModuleList([FilmBlock(top, top, condition) for _ in range(2)])
        for a, b in zip(channels[:0:-1], channels[-2::-1], strict=True):
            up.append(Level(2 * a, b, condition, nn.ConvTranspose1d(b, b, 4, 2, 1)))
        self.down, self.up = nn.ModuleList(down), nn.ModuleList(up)
        self.leave = nn.Sequential(
            ConvBlock(channels[0], channels[0]), Conv(channels[0], sizes.output, 1)
        )

    def forward(self, condition: Tensor, sample: Tensor | None = None) -> Tensor:
        """See `Network`."""
        if self.queries is not None:
            x = self.queries.expand(condition.shape[0], -1, -1)
        else:
            assert sample is not None
            x = sample.transpose(1, 2)
        # Each block's FiLM begins with the same Mish of the condition.
        condition = functional.mish(condition)
        skips: list[Tensor] = []
        for level in self.down:
            x, skip = level(x, condition)
            skips.append(skip)
        for block in self.across:
            x = block(x, condition)
        for level in self.up:
            skip = skips.pop()
            wide = join(x, skip) if _trains_on_cpu(self, x) else torch.cat([x, skip], dim=1)
            x, _ = level(wide, condition)
        y: Tensor = self.leave(x)
        return y.transpose(1, 2)


def _trains_on_cpu(module: nn.Module, x: Tensor) -> bool:
    """Where torch's own operators are slow; elsewhere, and in an export, they are kept."""
    return module.training and x.device.type == "cpu"
