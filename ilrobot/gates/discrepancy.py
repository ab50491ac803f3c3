"""How far the novice's action is from the expert's: what several gates decide by.

    ε(o) = 1/D Σ_j ((π(o)_j - π*(o)_j) / range_j)²

This is ‖π(o) - π*(o)‖² of Zhang and Cho 2017, arXiv:1605.06450, with each of the D elements of the
action measured by its range, so that metres, radians and a gripper's opening can be added. Of an
angle, and of a rotation that is a target, π(o) is that of its equal answers which is nearest to the
expert's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ilrobot.control.turns import nearest_rows
from ilrobot.errors import UserError
from ilrobot.gates.gate import GateContext
from ilrobot.rotation_units import Rotation
from ilrobot.spec import NO_LIMIT, Spec

#: The default threshold. LazyDAgger's authors take ‖π(o) - π*(o)‖² > 0.008 Σ_j range_j² in their
#: program, which is the same where all ranges are alike.
THRESHOLD = 0.008


class Discrepancy:
    """ε of a tick.

    Args:
        ranges: Of each element of the action, in its units, above 0; `action_ranges` of a spec.
        rotations: Its `Spec.target_rotations`.
        angles: Its `Feature.angles`.
    """

    asks_expert = True
    name = "discrepancy"

    def __init__(
        self, ranges: ArrayLike, rotations: Sequence[Rotation] = (), angles: Sequence[int] = ()
    ) -> None:
        self._ranges, self._equal = np.asarray(ranges, np.float64), (rotations, angles)

    @classmethod
    def of(cls, spec: Spec) -> Discrepancy:
        """Between actions of a task, by their limits.

        Raises:
            UserError: See `action_ranges`.
        """
        return cls(action_ranges(spec), spec.target_rotations, spec.action.angles)

    def __call__(self, context: GateContext) -> float:
        """ε: 0 where both want the same, 1 where they are a whole range apart.

        Infinite where the novice is late or its action is not finite: the expert is to act.

        Raises:
            UserError: The expert gave no action to compare with.
        """
        if context.human_action is None:
            raise UserError(
                "this gate compares the policy's action with the expert's, and the expert gave "
                "none; use an expert that can be asked at every step, or the human gate"
            )
        if context.policy_action is None:
            return math.inf
        policy, expert = context.policy_action[None], context.human_action[None]
        value = float(discrepancies(policy, expert, self._ranges, *self._equal)[0])
        return value if math.isfinite(value) else math.inf


def discrepancies(
    policy: NDArray[Any],
    expert: NDArray[Any],
    ranges: ArrayLike,
    rotations: Sequence[Rotation] = (),
    angles: Sequence[int] = (),
) -> NDArray[np.float64]:
    """ε of many pairs of actions, shape (N,), from shapes (N, *action shape).

    Args:
        policy: The novice's actions.
        expert: The expert's.
        ranges: Of each element, in the action's shape and units.
        rotations: The `Spec.target_rotations` of the actions.
        angles: Their `Feature.angles`.
    """
    policy = nearest_rows(policy, expert, rotations, angles)
    apart = np.subtract(policy, expert, dtype=np.float64) / np.asarray(ranges, np.float64)
    return np.mean(apart.reshape(len(apart), -1) ** 2, axis=1)


def action_ranges(spec: Spec) -> NDArray[np.float64]:
    """Greatest less least value of each element of the action, in its shape and units.

    Raises:
        UserError: The action is one of several choices, or an element has no range.
    """
    action = spec.action
    if spec.choices is not None:
        raise UserError(
            "how far two of this task's actions are apart says nothing, because they are choices; "
            "use the beta or the human gate"
        )
    if action.low is None or action.high is None:
        raise UserError("this task's action has no limits; state the range of each element")
    ranges = np.subtract(action.high, action.low, dtype=np.float64).reshape(action.shape)
    bounds = np.abs((action.low, action.high)) < NO_LIMIT
    if not (bounds.all() and (ranges > 0.0).all()):
        raise UserError("an element of this task's action has no range; state one for each")
    return ranges


def check_threshold(what: str, value: float) -> float:
    """The value, if it is a threshold.

    Raises:
        UserError: It is negative or not finite.
    """
    if not (math.isfinite(value) and value >= 0.0):
        raise UserError(f"the threshold of the {what} must be 0 or more, not {value}")
    return value
