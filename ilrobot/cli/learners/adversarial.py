"""``ilrobot train --learner gail`` and ``airl``: pass for the expert."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from ilrobot.cli.learners.demonstrated import DemonstratedOptions, check_task
from ilrobot.cli.usage import optional
from ilrobot.errors import UserError
from ilrobot.required import require

if TYPE_CHECKING:
    from ilrobot.data.dataset import Dataset
    from ilrobot.learners.adversarial.making import AdversarialConfig
    from ilrobot.rewards.config import RewardConfig


@dataclass(kw_only=True)
class Adversarial(DemonstratedOptions):
    """What both learners have on the command line."""

    method: ClassVar[Literal["gail", "airl"]]

    subsample: int = 1
    """Show the discriminator only one step of a demonstration in so many."""

    absorbing: bool = False
    """An episode that ends by itself enters a state of its own, whose reward is learnt too."""

    regularizer: Annotated[
        Literal["gradient-penalty", "spectral-norm", "logit-clip", "none"] | None,
        optional(
            "{gradient-penalty,spectral-norm,logit-clip,none}",
            "gradient-penalty; none for an airl --inputs state",
        ),
    ] = None
    """What keeps the discriminator from being sure too soon."""

    penalty: Annotated[float | None, optional("FLOAT", "10 of gail, 0.05 of airl")] = None
    """Weight of the gradient penalty."""

    discriminator_updates: int = 16
    """Steps of the discriminator after each rollout."""

    discriminator_learning_rate: float = 1e-3
    """Of Adam, for the discriminator."""

    learning_rate: float = 3e-4
    """Of Adam, for the policy."""

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
        require(f"--learner {self.method}", "gymnasium", "torch", extra="rl")
        import torch

        from ilrobot.cli.training_plan import print_unheeded
        from ilrobot.data.dataset import Dataset
        from ilrobot.learners.adversarial.demonstrations import expert_transitions
        from ilrobot.learners.adversarial.making import make_contest
        from ilrobot.learners.behavioral_cloning import data_used, weights_hash
        from ilrobot.learners.machine import find_device, numerics
        from ilrobot.policies.loading import load_vector_policy

        self.check()
        config = self._config()
        train_config = self.train_config(
            learning_rate=config.ppo.learning_rate, batch_size=config.ppo.batch_size
        )
        data = Dataset.open(self.dataset)
        begun = None if self.from_ is None else load_vector_policy(self.from_, self.method)
        reads = self.read(begun, data)
        expert = expert_transitions(
            data, every=self.subsample, seed=self.seed, ends=self.absorbing, reads=reads
        )
        device = find_device(self.device)
        with numerics(device, "mlp"):
            torch.manual_seed(self.seed)
            envs, make = self.make_envs(begun, rollout=config.ppo.rollout, reads=reads)
            try:
                check_task(data, envs)
                policy = self.policy(begun, envs.task).to(device)
                self.check_learns(config.ppo.before_learning)
                contest = make_contest(
                    config,
                    policy,
                    envs,
                    expert,
                    seed=self.seed,
                    every=self.subsample,
                    fit_observations=begun is None,
                )
                settings = {
                    "task": envs.task.task,
                    "options": envs.task.task_options,
                    "every step known of": self.subsample,
                    "exploration": self.spread_noted(begun),
                    **config.settings(),
                }
                print_unheeded(data)
                self._warn(data, config, len(expert))
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
        if self.penalty is not None and self.regularizer not in (None, "gradient-penalty"):
            raise UserError(
                f"--penalty weighs the gradient penalty, and --regularizer is {self.regularizer}; "
                "leave one of them out"
            )
        if self.absorbing and self.discount == 1:
            raise UserError("--absorbing needs a --discount below 1: a state that lasts for ever")

    def _config(self) -> AdversarialConfig:
        from ilrobot.learners.adversarial.discriminator import DiscriminatorConfig
        from ilrobot.learners.adversarial.making import CLONE, DEFAULTS, default_regularizer

        config, reward = DEFAULTS[self.method], self.reward_config()
        regularizer = self.regularizer
        if regularizer is None and self.penalty is None:
            regularizer = default_regularizer(self.method, reward.inputs)
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
            regularizer=regularizer or "gradient-penalty",
            penalty=config.discriminator.penalty if self.penalty is None else self.penalty,
        )
        return replace(config, ppo=ppo, discriminator=discriminator, reward=reward)

    def _warn(self, data: Dataset, config: AdversarialConfig, steps: int) -> None:
        from ilrobot.cli.output import console
        from ilrobot.learners.adversarial.demonstrations import ending_note

        known = ""
        if self.subsample > 1:
            known = f"of the demonstrations the discriminator knows {steps} steps (--subsample)"
        for note in filter(None, (known, ending_note(data, config.reward))):
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
    """What the reward makes of ending: survive is -log(1-D), finish log D, none their sum."""

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
