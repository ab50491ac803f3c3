"""What every algorithm of reinforcement learning is to the learners that use one."""

from __future__ import annotations

from typing import Any, Protocol

from ilrobot.learners.reinforcement.config import OffPolicyConfig, PpoConfig, Td3Config
from ilrobot.learners.reinforcement.rollouts import RewardFunction, Rollouts
from ilrobot.learners.reinforcement.vector_env import TaskVectorEnv
from ilrobot.policies.policy import Policy


class Reinforcer(Protocol):
    """Improves a policy by trying it.

    Attributes:
        policy: What is improved, in place: an ordinary policy, with its normalisation.
        diagnostics: What the last update reported, name to number.
    """

    policy: Policy
    diagnostics: dict[str, float]

    @property
    def steps(self) -> int:
        """Environment steps so far."""

    def learn(self, steps: int, reward: RewardFunction | None = None) -> Rollouts:
        """Try for at least so many environment steps, and improve.

        Args:
            steps: Rounded up to whole rollouts.
            reward: Rewards of a rollout at once, in place of the environment's own (None).

        Raises:
            WorkFailed: It diverged: a weight or a reward is no longer finite.
        """

    def state(self) -> dict[str, Any]:
        """Everything that is needed to go on, as tensors and plain values, for one file.

        The simulators' states are not part of it: whoever goes on begins new episodes.
        """

    def load_state(self, state: dict[str, Any]) -> None:
        """Inverse of `state`.

        Raises:
            KeyError, RuntimeError, ValueError: It is of another policy or configuration.
        """


def make_reinforcer(
    policy: Policy,
    env: TaskVectorEnv,
    config: PpoConfig | OffPolicyConfig,
    seed: int,
    *,
    reference: Policy | None = None,
    kl_weight: float = 0.0,
    fit_observations: bool = True,
) -> Reinforcer:
    """Make one of the algorithms around a policy.

    Args:
        policy: Of one observation, one action and a Gaussian head, on the device to train on; see
            `ilrobot.policies.density.new_policy` and `as_gaussian`.
        env: Copies of the task; closed by whoever made them.
        config: Which algorithm, and how.
        seed: Of everything drawn here.
        reference: What the policy is kept close to, such as the clone that it began as; it must
            normalise actions as the policy does.
        kl_weight: Of KL(policy ‖ reference) per step beside rewards scaled to returns of one.
        fit_observations: Whether observations are normalised by all that was seen; a policy that
            was trained before keeps its normalisation without it.

    Raises:
        UserError: A setting is out of range, or the policy has no density.
    """
    from ilrobot.learners.reinforcement.ppo import PpoReinforcer
    from ilrobot.learners.reinforcement.sac import SacReinforcer
    from ilrobot.learners.reinforcement.td3 import Td3Reinforcer

    common: dict[str, Any] = {
        "reference": reference,
        "kl_weight": kl_weight,
        "fit_observations": fit_observations,
    }
    if isinstance(config, PpoConfig):
        return PpoReinforcer(policy, env, config, seed, **common)
    made = Td3Reinforcer if isinstance(config, Td3Config) else SacReinforcer
    return made(policy, env, config, seed, **common)
