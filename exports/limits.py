"""Limits on commands, from what the task states and what the demonstrations did."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ilrobot.commanded import commanded
from ilrobot.control.contract import Contract
from ilrobot.control.contract_parts import Limits
from ilrobot.control.turns import unrolled
from ilrobot.errors import UserError
from ilrobot.spec import NO_LIMIT, Spec

#: Velocity, acceleration and jerk may be this many times the greatest ones demonstrated: tight
#: enough for a fault to be caught, wide enough for a policy that corrects itself.
DYNAMIC_MARGIN = 2.0
#: Where a task states no range, commands may leave the demonstrated one by this share of it.
RANGE_MARGIN = 0.1
#: Least velocity, as a share of the command range per tick, so that an element that never moved
#: in the demonstrations is not clipped for the policy's rounding.
LEAST_STEP = 0.01


def derive_limits(
    spec: Spec, runs: Sequence[NDArray[Any]], modes: Sequence[str] | None = None
) -> Limits | None:
    """The limits that go into the contract.

    With Δa = a_t - a_{t-1} and Δ²a its change, the greatest ones demonstrated, and m the
    `DYNAMIC_MARGIN`, per tick:

    - an absolute target keeps |Δa| ≤ m·max|Δa| and |Δ²a| ≤ m·max(max|Δ²a|, max|Δa|): the second
      term lets it go from rest to its greatest velocity within one tick;
    - a delta is itself the change of the target, so its velocity is bounded by its range, and its
      acceleration by m·max|Δa|;
    - so is a velocity that is commanded, whatever the task's semantics: repeating the last one
      would be to drive on, and rest is 0;
    - the change of that acceleration is bounded by m times the greatest one demonstrated, but not
      below the bound of the acceleration itself, which may so be reached within one tick;
    - of a rotation that is a target, a is what it has turned about x, y and z
      (`ilrobot.control.rotation_limiter`), and a quaternion's real part has no such bound.

    Commands are bounded by the task's action range, and by the demonstrated one, widened by
    `RANGE_MARGIN`, where the task states none that is below `NO_LIMIT`. No bound is below
    `LEAST_STEP` of that range.

    Args:
        spec: Of the task.
        runs: The demonstrated actions, each array of shape (T, A) one uninterrupted motion, in
            physical units (see `exports.real_data.taught_actions`).
        modes: What each element is, as a person says (None: as the spec does), see `Limits.mode`.

    Returns:
        None for discrete actions.

    Raises:
        UserError: An absolute angle was demonstrated across the end of its turn.
    """
    if spec.choices is not None:
        return None
    size = spec.action.size
    arrays = [np.asarray(actions, dtype=np.float64).reshape(-1, size) for actions in runs]
    demonstrated = np.concatenate(arrays)
    low, high = _range(spec, demonstrated)
    mode = _modes(spec) if modes is None else tuple(modes)
    absolute = np.array([m == "absolute" for m in mode])
    _refuse_wrapped(spec, absolute, arrays)

    real_parts: list[int] = []
    span = high - low
    if rotations := [r for r in spec.action.rotations if absolute[r.start]]:
        arrays = [unrolled(actions, rotations) for actions in arrays]
        for rotation in rotations:
            span[rotation.part] = np.max([np.ptp(a[:, rotation.part], axis=0) for a in arrays])
            axes = range(size)[rotation.axes]
            real_parts += [index for index in rotation.elements if index not in axes]
    span = np.where(span > 0, span, 1.0)
    change = np.maximum(_greatest_difference(arrays, 1), LEAST_STEP * span / DYNAMIC_MARGIN)
    second = np.maximum(_greatest_difference(arrays, 2), LEAST_STEP * span / DYNAMIC_MARGIN)
    range_step = np.maximum(np.abs(low), np.abs(high))
    ticks = np.where([m == "velocity" for m in mode], 1.0, spec.rate)
    step = np.where(absolute, DYNAMIC_MARGIN * change, range_step)
    step_change = DYNAMIC_MARGIN * np.where(absolute, np.maximum(second, change), change)
    third = np.where(absolute, _greatest_difference(arrays, 3), _greatest_difference(arrays, 2))
    jerk = np.maximum(DYNAMIC_MARGIN * third, step_change)
    for bound in (step, step_change, jerk):
        bound[real_parts] = np.inf
    return Limits(
        mode=mode,
        low=tuple(low.tolist()),
        high=tuple(high.tolist()),
        velocity=tuple((step * ticks).tolist()),
        acceleration=tuple((step_change * (ticks * spec.rate)).tolist()),
        jerk=tuple((jerk * (ticks * spec.rate**2)).tolist()),
    )


def _refuse_wrapped(
    spec: Spec, absolute: NDArray[np.bool_], arrays: Sequence[NDArray[np.float64]]
) -> None:
    """No limit holds for a number that jumps by a whole turn where the robot hardly moves."""
    greatest = _greatest_difference(arrays, 1)
    for i in spec.action.angles:
        if absolute[i] and math.pi < greatest[i] < math.inf:
            raise UserError(
                f"the angle {spec.action.element_names[i]} of the action was demonstrated across "
                "the end of its turn, where it jumps: a robot that keeps limits on it would turn "
                "all the way back; record it as steps (semantics delta), as a rotation (rotvec, "
                "quat_wxyz), or as an angle that goes on beyond a turn"
            )


def guessed_targets(contract: Contract) -> tuple[str, ...]:
    """Elements of the action that are taken for targets though nothing says so.

    Neither the task (`Spec.semantics`), nor a person who stated their mode, nor an observation of
    the same name. If one is a step in truth, whatever holds the robot repeats it.
    """
    limits = contract.limits
    return () if limits is None else unstated_targets(contract.spec, limits.mode)


def unstated_targets(spec: Spec, mode: Sequence[str] | None = None) -> tuple[str, ...]:
    """The same of what a spec and the modes of its actions say (None: nobody stated a mode)."""
    mode = _modes(spec) if mode is None else mode
    if spec.choices is not None or spec.semantics != "unknown" or "delta" in mode:
        return ()
    each = enumerate(zip(spec.action.element_names, mode, commanded(spec), strict=True))
    return tuple(
        name
        for i, (name, mode, observed) in each
        if mode == "absolute" and observed is None and i not in spec.action.grippers
    )


def _modes(spec: Spec) -> tuple[str, ...]:
    velocities, grippers = spec.action.velocities, spec.action.grippers
    moves = "delta" if spec.semantics == "delta" else "absolute"
    return tuple(
        "velocity" if i in velocities else "absolute" if i in grippers else moves
        for i in range(spec.action.size)
    )


def _range(
    spec: Spec, demonstrated: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    least, greatest = demonstrated.min(axis=0), demonstrated.max(axis=0)
    margin = RANGE_MARGIN * (greatest - least)
    low = np.asarray(spec.action.low or (-np.inf,) * len(least), dtype=np.float64)
    high = np.asarray(spec.action.high or (np.inf,) * len(greatest), dtype=np.float64)
    return (
        np.where(np.abs(low) < NO_LIMIT, low, least - margin),
        np.where(np.abs(high) < NO_LIMIT, high, greatest + margin),
    )


def _greatest_difference(runs: Sequence[NDArray[np.float64]], order: int) -> NDArray[np.float64]:
    differences = [
        np.abs(np.diff(actions, n=order, axis=0)).max(axis=0)
        for actions in runs
        if len(actions) > order
    ]
    return np.max(differences, axis=0) if differences else np.full(runs[0].shape[1], np.inf)
