"""Soft actor-critic of stable-baselines3, on a `Policy`.

Haarnoja et al. 2018, "Soft actor-critic algorithms and applications". Its critics, targets,
temperature and updates are stable-baselines3's own. The actor is ours, a Gaussian without tanh.
"""

from __future__ import annotations

from typing import Any

import torch
from stable_baselines3 import SAC
from stable_baselines3.sac.policies import SACPolicy
from torch import Tensor, nn

from ilrobot.learners.reinforcement.off_policy import OffPolicyReinforcer
from ilrobot.policies.bounded import bounded
from ilrobot.policies.density import PolicyDensity
from ilrobot.policies.policy import Policy


class SacReinforcer(OffPolicyReinforcer):
    """See `OffPolicyReinforcer`.

    With a `reference` the entropy is replaced by -KL(π ‖ π_ref), of fixed weight: what is maximised
    is Σ r - w log(π / π_ref).
    """

    told = {**OffPolicyReinforcer.told, "temperature": "ent_coef"}  # noqa: RUF012
    _model: SAC

    def state(self) -> dict[str, Any]:
        """See `Reinforcer`."""
        warmth, log_temperature = self._model.ent_coef_optimizer, self._model.log_ent_coef
        return {
            **super().state(),
            "log_temperature": None if log_temperature is None else log_temperature.detach(),
            "temperature_optimizer": None if warmth is None else warmth.state_dict(),
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """See `Reinforcer`."""
        super().load_state(state)
        model = self._model
        if model.ent_coef_optimizer is not None and model.log_ent_coef is not None:
            with torch.no_grad():
                model.log_ent_coef.copy_(state["log_temperature"])
            model.ent_coef_optimizer.load_state_dict(state["temperature_optimizer"])

    def _warm(self, updates: int) -> None:
        """See `OffPolicyReinforcer`; the temperature waits, too: nobody answers it meanwhile."""
        model = self._model
        learns = model.ent_coef_optimizer
        if model.log_ent_coef is not None:
            model.ent_coef_tensor = model.log_ent_coef.detach().exp()
        model.ent_coef_optimizer = None
        try:
            super()._warm(updates)
        finally:
            model.ent_coef_optimizer = learns

    def _algorithm(self, reference: Policy | None, leash: float) -> SAC:
        moving = int((self.policy.action_normalizer.spread > 0).sum())
        return SAC(
            _Policy,
            **self._common,
            target_entropy=-float(moving),  # of the others there is no density
            ent_coef=f"auto_{_TEMPERATURE}" if reference is None else leash,
            policy_kwargs={"ours": (self.policy, reference), **self._critics},
        )


class _Actor(nn.Module):
    """A `Policy` in the place of stable-baselines3's actor."""

    optimizer: torch.optim.Optimizer

    def __init__(self, policy: Policy, reference: Policy | None) -> None:
        super().__init__()
        self.policy = policy
        self._density = PolicyDensity(policy)
        self._limits = self._density.limits()
        self._reference = None if reference is None else PolicyDensity(reference)

    def action_log_prob(self, observations: Tensor) -> tuple[Tensor, Tensor]:
        """A drawn action within ±1, (B, A), and log π, with a leash log(π / π_ref), (B,)."""
        mean, log_std = self._density.distribution(observations)
        drawn = mean + log_std.exp() * torch.randn_like(mean)
        worth = self._density.log_normalized(drawn, mean, log_std)
        if self._reference is not None:
            other = self._reference.distribution(observations)
            worth = worth - self._reference.log_normalized(drawn, *other)
        return bounded(drawn, *self._limits), worth

    def set_training_mode(self, mode: bool) -> None:
        """There is only one mode: a density must not change by what is dropped out."""


class _Policy(SACPolicy):
    """stable-baselines3's critics beside our actor."""

    def __init__(self, *told: Any, ours: tuple[Policy, Policy | None], **keywords: Any) -> None:
        self._ours = ours
        super().__init__(*told, **keywords)

    def make_actor(self, features_extractor: Any = None) -> Any:
        """See `SACPolicy`."""
        return _Actor(*self._ours)

    def set_training_mode(self, mode: bool) -> None:
        """The critics have only one mode, too."""


#: At first. A Gaussian without tanh gains entropy from any spread, beyond the limits as well, and
#: with stable-baselines3's 1 it does little else until the temperature has fallen.
_TEMPERATURE = 0.1
