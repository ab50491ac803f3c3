"""Two networks that estimate the same number, of which the lesser is believed.

Fujimoto, van Hoof and Meger 2018, "Addressing function approximation error in actor-critic
methods", arXiv:1802.09477, section 4.2: what is its own target grows too high where
it errs, and the lesser of two does so far less.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ilrobot.policies.networks.twins import TwinPerceptrons

#: Small, because both are asked at every tick, and fitted on a CPU before each round.
_WIDTH = 128
#: Before the sigmoid, at the beginning: 0.02 after it.
_FIRST_LOGIT = -4.0


class Twins(TwinPerceptrons):
    """Two perceptrons of two hidden layers, whose numbers are logits.

    Args:
        size: Numbers in.
    """

    def __init__(self, size: int) -> None:
        super().__init__(size, (_WIDTH, _WIDTH))
        with torch.no_grad():
            self.biases[-1].fill_(_FIRST_LOGIT)

    def lesser(self, x: Tensor) -> Tensor:
        """(N, size) to the lesser of the two probabilities, (N,)."""
        return self(x).sigmoid().amin(dim=0)
