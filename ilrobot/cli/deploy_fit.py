"""Whether a policy and a robot belong together, before anything moves."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ilrobot.errors import UserError

if TYPE_CHECKING:
    from exports.robots.base import Capabilities
    from ilrobot.control.contract import Contract


def fitting_rate(
    contract: Contract,
    capabilities: Capabilities,
    where: str,
    wanted: float | None,
    *,
    simulated: bool = False,
) -> float:
    """The rate of the loop in Hz, once it is sure that policy and robot fit.

    Args:
        contract: The policy's.
        capabilities: The robot's.
        where: The policy's, for the message.
        wanted: Rate that was asked for (None: the policy's).
        simulated: Whether the robot is one of this process, which nothing can break.

    Raises:
        UserError: They do not fit, or the robot does not run at the rate that was asked for.
    """
    from ilrobot.cli.output import console
    from ilrobot.compatibility import check_policy_fits
    from ilrobot.control.contract_joints import check_joints
    from ilrobot.spec import RATE_TOLERANCE

    policy, robot = contract.spec, capabilities.spec
    rate = wanted or policy.rate
    offered = robot.with_rate(policy.rate) if capabilities.any_rate else robot
    check_policy_fits(policy, offered, where)
    _check_meaning(contract, capabilities, where, simulated)
    if contract.joints is not None and capabilities.joints is not None:
        told = check_joints(contract.joints, capabilities.joints, where, capabilities.name)
        if told:
            console.print(told, markup=False, soft_wrap=True)
    if capabilities.any_rate:
        return rate
    if not math.isclose(rate, robot.rate, rel_tol=RATE_TOLERANCE):
        raise UserError(
            f"--rate {rate:g}: {capabilities.name} runs at {robot.rate:g} Hz and at no other rate; "
            "leave out --rate"
        )
    return robot.rate


def _check_meaning(
    contract: Contract, capabilities: Capabilities, where: str, simulated: bool
) -> None:
    """What is a step must not be held by being repeated."""
    from exports.limits import guessed_targets

    guessed, meant = guessed_targets(contract), capabilities.spec.semantics
    if not guessed or meant == "absolute" or (simulated and meant == "unknown"):
        return
    why = (
        f"{capabilities.name} takes steps" if meant == "delta" else "nobody says what they are here"
    )
    raise UserError(
        f"{where} takes '{guessed[0]}' of its actions for a target, which holds the robot by being "
        f"repeated, and {why}; export it again with --guards FILE that says it of each element: "
        '{"limits": {"mode": ["absolute" or "delta", ...]}}'
    )
