"""GAIL and AIRL with all their settings."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import torch

from ilrobot.data.transitions import Transitions
from ilrobot.learners.adversarial.airl import AirlDiscriminator
from ilrobot.learners.adversarial.contest import Contest
from ilrobot.learners.adversarial.discriminator import (
    LOGIT_CLIP,
    Discriminator,
    DiscriminatorConfig,
    Regularizer,
)
from ilrobot.learners.adversarial.gail import GailDiscriminator
from ilrobot.learners.reinforcement.config import PpoConfig
from ilrobot.learners.reinforcement.reinforcer import make_reinforcer
from ilrobot.learners.reinforcement.vector_env import TaskVectorEnv
from ilrobot.policies.policy import Policy
from ilrobot.rewards.config import Inputs, RewardConfig
from ilrobot.rewards.model import RewardModel

Method = Literal["gail", "airl"]

#: Of both methods: rollouts and passes of a size that a discriminator can follow.
ADVERSARIAL_PPO = PpoConfig(rollout=4_096, batch_size=256)
#: From a clone, whose value learns alone at first, and whose updates end where they go far.
CLONE = replace(ADVERSARIAL_PPO, critic_rollouts=2, target_kl=0.03)
#: A clone's at first, in standard deviations of what was demonstrated.
CLONE_LOG_STD = -0.75


@dataclass(frozen=True)
class AdversarialConfig:
    """Everything that is chosen.

    Attributes:
        method: Which discriminator.
        ppo: How the policy is improved.
        discriminator: How the discriminator is trained.
        reward: What the reward is made of.
        memory: Transitions of all rollouts that the discriminator is trained on, an even sample of
            them (None: the newest rollout).
    """

    method: Method
    ppo: PpoConfig
    discriminator: DiscriminatorConfig
    reward: RewardConfig
    memory: int | None

    def settings(self) -> dict[str, Any]:
        """All of it, words to values."""
        found: dict[str, Any] = {"remembered transitions": self.memory}
        if self.memory is None:
            found = {"remembered rollouts": 1}  # as in runs of before
        for what, part in (
            ("ppo", self.ppo),
            ("discriminator", self.discriminator),
            ("reward", self.reward),
        ):
            found |= {f"{what} {name}": value for name, value in asdict(part).items()}
        return found


#: Of AIRL's gradient penalty. Its f has to grow as steep as the expert's log π; with the 10 of GAIL
#: it cannot, and the policy is paid for its entropy alone (docs/adversarial.md).
AIRL_PENALTY = 0.05

#: As in the papers: GAIL's reward is of state and action, and its samples are of now; AIRL's is of
#: the state alone, and it is trained on what earlier policies did, too: on all of them, where
#: theirs was trained on the last 20 rollouts (docs/adversarial.md).
DEFAULTS = {
    "gail": AdversarialConfig(
        "gail",
        ADVERSARIAL_PPO,
        DiscriminatorConfig(),
        RewardConfig("state-action"),
        memory=None,
    ),
    "airl": AdversarialConfig(
        "airl",
        ADVERSARIAL_PPO,
        DiscriminatorConfig(penalty=AIRL_PENALTY),
        RewardConfig("state"),
        memory=20 * ADVERSARIAL_PPO.rollout,
    ),
}


def default_regularizer(method: Method, inputs: Inputs) -> Regularizer:
    """What suits a reward of these inputs.

    Of the state alone only Φ(s') can tell one action from another, by the little that it moves in a
    step, so that it must be steep: a gradient penalty forbids just that, and the paper has none.
    """
    return "none" if method == "airl" and inputs == "state" else "gradient-penalty"


def make_contest(
    config: AdversarialConfig,
    policy: Policy,
    env: TaskVectorEnv,
    expert: Transitions,
    *,
    seed: int,
    every: int = 1,
    fit_observations: bool = True,
) -> Contest:
    """A new discriminator beside a policy that is to be improved.

    Args:
        config: How.
        policy: See `make_reinforcer`.
        env: Copies of the task; closed by whoever made them.
        expert: Demonstrated transitions, see `expert_transitions`.
        seed: Of everything drawn.
        every: Of how many of the expert's steps one is among `expert`; with absorbing states all of
            its ends are.
        fit_observations: See `make_reinforcer`.

    Raises:
        UserError: A setting is out of range.
    """
    reinforcer = make_reinforcer(policy, env, config.ppo, seed, fit_observations=fit_observations)
    regularizer, described = config.discriminator.regularizer, config.reward
    if regularizer == "logit-clip" and config.method == "gail":
        described = replace(described, limit=LOGIT_CLIP)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        reward = RewardModel(env.task, described)
        discriminator: Discriminator
        if config.method == "gail":
            discriminator = GailDiscriminator(reward, regularizer)
        else:
            discriminator = AirlDiscriminator(reward, regularizer, config.ppo.discount)
    discriminator.to(policy.action_normalizer.offset.device)
    return Contest(
        discriminator,
        reinforcer,
        expert,
        config.discriminator,
        seed=seed,
        memory=config.memory,
        discount=config.ppo.discount,
        every=every,
    )
