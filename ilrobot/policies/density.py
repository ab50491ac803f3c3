"""How likely a policy's actions are: what reinforcement and adversarial learning need of it.

A policy of one observation, one action and a Gaussian head has a density, of which everything here
speaks in one vector per observation: the features of the spec side by side, physical units.
"""

from __future__ import annotations

import copy
import math
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from ilrobot.errors import UserError
from ilrobot.policies.action_rotations import refuse_rotations
from ilrobot.policies.config import PolicyConfig
from ilrobot.policies.config_checks import several
from ilrobot.policies.heads.gaussian import LOG_STD_BOUNDS, GaussianHead, gaussian_nll
from ilrobot.policies.policy import Policy
from ilrobot.spec import Feature, Spec

#: Heads whose prediction can stand for the mean of a Gaussian.
_REGRESSING = frozenset({"mse", "l1", "huber", "log-cosh"})
#: A new policy's means are so much smaller than a layer's usual output, so that it begins by
#: exploring about the middle of its actions (Andrychowicz et al. 2021, "What matters in on-policy
#: reinforcement learning?", section 3.2).
_SMALL = 0.01


class PolicyDensity:
    """π(a | o) of a policy with a Gaussian head: in its normalised actions, and in physical units.

    Args:
        policy: Whose; it is read, never changed.

    Raises:
        UserError: It has none: another head, a history, chunks or several members.
    """

    def __init__(self, policy: Policy) -> None:
        check_density(policy.config, "the policy")
        refuse_rotations(policy.spec, "what needs a density")
        self.policy = policy
        spread = policy.action_normalizer.spread
        moves = spread > 0  # the others have one value, of which no density speaks
        self._moving = None if bool(moves.all()) else moves.nonzero()[:, 0]
        self._log_scale = float(spread[moves].log().sum())

    def distribution(self, observations: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log standard deviation of the normalised action, (B, O) to (B, A) each."""
        return self.given(self.encode(observations))

    def given(self, condition: Tensor) -> tuple[Tensor, Tensor]:
        """The same from encoded observations, (B, C)."""
        head = self.policy.head
        assert isinstance(head, GaussianHead)
        mean, log_std = head.distribution(condition)
        return mean[:, 0], log_std[:, 0]

    def log_normalized(self, actions: Tensor, mean: Tensor, log_std: Tensor) -> Tensor:
        """Logarithm of the density of normalised actions, each (B, A), to (B,)."""
        return -self._summed(gaussian_nll(actions, mean, log_std))

    def entropy(self, log_std: Tensor) -> Tensor:
        """Of the normalised action, (B, A) to (B,)."""
        return self._summed(log_std + (1 + math.log(2 * math.pi)) / 2)

    def log_density(self, observations: Tensor, actions: Tensor) -> Tensor:
        """Logarithm of the density of physical actions, (B, O) and (B, A) to (B,)."""
        mean, log_std = self.distribution(observations)
        log_normalized = self.log_normalized(self.normalize(actions, observations), mean, log_std)
        return log_normalized - self._log_scale

    def normalize(self, actions: Tensor, observations: Tensor) -> Tensor:
        """Physical actions as the head speaks of them, (B, A) and (B, O) to (B, A)."""
        named = self._named(observations)
        return self.policy.represent(actions[:, None], named)[:, 0]

    def physical(self, normalized: Tensor, observations: Tensor) -> Tensor:
        """Inverse of `normalize`."""
        decoded = self.policy.decode(normalized[:, None], self._named(observations))
        return decoded[:, 0].flatten(1)

    def limits(self) -> tuple[Tensor, Tensor]:
        """Least and greatest normalised action that the task allows, (A,) each.

        Infinite where it states none, and where actions are relative to what is seen; as far as the
        corners of what it allows for what is turned; both 0 of an element that has one value.
        """
        normalizer, action = self.policy.action_normalizer, self.policy.spec.action
        pairs = [] if self.policy.framed is None else self.policy.framed.pairs
        sides = []
        for stated, none in ((action.low, -math.inf), (action.high, math.inf)):
            if stated is None or self.policy.relative is not None:
                side = torch.full_like(normalizer.spread, none)
            else:
                limit = torch.tensor(stated).to(normalizer.spread)
                for pair in pairs:
                    limit[list(pair)] = math.copysign(_corner(action, pair), none)
                side = normalizer(limit)
            sides.append(torch.where(normalizer.spread > 0, side, torch.zeros_like(side)))
        return sides[0], sides[1]

    def divergence(
        self, reference: PolicyDensity, condition: Tensor, mean: Tensor, log_std: Tensor
    ) -> Tensor:
        """KL(π ‖ reference) of each encoded observation, (B,), given π's mean and log deviation.

        Both must normalise alike, as a policy does and the one that it began as.
        """
        with torch.no_grad():
            other_mean, other_log_std = reference.given(condition)
        return self._summed(gaussian_divergence(mean, log_std, other_mean, other_log_std))

    def encode(self, observations: Tensor) -> Tensor:
        """Observations as the network reads them, (B, O) to (B, C)."""
        return self.policy.encoder.encode(observations[:, None])

    def _summed(self, elements: Tensor) -> Tensor:
        """Over the elements of the action that have a density, (B, A) to (B,)."""
        if self._moving is not None:
            elements = elements.index_select(1, self._moving)
        return elements.sum(dim=1)

    def _named(self, observations: Tensor) -> dict[str, Tensor]:
        return named(self.policy.spec, observations)


def _corner(action: Feature, pair: tuple[int, int]) -> float:
    """How far the farthest corner of two elements' limits is."""
    sides = (*(action.low or (-math.inf,)), *(action.high or (math.inf,)))
    size = action.size
    if len(sides) != 2 * size:
        return math.inf
    return math.hypot(*(max(abs(sides[i]), abs(sides[size + i])) for i in pair))


def named(spec: Spec, observations: Tensor) -> dict[str, Tensor]:
    """Observations side by side, (B, O), as histories of one by their names."""
    features = spec.observations
    parts = observations.split([f.size for f in features], dim=1)
    return {f.name: p.reshape(-1, 1, *f.shape) for f, p in zip(features, parts, strict=True)}


def log_density(policy: Policy, observations: Tensor, actions: Tensor) -> Tensor:
    """log π(a | o) of executed actions.

    Where a limit cut the action off, it is the density at the limit, as is the field's custom, and
    not the probability of all that lies beyond.

    Args:
        policy: With a Gaussian head, one observation and one action.
        observations: The features of its spec side by side, (B, O), physical units.
        actions: Shape (B, A), physical units.

    Returns:
        Shape (B,), differentiable in the policy's weights; in units of the action to the power -A.

    Raises:
        UserError: The policy has no density.
    """
    return PolicyDensity(policy).log_density(observations, actions)


def gaussian_divergence(
    mean: Tensor, log_std: Tensor, other_mean: Tensor, other_log_std: Tensor
) -> Tensor:
    """KL(N(mean, std²) ‖ N(other_mean, other_std²)), element by element."""
    variance, way = (2 * log_std).exp(), (mean - other_mean).square()
    return other_log_std - log_std + (variance + way) / (2 * (2 * other_log_std).exp()) - 0.5


def check_density(config: PolicyConfig, what: str) -> None:
    """Refuse what has no density.

    Raises:
        UserError: It has another head, a history, chunks or several members.
    """
    check_single(config, what)
    if config.head != "gaussian":
        raise UserError(f"{what} has the head {config.head}, and this needs gaussian")


def new_policy(spec: Spec, config: PolicyConfig, log_std: float) -> Policy:
    """A policy that has seen nothing: it explores about the middle of its actions.

    Actions are normalised by their limits, or not at all where they have none; observations not
    yet.

    Args:
        spec: The task's.
        config: With a Gaussian head.
        log_std: Of its normalised actions at the beginning.

    Raises:
        UserError: They do not fit each other, it has a frame, or it would have no density.
    """
    check_density(config, "the policy")
    refuse_rotations(spec, "what learns by trying")
    if config.frame:
        raise UserError("what has seen nothing knows no frame yet; begin with a clone in one")
    policy = Policy(spec, replace(config, clip_actions=True))
    size = policy.spec.action.size
    low = np.array(policy.spec.action.low or (-math.inf,) * size)
    high = np.array(policy.spec.action.high or (math.inf,) * size)
    bounded = np.isfinite(low) & np.isfinite(high)
    low, high = np.where(bounded, low, -1.0), np.where(bounded, high, 1.0)
    policy.action_normalizer.adopt((low + high) / 2, (high - low) / 2, low, high)
    layer = _last_layer(policy)
    with torch.no_grad():
        layer.weight.mul_(_SMALL)
        layer.bias.zero_()
    spread_evenly(policy, log_std)
    return policy


def as_gaussian(policy: Policy, log_std: float, *, keep_spread: bool = True) -> Policy:
    """A copy with a Gaussian head: what a regression predicts becomes the mean.

    The copy drops nothing out, so that its density is one, and
    acts within the limits of the task.

    Args:
        policy: Of one observation and one action.
        log_std: Of the normalised actions.
        keep_spread: Whether a Gaussian policy keeps its own spread instead.

    Raises:
        UserError: It predicts something else than one action, or has no such head.
    """
    config = replace(policy.config, dropout=0.0, observation_noise=0.0, clip_actions=True)
    check_single(config, "the policy to begin with")
    if config.head == "gaussian":
        made = Policy(policy.spec, config)
        made.load_state_dict(policy.state_dict())
        if not keep_spread:
            spread_evenly(made, log_std)
        return made.eval()
    if config.head not in _REGRESSING:
        raise UserError(
            f"the policy to begin with has the head {config.head}, of which there is no density; "
            "begin with a clone by --policy bc, or improve this one by --learner raft"
        )
    made = Policy(policy.spec, replace(config, head="gaussian"))
    weights = copy.deepcopy(policy.state_dict())
    here = _last_layer(policy)
    for name, layer in policy.named_modules():
        if layer is here:
            rest = torch.zeros_like(here.weight)
            weights[f"{name}.weight"] = torch.cat([here.weight.detach(), rest])
            weights[f"{name}.bias"] = torch.cat([here.bias.detach(), rest[:, 0]])
    made.load_state_dict(weights)
    spread_evenly(made, log_std)
    return made.eval()


def spreads(policy: Policy | None) -> bool:
    """Whether there is a policy that has a spread of its own."""
    return policy is not None and policy.config.head == "gaussian"


def spread_evenly(policy: Policy, log_std: float) -> None:
    """Give a Gaussian policy this log standard deviation everywhere, in normalised units."""
    low, high = LOG_STD_BOUNDS
    share = (log_std - low) / (high - low) * 2 - 1
    if not -1 < share < 1:
        raise ValueError(f"a logarithm within {low} and {high}, not {log_std}")
    layer = _last_layer(policy)
    size = layer.out_features // 2
    with torch.no_grad():
        layer.weight[size:] = 0
        layer.bias[size:] = math.atanh(share)


def check_single(config: PolicyConfig, what: str) -> None:
    """Refuse what is no perceptron from one observation to one action.

    Raises:
        UserError: It has another network, a history, chunks, several members or a residual.
    """
    if config.residual is not None:
        raise UserError(
            f"{what} has a residual already, beside which nothing more is learnt; begin with the "
            "policy that it was learnt beside"
        )
    if config.network != "mlp":
        raise UserError(f"{what} has the network {config.network}, and this needs mlp")
    if more := several(config):
        raise UserError(
            f"{what} has {more}, and reinforcement learning improves one action for one "
            "observation; begin with a clone by --policy bc, or improve this one by --learner raft"
        )


def _last_layer(policy: Policy) -> nn.Linear:
    """Which gives the means and what bounds to the spreads, element by element."""
    layers = [layer for layer in policy.head.modules() if isinstance(layer, nn.Linear)]
    return layers[-1]
