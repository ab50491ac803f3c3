"""Does a contract contradict itself?"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ilrobot.control.contract_guards import problem_of_guards, problem_of_rotations
from ilrobot.control.signals import OF_CRITICS

if TYPE_CHECKING:
    from ilrobot.control.contract import Contract

MODES = ("absolute", "delta", "velocity")
#: What the training range of the demonstrated actions is called.
ACTION = "action"


def inconsistency(contract: Contract) -> str | None:
    """What contradicts itself in a contract whose fields are each well formed."""
    spec = contract.spec
    size = spec.action.size
    limits = contract.limits
    if not (math.isfinite(spec.rate) and spec.rate > 0):
        return f"has the rate {spec.rate} Hz, which is not positive"
    if contract.execute > contract.horizon:
        return f"executes {contract.execute} of {contract.horizon} predicted actions"
    if not (math.isfinite(contract.stale_after) and contract.stale_after > 0):
        return f"has a stale-input timeout of {contract.stale_after} s, which is not positive"
    if not (math.isfinite(contract.tolerance) and contract.tolerance >= 0):
        return f"has the tolerance {contract.tolerance}"
    if (limits is None) != (spec.choices is not None):
        return "must have limits for continuous actions, and only for those"
    if limits is not None:
        for key, values in vars(limits).items():
            if len(values) != size:
                return f"has {len(values)} values of '{key}' for {size} action elements"
        if unknown := sorted(set(limits.mode) - set(MODES)):
            return f"has the unknown mode '{unknown[0]}' of an action element"
        if not all(low <= high for low, high in zip(limits.low, limits.high, strict=True)):
            return "has a lower limit above its upper limit"
        if not all(value >= 0 for value in (*limits.velocity, *limits.acceleration)):
            return "has a limit of velocity or acceleration that is not a positive number"
        if problem := problem_of_rotations(limits, spec.action.rotations):
            return problem
        for index in spec.action.velocities:
            if limits.mode[index] != "velocity":
                name = spec.action.element_names[index]
                return f"takes '{name}', which is a velocity, for {limits.mode[index]}"
    if problem := problem_of_guards(
        limits, contract.workspace, contract.fallback, contract.retreat
    ):
        return problem
    if contract.doubt is not None:
        scale = contract.doubt.scale
        if (scale is None) != (limits is None) or (scale is not None and len(scale) != size):
            return f"must have a scale of doubt for each of {size} action elements, of choices none"
    if unknown := sorted(contract.critics.keys() - set(OF_CRITICS)):
        return f"has the unknown critic '{unknown[0]}'"
    for feature in spec.observations:
        if feature.is_image:  # all that it can hold is in range
            continue
        bounds = contract.training_range.get(feature.name)
        if bounds is None:
            return f"lacks the training range of '{feature.name}'"
        if not len(bounds.low) == len(bounds.high) == feature.size:
            return f"has a training range of '{feature.name}' of the wrong length"
    if frame := contract.policy_frame:
        if not frame.origin or not frame.goal or frame.origin == frame.goal:
            return f"has a policy_frame from '{frame.origin}' towards '{frame.goal}'"
        if strange := [name for name in frame.turned if name not in spec.action.names]:
            return f"turns '{strange[0]}', which is no element of the action"
    demonstrated = None if limits is None else contract.training_range.get(ACTION)
    if demonstrated is not None and not len(demonstrated.low) == len(demonstrated.high) == size:
        return f"has a training range of '{ACTION}' of the wrong length"
    return None
