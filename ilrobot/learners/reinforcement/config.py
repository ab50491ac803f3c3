"""Settings of the algorithms, as plain numbers."""

from __future__ import annotations

from dataclasses import dataclass

from ilrobot.errors import UserError
from ilrobot.policies.config import PolicyConfig
from ilrobot.ranges import AT_LEAST_1, DISCOUNT, NOT_NEGATIVE, POSITIVE, Range, check_ranges

#: A new policy's logarithm of the standard deviation, in shares of half the range of an action.
INITIAL_LOG_STD = -0.5
#: A regressing clone's, in standard deviations of what was demonstrated.
CLONE_LOG_STD = -1.9
#: What a new policy is made of: small, as the tuned ones of Raffin 2020, "RL Baselines3 Zoo".
SCRATCH = PolicyConfig(head="gaussian", width=64, blocks=1)


#: Of a rollout: more than memory is meant to hold, and than anybody waits for before an update.
MOST_STEPS = 1_000_000


@dataclass(frozen=True)
class PpoConfig:
    """Proximal policy optimisation, Schulman et al. 2017, with stable-baselines3's defaults.

    Attributes:
        rollout: Environment steps between two updates, of all copies together.
        batch_size: Steps in a minibatch.
        epochs: Passes over a rollout.
        learning_rate: Adam's.
        discount: γ.
        trace: λ of the generalised advantage (Schulman et al. 2016).
        critic_trace: λ of the returns that the value learns from (None: that of the advantage).
            With 1 a value that knows nothing does not learn from itself (Yuan et al. 2025, "What's
            behind PPO's collapse in long-CoT?", decoupled GAE).
        clip: How far from 1 the ratio of probabilities counts, ε of eq. 7.
        entropy: Weight of the entropy bonus.
        value: Weight of the value's loss.
        gradient: Greatest norm of the gradient.
        target_kl: Divergence from the policy of the rollout at which an update ends early (None:
            never).
        critic_width: Features of the value network's two layers.
        critic_learning_rate: Adam's of the value (None: that of the policy).
        critic_rollouts: Rollouts in which the value alone learns, so that a policy which can
            already do something is not led astray by a value that knows nothing yet.
        scale_rewards: Whether rewards are divided by the deviation of their return.
    """

    rollout: int = 2_048
    batch_size: int = 64
    epochs: int = 10
    learning_rate: float = 3e-4
    discount: float = 0.99
    trace: float = 0.95
    critic_trace: float | None = None
    clip: float = 0.2
    entropy: float = 0.0
    value: float = 0.5
    gradient: float = 0.5
    target_kl: float | None = None
    critic_width: int = 64
    critic_learning_rate: float | None = None
    critic_rollouts: int = 0
    scale_rewards: bool = True

    @property
    def before_learning(self) -> int:
        """Environment steps that go by before the policy learns."""
        return self.critic_rollouts * self.rollout

    def check(self, copies: int) -> None:
        """Refuse what is out of range.

        Args:
            copies: Environments that are stepped together.

        Raises:
            UserError: The first thing found.
        """
        check_ranges(self, _PPO)
        if self.rollout % copies or self.rollout < 2 * copies:
            raise UserError(
                f"--rollout {self.rollout} cannot be shared by --copies {copies}; take a multiple "
                "of them, at least twice as many"
            )


#: Updates of the critics alone between two rollouts, so that one who waits is told and may stop.
CRITIC_BOUT = 250


@dataclass(frozen=True)
class OffPolicyConfig:
    """What SAC and TD3 have in common, with several copies of the task.

    Attributes:
        rollout: Environment steps between two bouts of updates, of all copies together.
        updates: Updates for each environment step.
        starts: Environment steps before anything is learnt; a new policy's are drawn evenly.
        batch_size: Transitions in a minibatch.
        memory: Transitions that are remembered.
        learning_rate: Adam's, of all that is learnt.
        discount: γ.
        follow: How fast the targets follow, τ.
        critic_width: Features of the critics' two layers.
        critic_updates: Updates of the critics alone when learning begins, while the policy goes on
            trying, so that one which can already do something is not led astray by critics that
            know nothing yet.
    """

    rollout: int = 64
    updates: float = 1.0
    starts: int = 10_000
    batch_size: int = 256
    memory: int = 1_000_000
    learning_rate: float = 3e-4
    discount: float = 0.99
    follow: float = 0.005
    critic_width: int = 256
    critic_updates: int = 0

    @property
    def before_learning(self) -> int:
        """Environment steps that go by before the policy learns; until then only critics do."""
        rollouts = -(-self.starts // self.rollout) + -(-self.critic_updates // CRITIC_BOUT)
        return rollouts * self.rollout

    def check(self, copies: int) -> None:
        """Refuse what is out of range.

        Args:
            copies: Environments that are stepped together.

        Raises:
            UserError: The first thing found.
        """
        check_ranges(self, _OFF_POLICY)
        if self.rollout % copies:
            raise UserError(
                f"a rollout of {self.rollout} steps cannot be shared by --copies {copies}; take as "
                "many as divide it"
            )


@dataclass(frozen=True)
class SacConfig(OffPolicyConfig):
    """Soft actor-critic, Haarnoja et al. 2018, table 1."""


@dataclass(frozen=True)
class Td3Config(OffPolicyConfig):
    """Twin delayed deep deterministic policy gradient, Fujimoto et al. 2018.

    Attributes:
        smoothing: Deviation of the noise on the target's action, σ̃, in normalised units.
        smoothing_bound: Where that noise is cut off, c.
        delay: Updates of the critics for one of the policy, d.
    """

    smoothing: float = 0.2
    smoothing_bound: float = 0.5
    delay: int = 2

    def check(self, copies: int) -> None:
        """See `OffPolicyConfig`."""
        super().check(copies)
        check_ranges(self, _TD3)


_PPO = {
    "rollout": Range(1, MOST_STEPS),
    "batch_size": AT_LEAST_1,
    "epochs": AT_LEAST_1,
    "critic_width": AT_LEAST_1,
    "learning_rate": POSITIVE,
    "critic_learning_rate": POSITIVE,
    "clip": POSITIVE,
    "gradient": POSITIVE,
    "discount": DISCOUNT,
    "trace": DISCOUNT,
    "critic_trace": DISCOUNT,
    "entropy": NOT_NEGATIVE,
    "value": NOT_NEGATIVE,
}
_OFF_POLICY = {
    "rollout": AT_LEAST_1,
    "batch_size": AT_LEAST_1,
    "memory": AT_LEAST_1,
    "critic_width": AT_LEAST_1,
    "updates": POSITIVE,
    "starts": NOT_NEGATIVE,
    "critic_updates": NOT_NEGATIVE,
    "learning_rate": POSITIVE,
    "discount": DISCOUNT,
    "follow": DISCOUNT,
}
_TD3 = {"delay": AT_LEAST_1, "smoothing": NOT_NEGATIVE, "smoothing_bound": NOT_NEGATIVE}

#: For a clone: it can do something, which its first updates shall not undo. Its value learns alone
#: at first, from whole returns and faster than the policy; and an update ends once it has moved the
#: policy far. With minibatches of 256 that was in its first pass over a rollout, of which the value
#: learnt nothing either, so they are large.
CLONE = PpoConfig(
    rollout=8_192,
    batch_size=2_048,
    learning_rate=1e-4,
    trace=0.97,
    critic_trace=1.0,
    target_kl=0.03,
    critic_learning_rate=1e-3,
    critic_rollouts=2,
)
