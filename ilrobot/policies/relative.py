"""Actions as ways to go: what a head predicts where it does not predict the target itself.

With a_k the action at tick k of a chunk and s what is observed now of the quantity that it commands

    relative   d_k = a_k - s
    delta      d_0 = a_0 - s,  d_k = a_k - a_(k-1)

so that what was learnt at one place is done at another. ``relative`` is the relative trajectory of
Chi et al. 2024, "Universal Manipulation Interface", for positions; a delta is smaller, but the
errors add up over the chunk. Ways grow along a chunk, so each tick of it has a normalisation of its
own: with one for all, the first ticks, which are executed, are lost in what the last ones span.
Rotations are left to `ilrobot.policies.action_rotations`.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from ilrobot.commanded import commanded, commanded_rotations
from ilrobot.data.windows import Windows
from ilrobot.policies.encoder import ObservationEncoder
from ilrobot.spec import Spec

#: Numbers that a normalisation is taken from, since each tick of each chunk has one of its own.
_MOST_VALUES = 2**24


class RelativeActions(nn.Module):
    """Between actions and ways to go, in physical units.

    Elements that command nothing observed stay as they are; of an angle it is the shorter way.

    Attributes:
        low: Least action in the training data, shape (A,).
        high: Greatest.
        moved: Which elements command what is observed, those of rotations included.

    Args:
        spec: Whose action commands something that is observed.
        stepwise: Whether each way begins where the one before it ends (``delta``), else all begin
            at what is observed.
    """

    low: Tensor
    high: Tensor
    moved: Tensor
    shifted: Tensor
    angles: Tensor
    sources: Tensor

    def __init__(self, spec: Spec, *, stepwise: bool) -> None:
        super().__init__()
        self._stepwise = stepwise
        sources, size = commanded(spec), spec.action.size
        self.register_buffer("low", torch.zeros(size))
        self.register_buffer("high", torch.zeros(size))
        moved = torch.tensor([source is not None for source in sources])
        shifted = moved.clone()
        observed = commanded_rotations(spec)
        for rotation, source in zip(spec.action.rotations, observed, strict=True):
            shifted[rotation.part] = False
            moved[rotation.part] = source is not None
        angles = torch.tensor([index in spec.action.angles for index in range(size)]) & moved
        self.register_buffer("moved", moved, persistent=False)
        self.register_buffer("shifted", shifted, persistent=False)
        self.register_buffer("angles", angles, persistent=False)
        indexes = torch.tensor([source or 0 for source in sources])
        self.register_buffer("sources", indexes, persistent=False)

    def encode(self, actions: Tensor, observed: Tensor) -> Tensor:
        """Ways to go.

        Args:
            actions: Shape (B, H, A).
            observed: All observed elements now, shape (B, O).
        """
        start = self._start(observed)
        if self._stepwise:
            start = torch.cat([start, actions[:, :-1] * self.shifted], dim=1)
        way = actions - start
        return torch.where(self.angles, torch.atan2(way.sin(), way.cos()), way)

    def decode(self, ways: Tensor, observed: Tensor) -> Tensor:
        """Inverse of `encode`, ways of shape (..., B, H, A); of an angle up to whole turns."""
        if self._stepwise:
            ways = torch.where(self.shifted, ways.cumsum(dim=-2), ways)
        return ways + self._start(observed)

    def _start(self, observed: Tensor) -> Tensor:
        return (observed.index_select(1, self.sources) * self.shifted)[:, None]


def taught_chunks(windows: Windows, encoder: ObservationEncoder) -> tuple[Tensor, Tensor, Tensor]:
    """Chunks to normalise by: all, or many evenly spread.

    Returns:
        Actions of shape (N, H, A), all that is observed at their beginning, (N, O), and which
        actions count, (N, H) bool.
    """
    size = int(np.prod(windows.actions.shape[1:]))
    index = windows.spread(_MOST_VALUES // (size * windows.horizon) + 1)
    batch = windows.drawn(index, pictures=False)
    actions = batch.actions.reshape(*batch.mask.shape, size)
    return actions, encoder.newest(batch.observations), batch.mask
