"""Whether a policy, a dataset or a reward is of a task."""

from __future__ import annotations

import math
from typing import Literal

from ilrobot.errors import UserError
from ilrobot.spec import NO_LIMIT, RATE_TOLERANCE, Feature, Spec

_MADE = {"policy": "trained on", "dataset": "recorded in", "reward": "learnt in"}
#: Ranges of an action that are further apart are of actions that are scaled otherwise.
_MOST_APART = 2.0


def check_policy_fits(
    policy: Spec, task: Spec, where: str, what: Literal["policy", "dataset", "reward"] = "policy"
) -> None:
    """Refuse a policy for other observations, other actions or another rate than the task's.

    Shapes, the number of choices and the rate are always compared; names and units of elements,
    frames, semantics, controller and how far actions go only where both sides state them, so that a
    policy from imported data runs on an environment that states none.

    Args:
        policy: What the policy was trained on.
        task: What the environment or robot gives.
        where: Named in the message, e.g. the path of the policy.
        what: Has the spec, if not a policy: what was demonstrated, or a learnt reward.

    Raises:
        UserError: They differ; the line names what differs and both sides.
    """
    place = task.task or "the task"
    cure = f"use the task it was {_MADE[what]}"
    offered = {feature.name: feature for feature in task.observations}
    for wanted in policy.observations:
        have = offered.get(wanted.name)
        if have is None:
            if wanted.is_image:
                cure = f"{cure}, with its cameras (--options cameras=...)"
            raise UserError(
                f"{where}: the {what} {'has' if what == 'dataset' else 'reads'} '{wanted.name}', "
                f"which {place} does not give (it gives {', '.join(offered) or 'nothing'}); {cure}"
            )
        _check_feature(wanted, have, where, what, place)
    if policy.choices != task.choices:
        raise UserError(
            f"{where}: the {what} has {_kind(policy)} but {place} takes {_kind(task)}; {cure}"
        )
    _check_feature(policy.action, task.action, where, what, place)
    if what != "reward":
        _check_ranges(policy.action, task.action, where, what, place)
    if "unknown" not in (policy.semantics, task.semantics):
        _check_same("the action is", policy.semantics, task.semantics, where, what, place)
    _check_same(
        "the action's controller is", policy.controller, task.controller, where, what, place
    )
    if not math.isclose(policy.rate, task.rate, rel_tol=RATE_TOLERANCE):
        if policy.task in ("", task.task):
            cure = (
                f"{cure}, or, if this is it, its data state a wrong rate: import them again with "
                f"--rate {task.rate:g} and train again"
            )
        acts = "is of" if what == "dataset" else "acts at"
        raise UserError(
            f"{where}: the {what} {acts} {policy.rate:g} Hz but {place} runs at {task.rate:g} Hz; "
            f"{cure}"
        )


def _kind(spec: Spec) -> str:
    return "continuous actions" if spec.choices is None else f"{spec.choices} discrete actions"


def _check_feature(wanted: Feature, have: Feature, where: str, what: str, place: str) -> None:
    if wanted.shape != have.shape:
        raise UserError(
            f"{where}: '{wanted.name}' has shape {list(wanted.shape)} in the {what} but "
            f"{list(have.shape)} in {place}; use the task it was {_MADE[what]}"
        )
    for words, ours, theirs in (
        ("is", wanted.names, have.names),
        ("is in", wanted.units, have.units),
    ):
        for index, (one, other) in enumerate(zip(ours, theirs, strict=False)):
            said = f"element {index} of '{wanted.name}' {words}"
            _check_same(said, one, other, where, what, place)
    _check_same(f"'{wanted.name}' is in the frame", wanted.frame, have.frame, where, what, place)


def _check_ranges(wanted: Feature, have: Feature, where: str, what: str, place: str) -> None:
    """Both state how far an action goes, and it is about as far, or one states nothing.

    The same number is another motion where actions are scaled otherwise; joints of the same kind
    may be stopped a little earlier or later. A range of one value says nothing of its scale.
    """
    limits = (wanted.low, wanted.high, have.low, have.high)
    if any(side is None for side in limits):
        return
    sides = zip(*(side for side in limits if side is not None), strict=True)
    for name, (low, high, least, most) in zip(wanted.element_names, sides, strict=True):
        if max(map(abs, (low, high, least, most))) >= NO_LIMIT:
            continue
        narrower, wider = sorted((high - low, most - least))
        apart = low > most or least > high
        if apart or (narrower and wider > _MOST_APART * narrower):
            raise UserError(
                f"{where}: '{name}' of 'action' goes from {low:g} to {high:g} in the {what} but "
                f"from {least:g} to {most:g} in {place}, so that the same number is another "
                f"motion; use the task it was {_MADE[what]}"
            )


def _check_same(said: str, ours: str, theirs: str, where: str, what: str, place: str) -> None:
    """Both sides say the same, or one of them says nothing."""
    if ours and theirs and ours != theirs:
        raise UserError(
            f"{where}: {said} '{ours}' in the {what} but '{theirs}' in {place}; they must agree"
        )
