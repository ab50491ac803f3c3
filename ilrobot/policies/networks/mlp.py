"""A residual multi-layer perceptron over the flattened chunk."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ilrobot.policies.networks.dropout import Dropout
from ilrobot.policies.networks.network import Network, Sizes

_EXPANSION = 2


class ResidualBlock(nn.Module):
    """x + W₂ SiLU(W₁ LayerNorm(x)), the inner layer twice as wide.

    The pre-normalised block of Hansen-Estruch et al. 2023, "IDQL", appendix on the LN-ResNet.
    """

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, _EXPANSION * width),
            nn.SiLU(),
            Dropout(dropout),
            nn.Linear(_EXPANSION * width, width),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Shape (B, width) to the same."""
        y: Tensor = x + self.layers(x)
        return y


class ResidualMLP(Network):
    """Condition and flattened sample in, flattened chunk out.

    Args:
        sizes: What the head asks for.
        width: Features of the residual stream.
        blocks: Number of residual blocks.
        dropout: Probability of dropping an inner feature while training.
    """

    def __init__(self, sizes: Sizes, *, width: int, blocks: int, dropout: float) -> None:
        super().__init__()
        self._shape = (sizes.horizon, sizes.output)
        self.enter = nn.Linear(sizes.condition + sizes.horizon * sizes.sample, width)
        self.blocks = nn.Sequential(*(ResidualBlock(width, dropout) for _ in range(blocks)))
        self.leave = nn.Sequential(
            nn.LayerNorm(width), nn.SiLU(), nn.Linear(width, sizes.horizon * sizes.output)
        )

    def forward(self, condition: Tensor, sample: Tensor | None = None) -> Tensor:
        """See `Network`."""
        if sample is not None:
            condition = torch.cat([condition, sample.flatten(1)], dim=1)
        output: Tensor = self.leave(self.blocks(self.enter(condition)))
        return output.unflatten(1, self._shape)
