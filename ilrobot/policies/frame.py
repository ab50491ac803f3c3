"""Where things are in a frame that moves with them: from one thing, towards another."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ilrobot.policies.normalize import Normalizer
from ilrobot.policies.places import Sum, check_frame, places_from
from ilrobot.spec import Spec

#: A coordinate is told at each of these shares of the workspace's size, so that a network sees what
#: is a millimetre away as well as what is across the table.
SCALES = tuple(4.0**-k for k in range(5))


class MovingFrame(nn.Module):
    """A frame in the horizontal plane, read from encoded observations.

    Its origin is one thing, its first axis points from there towards another, its second one to the
    left of it. Within the least of `SCALES` of the other the axes shrink, since a direction means
    nothing there.

    Attributes:
        size: Numbers that are `told`.

    Args:
        spec: Of the observations.
        frame: From which thing, and towards which.
        plain: Which elements, of all vector observations side by side, begin the condition as
            they are, in its order.

    Raises:
        UserError: It is not observed where they are.
    """

    rows: Tensor
    shift: Tensor
    reach: Tensor

    def __init__(self, spec: Spec, frame: tuple[str, ...], plain: Sequence[int]) -> None:
        super().__init__()
        check_frame(spec, frame)
        origin, goal = frame
        places = places_from(spec, origin)
        level = [goal, *(n for n in places if n != goal and {"x", "y"} <= places[n].keys())]
        self._sums: list[Sum] = [places[name][axis] for name in level for axis in "xy"]
        self._level = len(level)
        heights = [axes["z"] for axes in places.values() if "z" in axes]
        self._sums += heights
        self._plain = list(plain)
        self.size = (2 * len(level) - 1 + len(heights)) * len(SCALES)
        self.register_buffer("rows", torch.zeros(len(self._plain), len(self._sums)))
        self.register_buffer("shift", torch.zeros(len(self._sums)))
        self.register_buffer("reach", torch.ones(()))

    def adopt(self, normalizer: Normalizer) -> None:
        """Take over how observations are normalised."""
        used = set()
        for number, terms in enumerate(self._sums):
            for index, sign in terms.items():
                self.rows[self._plain.index(index), number] = sign * normalizer.scale[index]
                self.shift[number] += sign * normalizer.offset[index]
                used.add(index)
        spans = normalizer.high - normalizer.low
        reach = max(float(spans[index]) for index in used)
        self.reach.fill_(reach or 1.0)  # nothing has ever moved: any size will do

    def forward(self, condition: Tensor) -> tuple[Tensor, Tensor]:
        """From encoded observations, (B, C).

        Returns:
            The first axis in the frame of observation, (B, 2), and what is told of all places,
            (B, size), each number within ±1.
        """
        seen = condition[:, : len(self._plain)] @ self.rows + self.shift
        least = self.reach * SCALES[-1]
        level = seen[:, : 2 * self._level].unflatten(1, (self._level, 2))
        ahead = level[:, 0]
        way = ahead / (ahead.square().sum(dim=1, keepdim=True) + least.square()).sqrt()
        turned = self.turn(level, way[:, None])
        coordinates = [turned[:, :, 0], turned[:, 1:, 1], seen[:, 2 * self._level :]]
        shares = torch.cat(coordinates, dim=1) / self.reach
        return way, torch.cat([torch.tanh(shares / scale) for scale in SCALES], dim=1)

    @staticmethod
    def turn(vectors: Tensor, way: Tensor) -> Tensor:
        """Into the frame, (..., 2), given its first axis."""
        along = (vectors * way).sum(dim=-1)
        left = vectors[..., 1] * way[..., 0] - vectors[..., 0] * way[..., 1]
        return torch.stack([along, left], dim=-1)

    @staticmethod
    def turn_back(vectors: Tensor, way: Tensor) -> Tensor:
        """Out of the frame, (..., 2); of axes that have shrunk, by as much less."""
        x = vectors[..., 0] * way[..., 0] - vectors[..., 1] * way[..., 1]
        y = vectors[..., 0] * way[..., 1] + vectors[..., 1] * way[..., 0]
        return torch.stack([x, y], dim=-1)
