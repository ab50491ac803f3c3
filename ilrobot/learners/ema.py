"""An exponential moving average of the weights."""

from __future__ import annotations

import torch
from torch import Tensor, nn

_POWER = 0.75
#: The weights are taken in at steps so far apart: in shares of what the average reaches back. Each
#: step would cost 5 % of the training of a small network and change the average by nothing seen.
_APART = 0.01


def ema_decay(step: int, greatest: float) -> float:
    """min(greatest, 1 - (1 + step)^-0.75): it begins as a copy and slows down as training goes on.

    The schedule of Chi et al. 2023, "Diffusion Policy"; `step` counts updates from 0.
    """
    return float(min(greatest, 1.0 - (1.0 + step) ** -_POWER))


class Ema:
    """θ̄ ← d θ̄ + (1 - d) θ for all parameters at once, a hundred times while θ̄ reaches back.

    That is after each optimiser step while d ≤ 0.99, and then after each n of them by dⁿ, with
    n = ⌊0.01 / (1 - d)⌋.

    Args:
        model: Whose parameters are averaged.
        greatest: Greatest decay.
    """

    def __init__(self, model: nn.Module, greatest: float) -> None:
        self._live = [p.detach() for p in model.parameters()]
        self.weights = [p.clone() for p in self._live]
        self._greatest = greatest

    def update(self, step: int) -> None:
        """Take in the weights after step number `step`, counted from 0, if it is time to."""
        decay = ema_decay(step, self._greatest)
        apart = max(1, int(_APART / (1.0 - decay)))
        if step % apart == 0:
            torch._foreach_lerp_(self.weights, self._live, 1.0 - decay**apart)

    def load(self, weights: list[Tensor]) -> None:
        """Set the averages."""
        torch._foreach_copy_(self.weights, weights)
