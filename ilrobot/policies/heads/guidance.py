"""Leading a sampler that refines its sample step by step towards actions that are given.

At step n the clean chunk x̂ that the sample means is moved at tick i to

    (1 - w_ni) x̂_i + w_ni y_i

and the step goes on from there. It asks for no derivative of the network; `ilrobot.control.drawing`
says what weights mean real-time chunking or a warm start, and where they come from.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor

#: Moves a clean chunk, shape (B, H, A).
Lead = Callable[[Tensor], Tensor]


class Guidance(NamedTuple):
    """Where a sampler is led.

    Attributes:
        prefix: y, normalised actions of shape (B, H, A).
        weights: w, shape (B, steps, H), each within 0 and 1.
    """

    prefix: Tensor
    weights: Tensor


def free(clean: Tensor) -> Tensor:
    """Leads nowhere."""
    return clean


def towards(prefix: Tensor, weights: Tensor) -> Lead:
    """Leads to a prefix of shape (B, H, A) with the weights of one step, shape (B, H)."""
    share = weights.unsqueeze(-1)
    return lambda clean: (1 - share) * clean + share * prefix
