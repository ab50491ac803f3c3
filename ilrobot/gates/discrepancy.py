"""How far the novice's action is from the expert's: what several gates decide by.

ε(o) = ‖π(o) - π*(o)‖²        (Zhang and Cho 2017, arXiv:1605.06450)
"""

from __future__ import annotations

import math

import numpy as np

from ilrobot.errors import UserError
from ilrobot.gates.gate import GateContext
from ilrobot.spec import Spec

#: The default threshold, as a share of the squared diagonal of the box of actions.
SHARE = 0.008


def discrepancy(context: GateContext) -> float:
    """Squared Euclidean distance of the two actions, in the action's units squared.

    Infinite where the novice is late or its action is not finite: the expert is to act.

    Raises:
        UserError: The expert gave no action to compare with.
    """
    if context.human_action is None:
        raise UserError(
            "this gate compares the policy's action with the expert's at every step, and the "
            "expert gave none; use an expert that can be asked, or the human gate"
        )
    if context.policy_action is None:
        return math.inf
    difference = np.subtract(context.policy_action, context.human_action, dtype=np.float64)
    squared = float(np.sum(difference**2))
    return squared if math.isfinite(squared) else math.inf


def default_threshold(spec: Spec) -> float:
    """τ = 0.008 Σ_j (high_j - low_j)², the sum being over the elements of the action.

    Raises:
        UserError: The action is one of several choices, or has no limits.
    """
    action = spec.action
    if spec.choices is not None:
        raise UserError(
            "the distance of two of this task's actions says nothing, because they are choices; "
            "use the beta or the human gate"
        )
    bounds = np.array([action.low or (-math.inf,), action.high or (math.inf,)], np.float64)
    total = float(np.sum((bounds[1] - bounds[0]) ** 2))
    if not math.isfinite(total):
        raise UserError("this task's action has no limits; state the threshold of the discrepancy")
    return SHARE * total


def check_threshold(what: str, value: float) -> float:
    """The value, if it is a threshold.

    Raises:
        UserError: It is negative or not finite.
    """
    if not (math.isfinite(value) and value >= 0.0):
        raise UserError(f"the threshold of the {what} must be 0 or more, not {value}")
    return value
