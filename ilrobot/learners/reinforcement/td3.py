"""Twin delayed deep deterministic policy gradient of stable-baselines3, on a `Policy`.

Fujimoto, van Hoof and Meger 2018, "Addressing function approximation error in actor-critic
methods", arXiv:1802.09477, algorithm 1. Its critics and updates are stable-baselines3's own. The
actor is ours: the mean of a Gaussian whose spread is the exploration, and has no gradient.
"""

from __future__ import annotations

import copy
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3 import TD3
from stable_baselines3.common.policies import ContinuousCritic
from stable_baselines3.td3.policies import TD3Policy
from torch import Tensor, nn

from ilrobot.learners.reinforcement.config import Td3Config
from ilrobot.learners.reinforcement.off_policy import OffPolicyReinforcer
from ilrobot.policies.bounded import bounded
from ilrobot.policies.density import PolicyDensity, gaussian_divergence
from ilrobot.policies.policy import Policy


class Td3Reinforcer(OffPolicyReinforcer):
    """See `OffPolicyReinforcer`.

    With a `reference` the policy maximises Q(s, μ(s)) - w KL(N(μ, σ²) ‖ π_ref) at what is
    remembered, where σ is the exploration.
    """

    _model: TD3
    _config: Td3Config

    def state(self) -> dict[str, Any]:
        """See `Reinforcer`."""
        return {
            **super().state(),
            "slow_head": self._model.actor_target.state_dict(),
            "updates": self._model._n_updates,
            "scaled": True,
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """See `Reinforcer`."""
        super().load_state(state)
        self._model.actor_target.load_state_dict(state["slow_head"])
        self._model._n_updates = int(state["updates"])
        if "scaled" not in state:  # what runs of before remember is not divided
            self._memory.actions[:] = self._as_critics_see(self._memory.actions)

    def _as_critics_see(self, actions: NDArray[np.float32]) -> NDArray[np.float32]:
        """See `MeanActor`."""
        divided: NDArray[np.float32] = actions / _scale(self.policy).cpu().numpy()
        return divided

    def _algorithm(self, reference: Policy | None, leash: float) -> TD3:
        tied = None if reference is None else _Leash(self.policy, reference, leash)
        smoothing = self._config.smoothing, self._config.smoothing_bound
        return TD3(
            _Policy,
            **self._common,
            policy_delay=self._config.delay,
            target_policy_noise=0.0,  # the actor's own, see `_SlowActor`
            policy_kwargs={"ours": (self.policy, tied, smoothing), **self._critics},
        )


class MeanActor(nn.Module):
    """A `Policy`'s mean in the place of stable-baselines3's actor.

    stable-baselines3 cuts actions off at ±1, which is not where ours end: a clone's are in standard
    deviations of what was demonstrated. So they go through it divided by a power of two, and lose
    no bit.

    Attributes:
        scale: What they are divided by, (A,).
    """

    optimizer: torch.optim.Optimizer

    def __init__(self, policy: Policy) -> None:
        super().__init__()
        density = PolicyDensity(policy)
        self._limits = density.limits()
        self.scale = _scale(policy)
        self._encode = density.encode  # of the policy, which fits its normalisation
        self.head = policy.head

    def mean(self, observations: Tensor) -> Tensor:
        """(B, O) to the normalised action (B, A), not cut off."""
        mean, _ = self.head.distribution(self._encode(observations))  # type: ignore[operator]
        action: Tensor = mean[:, 0]
        return action

    def forward(self, observations: Tensor) -> Tensor:
        """(B, O) to the action within its limits as stable-baselines3 passes it on, (B, A)."""
        return bounded(self.mean(observations), *self._limits) / self.scale

    def set_training_mode(self, mode: bool) -> None:
        """There is only one mode."""


class _SlowActor(MeanActor):
    """The target policy with its noise, ε ~ clip(N(0, σ̃), -c, c)."""

    def __init__(self, policy: Policy, smoothing: tuple[float, float]) -> None:
        super().__init__(policy)
        self.head = copy.deepcopy(policy.head)
        self._deviation, self._bound = smoothing

    def forward(self, observations: Tensor) -> Tensor:
        """See `MeanActor`."""
        mean = self.mean(observations)
        noise = (torch.randn_like(mean) * self._deviation).clamp(-self._bound, self._bound)
        return bounded(mean + noise, *self._limits) / self.scale


class _Leash:
    """w KL(N(a, σ²) ‖ π_ref) of normalised actions a."""

    def __init__(self, policy: Policy, reference: Policy, weight: float) -> None:
        self._density, self._reference = PolicyDensity(policy), PolicyDensity(reference)
        self._weight = weight

    def __call__(self, observations: Tensor, actions: Tensor) -> Tensor:
        """(B, O) and (B, A) to (B, 1)."""
        with torch.no_grad():
            _, log_std = self._density.distribution(observations)
            other = self._reference.distribution(observations)
        moves = self._density.policy.action_normalizer.spread > 0
        away = gaussian_divergence(actions, log_std, *other) * moves
        return self._weight * away.sum(dim=1, keepdim=True)


class _Critic(ContinuousCritic):
    """Twin critics of normalised actions; what the policy maximises is the first, on its leash."""

    def __init__(self, policy: Policy, leash: _Leash | None, **keywords: Any) -> None:
        super().__init__(**keywords)
        self._scale, self._leash = _scale(policy), leash

    def forward(self, obs: Tensor, actions: Tensor) -> tuple[Tensor, ...]:
        """See `ContinuousCritic`."""
        return super().forward(obs, actions * self._scale)

    def q1_forward(self, obs: Tensor, actions: Tensor) -> Tensor:
        """See `ContinuousCritic`; of this alone the policy's gradient is taken."""
        value = super().q1_forward(obs, actions * self._scale)
        return value if self._leash is None else value - self._leash(obs, actions * self._scale)


#: Policy, leash on it (None: none), and deviation and bound of the noise on its target's actions.
_Ours: TypeAlias = tuple[Policy, _Leash | None, tuple[float, float]]


class _Policy(TD3Policy):
    """stable-baselines3's critics beside our actor."""

    def __init__(self, *told: Any, ours: _Ours, **keywords: Any) -> None:
        self._ours, self._begun = ours, False
        super().__init__(*told, **keywords)

    def make_actor(self, features_extractor: Any = None) -> Any:
        """See `TD3Policy`, which makes the actor first and its target then."""
        policy, _, smoothing = self._ours
        if self._begun:
            return _SlowActor(policy, smoothing)
        self._begun = True
        return MeanActor(policy)

    def make_critic(self, features_extractor: Any = None) -> ContinuousCritic:
        """See `TD3Policy`."""
        keywords = self._update_features_extractor(self.critic_kwargs, features_extractor)
        return _Critic(*self._ours[:2], **keywords).to(self.device)

    def set_training_mode(self, mode: bool) -> None:
        """There is only one mode."""


def _scale(policy: Policy) -> Tensor:
    """A power of two for each element, (A,), beyond which no normalised action lies.

    Where the task states no limit it is far beyond anything that is tried.
    """
    low, high = PolicyDensity(policy).limits()
    farthest = torch.maximum(low.abs(), high.abs()).clamp(1.0, _FARTHEST)
    return torch.exp2(farthest.log2().ceil())


_FARTHEST = 2.0**20
