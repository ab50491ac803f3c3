"""``ilrobot train --learner gail`` and ``airl``: pass for the expert."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from ilrobot.cli.learners.online import OnlineOptions, WarmStart
from ilrobot.cli.required import require
from ilrobot.cli.usage import optional
from ilrobot.errors import UserError

if TYPE_CHECKING:
    from ilrobot.data.dataset import Dataset
    from ilrobot.learners.adversarial.making import AdversarialConfig
    from ilrobot.policies.policy import Policy
    from ilrobot.rewards.config import RewardConfig
    from ilrobot.spec import Spec


@dataclass(kw_only=True)
class Adversarial(WarmStart, OnlineOptions):
    """What both learners have on the command line."""

    method: ClassVar[Literal["gail", "airl"]]

    dataset: Path
    """Folder of the demonstrations."""

    subsample: int = 1
    """Of each demonstration only every so-manieth step is known to the discriminator."""

    absorbing: bool = False
    """An episode that ends by itself enters a state of its own, whose reward is learnt too."""

    regularizer: Literal["gradient-penalty", "spectral-norm", "logit-clip", "none"] = (
        "gradient-penalty"
    )
    """What keeps the discriminator from being sure too soon."""

    penalty: float = 10.0
    """Weight of the gradient penalty."""

    discriminator_updates: int = 16
    """Steps of the discriminator after each rollout."""

    discriminator_learning_rate: float = 1e-3
    """Adam's, of the discriminator."""

    exploration: Annotated[float | None, optional("FLOAT", "0.5 of a clone, 0.6 of a new one")] = (
        None
    )
    """Spread of the actions at first: of a clone in standard deviations of what was demonstrated,
    of a new policy in halves of the action's range. A Gaussian clone knows its own."""

    width: Annotated[int | None, optional("INT", "64")] = None
    """Features of a new policy's layers."""

    learning_rate: float = 3e-4
    """Adam's, of the policy."""

    rollout: int = 4_096
    """Environment steps between two updates."""

    discount: float = 0.99
    """What a reward is worth that comes a step later."""

    entropy: float = 0.0
    """Weight of the entropy bonus."""

    def reward_config(self) -> RewardConfig:
        """What the reward is made of."""
        raise NotImplementedError

    def run(self) -> int:
        """Train and say what to do next."""
        require(f"--learner {self.method}", "stable_baselines3", "torch", extra="rl")
        import torch

        from ilrobot.data.dataset import Dataset
        from ilrobot.learners.adversarial.demonstrations import expert_transitions
        from ilrobot.learners.adversarial.making import make_contest
        from ilrobot.learners.behavioral_cloning import data_used, weights_hash
        from ilrobot.learners.machine import find_device, numerics
        from ilrobot.policies.loading import load_policy

        self.check()
        data = Dataset.open(self.dataset)
        expert = expert_transitions(data, every=self.subsample, seed=self.seed)
        begun = None if self.from_ is None else load_policy(self.from_)
        config = self._config()
        train_config = self.train_config(
            learning_rate=config.ppo.learning_rate, batch_size=config.ppo.batch_size
        )
        device = find_device(self.device)
        with numerics(device, "mlp"):
            torch.manual_seed(self.seed)
            envs, make = self.make_envs(begun)
            try:
                self._check_task(data, envs.task, envs.time_limit)
                policy = self._policy(begun, envs.task).to(device)
                contest = make_contest(
                    config,
                    policy,
                    envs,
                    expert,
                    seed=self.seed,
                    fit_observations=begun is None,
                )
                settings = {
                    "task": envs.task.task,
                    "options": envs.task.task_options,
                    "every step known of": self.subsample,
                    "exploration": self._exploration,
                    **config.settings(),
                }
                self._warn(data, config)
                return self.train(
                    self.method,
                    contest,
                    settings,
                    make,
                    train_config,
                    dataset=data_used(data),
                    initial=None if begun is None else weights_hash(begun),
                )
            finally:
                envs.close()

    def check(self) -> None:
        """See `OnlineOptions`."""
        super().check()
        if self.subsample < 1:
            raise UserError(f"--subsample must be at least 1, not {self.subsample}")
        if not _LEAST_STD < self._exploration < _MOST_STD:
            raise UserError(
                f"--exploration must be within {_LEAST_STD} and {_MOST_STD}, not {self.exploration}"
            )
        if self.from_ is not None and self.width is not None:
            raise UserError("--width is for a new policy; leave it out with --from")
        if self.absorbing and self.discount == 1:
            raise UserError("--absorbing needs a --discount below 1: a state that lasts for ever")

    @property
    def _exploration(self) -> float:
        from ilrobot.learners.adversarial.making import CLONE_LOG_STD
        from ilrobot.learners.reinforcement.config import INITIAL_LOG_STD

        if self.exploration is not None:
            return self.exploration
        return math.exp(INITIAL_LOG_STD if self.from_ is None else CLONE_LOG_STD)

    def _config(self) -> AdversarialConfig:
        from ilrobot.learners.adversarial.discriminator import DiscriminatorConfig
        from ilrobot.learners.adversarial.making import CLONE, DEFAULTS

        config = DEFAULTS[self.method]
        ppo = replace(
            config.ppo if self.from_ is None else CLONE,
            learning_rate=self.learning_rate,
            rollout=self.rollout,
            discount=self.discount,
            entropy=self.entropy,
        )
        ppo.check(self.copies)
        discriminator = DiscriminatorConfig(
            updates=self.discriminator_updates,
            learning_rate=self.discriminator_learning_rate,
            regularizer=self.regularizer,
            penalty=self.penalty,
        )
        return replace(config, ppo=ppo, discriminator=discriminator, reward=self.reward_config())

    def _policy(self, begun: Policy | None, task: Spec) -> Policy:
        from ilrobot.learners.reinforcement.config import SCRATCH
        from ilrobot.policies.density import as_gaussian, new_policy

        log_std = math.log(self._exploration)
        if begun is not None:
            policy = as_gaussian(begun, log_std)
            policy.spec = replace(policy.spec, task=task.task, task_options=task.task_options)
            return policy
        return new_policy(task, replace(SCRATCH, width=self.width or SCRATCH.width), log_std)

    def _check_task(self, data: Dataset, task: Spec, time_limit: int | None) -> None:
        from ilrobot.data.labels import vector_spec
        from ilrobot.spec import check_policy_fits

        check_policy_fits(vector_spec(data.spec), task, f"what {data.path} demonstrates")
        if time_limit is None:
            raise UserError(
                f"task '{task.task}' has no time limit, so that an attempt may never end; give it "
                "one, e.g. --options max_episode_steps=1000"
            )

    def _warn(self, data: Dataset, config: AdversarialConfig) -> None:
        from ilrobot.cli.output import console
        from ilrobot.learners.adversarial.demonstrations import ending_note

        note = ending_note(data, config.reward)
        if note:
            console.print(f"note: {note}", soft_wrap=True, markup=False)


