"""What moves with the task: places, directions and actions in a frame from one thing to another.

A task that is the same wherever its things lie and however they are turned about the vertical is
learnt from far fewer demonstrations by a policy that is told where things are in a frame of the
task's own (`ilrobot.policies.frame`), and whose steps in the plane are predicted in it: what was
shown at one place holds at all. Wang et al. 2022, "SO(2)-Equivariant reinforcement learning",
arXiv:2203.04439, build the same symmetry into the layers instead.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ilrobot.policies.directions import level_directions, level_motions, level_turns
from ilrobot.policies.frame import MovingFrame
from ilrobot.policies.normalize import Normalizer
from ilrobot.policies.places import axes_of, places_from
from ilrobot.spec import Spec


class FrameView(nn.Module):
    """What is told of one observation in the task's frame: places, directions and turns.

    Attributes:
        size: Numbers that are told.

    Args:
        spec: Of the observations.
        frame: From which thing, and towards which.

    Raises:
        UserError: It is not observed where they are.
    """

    reaches: Tensor
    ahead: Tensor

    def __init__(self, spec: Spec, frame: tuple[str, ...]) -> None:
        super().__init__()
        self._count = sum(feature.size for feature in spec.observations)
        self.places = MovingFrame(spec, frame, range(self._count))
        ahead = torch.zeros(self._count, 2)
        origin, goal = frame
        way = places_from(spec, origin)[goal]
        for column, axis in enumerate("xy"):
            for index, sign in way[axis].items():
                ahead[index, column] = sign
        self.register_buffer("ahead", ahead, persistent=False)
        axes = axes_of(spec, frame)
        self._directions = level_directions(spec, axes)
        self._turns = level_turns(spec, axes)
        self.register_buffer("reaches", torch.ones(len(self._directions)))
        self.size = self.places.size + 2 * len(self._directions) + 2 * len(self._turns)

    def adopt(self, normalizer: Normalizer) -> None:
        """Take over how far things move from what observations were normalised by."""
        physical = Normalizer([""] * self._count, "limits")
        physical.low.copy_(normalizer.low)
        physical.high.copy_(normalizer.high)
        self.places.adopt(physical)
        for row, pair in enumerate(self._directions):
            greatest = torch.maximum(normalizer.low.abs(), normalizer.high.abs())[list(pair)].max()
            self.reaches[row] = greatest or 1.0  # it has always been 0: any size will do

    def forward(self, observed: Tensor) -> Tensor:
        """Histories in physical units, (B, n_obs, O), each to what is told, (B, n_obs, size)."""
        rows = observed.flatten(0, 1)
        way, told = self.places(rows)
        parts = [told]
        for row, (x, y) in enumerate(self._directions):
            turned = MovingFrame.turn(rows[:, [x, y]], way) / self.reaches[row]
            parts.append(turned.clamp(-_FARTHEST, _FARTHEST))
        for cosine, sine, times in self._turns:
            around = way
            for _ in range(times - 1):
                around = MovingFrame.turn_back(around, way)
            parts.append(MovingFrame.turn(rows[:, [cosine, sine]], around))
        return torch.cat(parts, dim=1).unflatten(0, observed.shape[:2])

    def axis(self, observed: Tensor) -> Tensor:
        """The first axis, of length 1, now: (B, O) to (B, 2); the base's where both things meet."""
        ahead = observed @ self.ahead
        length = ahead.square().sum(dim=1, keepdim=True).sqrt()
        base = torch.tensor([1.0, 0.0]).to(ahead)
        least = self.places.reach * _SAME_PLACE
        return torch.where(length > least, ahead / torch.maximum(length, least), base)


class FramedActions(nn.Module):
    """Between actions along the axes of the base and along those of the task's frame.

    Attributes:
        pairs: Indices of the elements that are turned, x and y each.
        low: Least action in the training data, shape (A,).
        high: Greatest.

    Args:
        spec: Whose action it is.
        frame: From which thing, and towards which.
        ways: Whether targets are predicted as ways to go, which are turned like steps; targets
            themselves are not.
    """

    low: Tensor
    high: Tensor

    def __init__(self, spec: Spec, frame: tuple[str, ...], *, ways: bool) -> None:
        super().__init__()
        self.pairs = level_motions(spec, axes_of(spec, frame), ways=ways)
        size = spec.action.size
        self.register_buffer("low", torch.zeros(size))
        self.register_buffer("high", torch.zeros(size))

    @property
    def elements(self) -> list[int]:
        """Indices of all that is turned."""
        return [index for pair in self.pairs for index in pair]

    def encode(self, actions: Tensor, axis: Tensor) -> Tensor:
        """Into the frame, (B, H, A), given its first axis, (B, 2)."""
        return self._turned(actions, axis * axis.new_tensor([1.0, -1.0]))

    def decode(self, actions: Tensor, axis: Tensor) -> Tensor:
        """Inverse of `encode`, (..., B, H, A)."""
        return self._turned(actions, axis)

    def frozen(self, constant: Sequence[bool]) -> list[bool]:
        """Which elements never move, given which do not in the frame.

        Of a pair neither does where there was no motion at all; else the frame may turn one into
        the other.
        """
        still = list(constant)
        for pair in self.pairs:
            rests = not any(bool(self.low[i]) or bool(self.high[i]) for i in pair)
            for index in pair:
                still[index] = rests
        return still

    def _turned(self, actions: Tensor, axis: Tensor) -> Tensor:
        columns = list(actions.unbind(-1))
        along, left = axis[:, None, 0], axis[:, None, 1]
        for x, y in self.pairs:
            columns[x], columns[y] = (
                columns[x] * along - columns[y] * left,
                columns[x] * left + columns[y] * along,
            )
        return torch.stack(columns, dim=-1)


#: Nearer to each other, as a share of how far things move, rounding says where the other one is.
_SAME_PLACE = 1e-5
#: Directions and speeds far out of what was demonstrated would swamp the network.
_FARTHEST = 10.0
