"""Rotations in the action: six numbers each for the head, and of equal answers the nearest.

With R_k the rotation commanded at tick k of a chunk and S what is observed now of the quantity that
it commands, a head predicts, in the six numbers of `ilrobot.policies.rotations`,

    absolute   R_k
    relative   S^T R_k
    delta      S^T R_0,  then R_(k-1)^T R_k

each in the frame of where it begins, as the relative poses of Chi et al. 2024, "Universal
Manipulation Interface". q and -q command the same, and so do rotation vectors a whole turn apart.
Given is the one nearest to what is observed, with w >= 0 where nothing is; then each the nearest to
the one before it, so that a command never jumps where the motion does not.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ilrobot.commanded import commanded_rotations
from ilrobot.errors import UserError
from ilrobot.policies.config import Actions
from ilrobot.policies.normalize import kinds
from ilrobot.policies.rotations import (
    SIX,
    along,
    in_unit,
    matrices,
    of_matrices,
    orthonormal,
    quaternions,
    running_product,
    six,
)
from ilrobot.rotation_units import Rotation
from ilrobot.spec import Spec


class ActionRotations(nn.Module):
    """Between actions and their codes: the elements that are no rotation, then six for each.

    Attributes:
        size: Numbers of a code, C.
        low: Least action in the training data, shape (A,).
        high: Greatest.

    Args:
        spec: Whose action has rotations.
        actions: What is predicted of those that command what is observed.
    """

    low: Tensor
    high: Tensor
    plain: Tensor
    order: Tensor

    def __init__(self, spec: Spec, actions: Actions) -> None:
        super().__init__()
        self._action, self._mode = spec.action, actions
        size, rotations = spec.action.size, spec.action.rotations
        observed = commanded_rotations(spec)
        if spec.semantics == "delta":  # a step is no pose: what it is nearest to is no turn
            observed = (None,) * len(rotations)
        self._rotations = list(zip(rotations, observed, strict=True))
        turning = [index for rotation in rotations for index in rotation.elements]
        self._plain = [index for index in range(size) if index not in turning]
        self.size = len(self._plain) + SIX * len(rotations)
        self.register_buffer("plain", torch.tensor(self._plain).long(), persistent=False)
        order = torch.tensor([*self._plain, *turning]).argsort()
        self.register_buffer("order", order, persistent=False)
        self.register_buffer("low", torch.zeros(size))
        self.register_buffer("high", torch.zeros(size))

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kind of each number of a code, see `ilrobot.policies.normalize.kinds`.

        Those of rotations are compared with each other: a step may be far smaller than a turn.
        """
        elements = kinds((self._action,))
        return (*(elements[i] for i in self._plain), *("rotation",) * (SIX * len(self._rotations)))

    def frozen(self, constant: Sequence[bool]) -> list[bool]:
        """Which elements of the action never move, given which numbers of a code do not.

        A rotation about one axis moves in all its elements.
        """
        still = dict(zip(self._plain, constant, strict=False))
        for number, (rotation, _) in enumerate(self._rotations):
            first = len(self._plain) + SIX * number
            rests = all(constant[first : first + SIX])
            still.update(dict.fromkeys(rotation.elements, rests))
        return [still[index] for index in range(self._action.size)]

    def encode(self, actions: Tensor, observed: Tensor) -> Tensor:
        """Codes, shape (B, H, C).

        Args:
            actions: Shape (B, H, A).
            observed: All observed elements now, shape (B, O).
        """
        parts = [actions.index_select(-1, self.plain)]
        for rotation, source in self._rotations:
            turn = matrices(actions[..., rotation.part], rotation.unit)
            if source is not None and self._mode != "absolute":
                start = matrices(_seen(source, observed), source.unit)
                if self._mode == "delta":
                    start = torch.cat([start, turn[:, :-1]], dim=1)
                turn = start.transpose(-1, -2) @ turn
            parts.append(six(turn))
        return torch.cat(parts, dim=-1)

    def decode(self, codes: Tensor, observed: Tensor) -> Tensor:
        """Inverse of `encode` up to equal answers, (..., B, H, C) to (..., B, H, A)."""
        plain, *sixes = codes.split([len(self._plain), *[SIX] * len(self._rotations)], dim=-1)
        parts = [plain]
        for (rotation, source), given in zip(self._rotations, sixes, strict=True):
            turn = orthonormal(given)
            start = turn.new_tensor([1.0, 0.0, 0.0, 0.0])
            if source is not None:
                seen = _seen(source, observed)
                start = quaternions(seen, source.unit)
                if self._mode == "delta":
                    turn = running_product(turn)
                if self._mode != "absolute":
                    turn = matrices(seen, source.unit) @ turn
            parts.append(in_unit(along(of_matrices(turn), start), rotation.unit))
        return torch.cat(parts, dim=-1).index_select(-1, self.order)

    def nearest(self, actions: Tensor, to: Tensor) -> Tensor:
        """The same actions, (..., A), each rotation by the answer nearest to that of `to`."""
        parts = [actions.index_select(-1, self.plain)]
        for rotation, _ in self._rotations:
            turn, other = (quaternions(x[..., rotation.part], rotation.unit) for x in (actions, to))
            turn = along(turn[..., None, :], other[..., None, :])[..., 0, :]
            parts.append(in_unit(turn, rotation.unit))
        return torch.cat(parts, dim=-1).index_select(-1, self.order)


def refuse_rotations(spec: Spec, what: str) -> None:
    """Refuse actions with rotations, for learners that know the numbers of an action only.

    Raises:
        UserError: There are some.
    """
    for rotation in spec.action.rotations:
        raise UserError(
            f"{what} cannot learn actions with rotations yet, and those of this task have one of "
            f"unit '{rotation.unit}'; clone them by --learner bc"
        )


def _seen(source: Rotation, observed: Tensor) -> Tensor:
    """What is observed of a rotation, (B, O) to (B, 1, 3 or 4)."""
    return observed[:, None, source.part]