@dataclass(kw_only=True)
class Gail(Adversarial):
    """Imitate by generative adversarial imitation learning (Ho and Ermon 2016).

    A discriminator learns to tell the policy's steps from the demonstrated ones, and the policy
    learns by PPO to be taken for the expert. It needs the task to try in, but no reward and few
    demonstrations; it is quickest from a clone (--from). The reward is left beside the policy, see
    ilrobot reward.

    Example: ilrobot train --learner gail --dataset data/push --from runs/bc --output runs/gail
    """

    method: ClassVar[Literal["gail", "airl"]] = "gail"

    termination_bias: Literal["survive", "finish", "none"] = "none"
    """What the reward says of episodes that end by themselves: survive is -log(1-D), always
    positive; finish is log D, always negative; none is log D - log(1-D)."""

    def reward_config(self) -> RewardConfig:
        """See `Adversarial`."""
        from ilrobot.rewards.config import RewardConfig

        return RewardConfig(
            "state-action", termination_bias=self.termination_bias, absorbing=self.absorbing
        )


@dataclass(kw_only=True)
class Airl(Adversarial):
    """Imitate, and recover the reward, by adversarial inverse RL (Fu, Luo and Levine 2018).

    As gail, with a discriminator of the form r + γ Φ(s') - Φ(s) - log π. What is left beside the
    policy is r alone, which says what the expert wanted: see ilrobot reward, and
    ilrobot train --learner ppo --reward RUN.

    Example: ilrobot train --learner airl --dataset data/push --from runs/bc --output runs/airl
    """

    method: ClassVar[Literal["gail", "airl"]] = "airl"

    inputs: Literal["state", "state-action"] = "state"
    """What r is a function of; of the state alone it is of use where the world is another."""

    def reward_config(self) -> RewardConfig:
        """See `Adversarial`."""
        from ilrobot.rewards.config import RewardConfig

        return RewardConfig(self.inputs, absorbing=self.absorbing)


_LEAST_STD, _MOST_STD = 0.01, 7.0
