"""The minimal iterative policy: a regression, and a second one that mends the first.

    L = |f(0, 0) - a|² / t*² + |f(a + (1 - t*) ε, t*) - a|² / (1 - t*)²

with t* = 0.9, and it acts by f(f(0, 0), t*) without any noise. Pan et al. 2025, "Much ado about
noising: dispelling the myths of generative robotic control", as the authors' code has it: both
while training and when it acts, the second call is given a chunk that is not scaled by t*, where
the paper's interpolant is t* a + (1 - t*) ε.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ilrobot.policies.heads.head import masked_mean
from ilrobot.policies.heads.iterated import TIME_STEPS, IteratedHead, Row, State
from ilrobot.policies.networks.network import Network

#: The time t* of the second call, whose labels are noised by 1 - t*.
SECOND_TIME = 0.9


class MipHead(IteratedHead):
    """Squared errors of two calls of one network; always gives one answer.

    The loss is L (1 - t*)², of the size of the other heads' losses, so that the clipping of
    gradients means the same.

    Args:
        make_network: Makes the network for a condition of a given size.
        condition: Size of the encoded observations.
        shape: Horizon and action size of the chunk.
        prefix: See `IteratedHead`.
    """

    def __init__(
        self,
        make_network: Callable[[int], Network],
        *,
        condition: int,
        shape: tuple[int, int],
        prefix: int = 0,
    ) -> None:
        times = torch.tensor([0.0, TIME_STEPS * SECOND_TIME])
        super().__init__(make_network, condition=condition, shape=shape, times=times, prefix=prefix)

    def loss(self, condition: Tensor, actions: Tensor, mask: Tensor) -> Tensor:
        """See `Head`."""
        condition, mask = self.prefix.drawn(condition, actions, mask)
        noised = actions + (1 - SECOND_TIME) * torch.randn_like(actions)
        first, second = self.embed_times()
        guess = self.predict(torch.zeros_like(actions), first, condition)
        mended = self.predict(noised, second, condition)
        errors = [masked_mean((x - actions).square().mean(dim=2), mask) for x in (guess, mended)]
        return errors[0] * ((1 - SECOND_TIME) / SECOND_TIME) ** 2 + errors[1]

    def begin(self, condition: Tensor, noise: Tensor | None) -> tuple[State, tuple[Tensor, ...]]:
        """See `IteratedHead`."""
        return (condition.new_zeros(len(condition), *self.shape),), (self.embed_times(),)

    def clean(self, state: State, row: Row, condition: Tensor) -> Tensor:
        """See `IteratedHead`."""
        (sample,), (time,) = state, row
        return self.predict(sample, time, condition)

    def advance(self, state: State, clean: Tensor, row: Row) -> State:
        """See `IteratedHead`."""
        return (clean,)
