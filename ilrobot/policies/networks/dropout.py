"""Dropout from random bits, 16 for each element.

On a CPU torch draws element by element, which takes longer than all else that is done to a layer's
activations, and an eighth of a step of `flow`. Here a word of the same generator decides on four
elements, in a sixth of that time. On a GPU it is torch's.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

_BITS = 16
_VALUES = 2**_BITS
#: Elements that a word of 64 bits decides on.
_IN_WORD = 64 // _BITS


class Dropout(nn.Module):
    """Zeroes features while it is trained and scales up the others, so that their mean stays.

    Srivastava et al. 2014, "Dropout: a simple way to prevent neural networks from overfitting",
    section 10, as inverted dropout.

    Args:
        probability: Of a feature to be zeroed, at least 0 and less than 1.
    """

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.probability = probability

    def forward(self, x: Tensor) -> Tensor:
        """Any shape to the same."""
        return dropout(x, self.probability) if self.training else x


def dropout(x: Tensor, probability: float) -> Tensor:
    """Each element zeroed with this probability, rounded to 1/65536 on a CPU, else scaled up.

    Args:
        x: Any shape.
        probability: At least 0 and less than 1.
    """
    if probability == 0:
        return x
    if x.device.type != "cpu":
        return functional.dropout(x, probability)
    dropped = min(round(probability * _VALUES), _VALUES - 1)
    words = torch.empty(-(-x.numel() // _IN_WORD), dtype=torch.int64).random_(-(2**63), None)
    # In place, so that no value changes its size: torch converts bool to float one by one.
    kept = words.view(torch.int16)[: x.numel()].ge_(dropped - _VALUES // 2).to(x.dtype)
    return x * kept.mul_(_VALUES / (_VALUES - dropped)).view(x.shape)
