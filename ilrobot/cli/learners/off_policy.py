"""``ilrobot train --learner sac`` and ``td3``, which learn from all that they remember."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from ilrobot.cli.learners.reinforcement import Reinforcement
from ilrobot.cli.usage import optional

if TYPE_CHECKING:
    from ilrobot.learners.reinforcement.config import SacConfig, Td3Config


@dataclass(kw_only=True)
class OffPolicy(Reinforcement):
    """Options of every learner that remembers what it tried."""

    learning_rate: float = 3e-4
    """Of Adam."""

    updates: float = 1.0
    """Updates for each environment step."""

    starts: int = 10_000
    """Environment steps before anything is learnt; a clone's critics first, for 5,000 updates."""

    usual_leash = 0.1
    reported_steps = 256
    packages = ("stable_baselines3", "torch")

    def settings(self) -> dict[str, Any]:
        """What the options say of any such algorithm."""
        return {
            "rollout": _TICKS * self.copies,
            "updates": self.updates,
            "starts": self.starts,
            "learning_rate": self.learning_rate,
            "discount": self.discount,
            "critic_updates": 0 if self.from_ is None else _CRITIC_UPDATES,
        }


@dataclass(kw_only=True)
class Sac(OffPolicy):
    """Improve a policy by soft actor-critic (Haarnoja et al. 2018).

    It remembers what it tried, and needs fewer environment steps and more computing than ppo. With
    --from and --leash the divergence from the clone takes the place of the entropy.

    Example: ilrobot train --learner sac --task Hopper-v5 --steps 300000 --output runs/hopper
    """

    name = "sac"

    def algorithm(self) -> SacConfig:
        """See `Reinforcement`."""
        from ilrobot.learners.reinforcement.config import SacConfig

        config = SacConfig(**self.settings())
        config.check(self.copies)
        return config


@dataclass(kw_only=True)
class Td3(OffPolicy):
    """Improve a policy by twin delayed policy gradients (Fujimoto et al. 2018).

    Like sac it remembers what it tried; the policy is its mean, and explores with noise that is not
    learnt. With --from and --leash the divergence from the clone counts against it.

    Example: ilrobot train --learner td3 --task Hopper-v5 --steps 300000 --output runs/hopper
    """

    exploration: Annotated[
        float | None,
        optional("FLOAT", "a Gaussian clone's own, 0.15 of another clone, 0.1 of a new policy"),
    ] = None
    """Spread of the actions that are tried, in demonstrated deviations or halves of the range."""

    name = "td3"

    def algorithm(self) -> Td3Config:
        """See `Reinforcement`."""
        from ilrobot.learners.reinforcement.config import Td3Config

        config = Td3Config(**self.settings())
        config.check(self.copies)
        return config

    @property
    def new_log_std(self) -> float:
        """See `Reinforcement`."""
        return math.log(_EXPLORATION)


#: Of each copy between two bouts of updates.
_TICKS = 8
#: Of the critics alone, before they lead a clone.
_CRITIC_UPDATES = 5_000
#: Of a new policy, as in the paper.
_EXPLORATION = 0.1
