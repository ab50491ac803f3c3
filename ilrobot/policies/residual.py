"""A frozen policy with a residual that has learnt nothing yet."""

from __future__ import annotations

import copy
from dataclasses import replace

import torch
from torch import nn

from ilrobot.errors import UserError
from ilrobot.policies.density import check_single
from ilrobot.policies.heads.residual import ResidualHead
from ilrobot.policies.policy import Policy
from ilrobot.policies.residual_config import ResidualConfig

#: What moved less in the demonstrations than this share of others of its unit is held, not moved.
_LEAST_SHARE = 0.01


def with_residual(
    policy: Policy,
    *,
    bound: float = 0.7,
    bound_at_rest: float | None = None,
    frame: tuple[str, ...] = (),
) -> Policy:
    """A copy that begins by acting nearly as the policy does, within the limits of the task.

    A residual is added to what was moved in the demonstrations.

    Args:
        policy: Of one observation and one action, that draws nothing.
        bound: Greatest residual, in standard deviations of what was demonstrated.
        bound_at_rest: The same where the policy stands still; see `ResidualConfig`.
        frame: From which thing towards which its network is told where things are (empty: it is
            told in no frame).

    Raises:
        UserError: The policy is of another kind, or the frame is not observed.
    """
    check_single(policy.config, "the policy to begin with")
    if policy.noise_shape is not None:
        raise UserError(
            f"the policy to begin with draws its actions (head {policy.config.head}), and a "
            "residual is learnt beside one that does not; improve this one by --learner raft"
        )
    residual = ResidualConfig(_moved(policy), bound, bound_at_rest, frame=frame)
    config = replace(
        policy.config, dropout=0.0, observation_noise=0.0, clip_actions=True, residual=residual
    )
    made = Policy(policy.spec, config)
    head = made.head
    assert isinstance(head, ResidualHead)
    weights = {
        f"head.base.{name.removeprefix('head.')}" if name.startswith("head.") else name: value
        for name, value in policy.state_dict().items()
    }
    made.load_state_dict({**made.state_dict(), **weights})
    head.adopt(made.encoder.normalizer, made.action_normalizer)
    return made.eval()


def without_residual(policy: Policy) -> Policy:
    """A copy of a policy with a residual that acts as its base does."""
    made = copy.deepcopy(policy)
    head = made.head
    assert isinstance(head, ResidualHead)
    last = head.network[-1]
    assert isinstance(last, nn.Linear)
    with torch.no_grad():
        last.weight.zero_()
        last.bias.zero_()
    return made


def _moved(policy: Policy) -> tuple[str, ...]:
    """Names of the elements that a residual is added to.

    Raises:
        UserError: There are none.
    """
    action = policy.spec.action
    spread = policy.action_normalizer.spread
    units = action.units or ("",) * action.size
    greatest = {
        unit: torch.stack([s for s, u in zip(spread, units, strict=True) if u == unit]).max()
        for unit in units
    }
    moved = tuple(
        name
        for name, unit, value in zip(action.element_names, units, spread, strict=True)
        if value > _LEAST_SHARE * greatest[unit]
    )
    if not moved:
        raise UserError(
            "the policy to begin with never moves anything, so that there is nothing to add a "
            "residual to"
        )
    return moved
