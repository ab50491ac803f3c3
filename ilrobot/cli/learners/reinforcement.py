"""``ilrobot train --learner ppo``, and what ``sac`` and ``td3`` share with it: reward and leash."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from ilrobot.cli.learners.online import OnlineOptions, WarmStart, trained_on
from ilrobot.cli.usage import optional
from ilrobot.errors import UserError
from ilrobot.required import require

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ilrobot.data.transitions import Transitions
    from ilrobot.learners.reinforcement.config import OffPolicyConfig, PpoConfig
    from ilrobot.policies.policy import Policy
    from ilrobot.rewards.model import RewardModel
    from ilrobot.spec import Spec


@dataclass(kw_only=True)
class Reinforcement(WarmStart, OnlineOptions):
    """Options of every learner from a reward."""

    reward: Annotated[str, optional("task|success|RUN", "task")] = "task"
    """The task's own; 1 for the step that succeeds, which ends the episode; or a run's."""

    leash: Annotated[float | None, optional("FLOAT", "0.1, ppo 0.01, without --from 0")] = None
    """Weight of the divergence from the policy of --from, at each step."""

    exploration: Annotated[
        float | None,
        optional("FLOAT", "a Gaussian clone's own, 0.15 of another clone, 0.6 of a new policy"),
    ] = None
    """Spread of the actions at first, in demonstrated deviations or halves of the range."""

    width: Annotated[int | None, optional("INT", "64")] = None
    """Features of a new policy's layers."""

    discount: float = 0.99
    """What a reward is worth that comes a step later."""

    name: ClassVar[str]
    """As in ``--learner NAME``."""

    usual_leash: ClassVar[float]
    """Weight of the leash of a clone where none is given."""

    reported_steps: ClassVar[int] = 1
    """Environment steps between two reports, rounded up to whole rollouts."""

    packages: ClassVar[tuple[str, ...]] = ("gymnasium", "torch")
    """What must be installed."""

    def algorithm(self) -> PpoConfig | OffPolicyConfig:
        """Which, and how.

        Raises:
            UserError: A setting is out of range.
        """
        raise NotImplementedError

    def run(self) -> int:
        """Train and say what to do next."""
        require(f"--learner {self.name}", *self.packages, extra="rl")
        import torch

        from ilrobot.cli.output import console
        from ilrobot.compatibility import check_policy_fits
        from ilrobot.learners.behavioral_cloning import weights_hash
        from ilrobot.learners.finetuning.reinforced import ReinforcedLearner
        from ilrobot.learners.machine import find_device, numerics
        from ilrobot.learners.reinforcement.config import SCRATCH
        from ilrobot.learners.reinforcement.reinforcer import make_reinforcer
        from ilrobot.policies.density import as_gaussian, new_policy, spreads
        from ilrobot.policies.loading import load_vector_policy

        self.check()
        begun = None if self.from_ is None else load_vector_policy(self.from_, self.name)
        config = self.algorithm()
        train_config = self.train_config(
            learning_rate=config.learning_rate, batch_size=config.batch_size
        )
        reward, reward_hash = self._reward()
        device = find_device(self.device)
        log_std = math.log(self._exploration)
        with numerics(device, "mlp"):
            torch.manual_seed(self.seed)
            own = self.exploration is None  # a Gaussian clone's
            clone = None if begun is None else as_gaussian(begun, log_std, keep_spread=own)
            envs, make = self.make_envs(
                begun, rollout=config.rollout, success_only=self.reward == "success"
            )
            try:
                if reward is not None:
                    self._check_seen(reward, begun)
                    check_policy_fits(reward.spec, envs.task, self.reward, "reward")
                self.check_learns(config.before_learning)
                if clone is None:
                    made = replace(
                        SCRATCH, width=SCRATCH.width if self.width is None else self.width
                    )
                    policy, reference = new_policy(envs.task, made, log_std), None
                else:
                    policy, reference = clone, as_gaussian(clone, log_std).to(device)
                learner = ReinforcedLearner(
                    make_reinforcer(
                        policy.to(device),
                        envs,
                        config,
                        self.seed,
                        reference=reference,
                        kl_weight=self._leash,
                        fit_observations=begun is None,
                    ),
                    None if reward is None else partial(self._judged, reward, envs.task),
                    steps=self.reported_steps,
                )
                if envs.time_limit is None:
                    console.print(
                        f"note: task '{envs.task.task}' has no time limit: an attempt that does "
                        "not end by itself goes on for all of the training; give it one, e.g. "
                        "--options max_episode_steps=1000",
                        soft_wrap=True,
                        markup=False,
                    )
                settings = {
                    **asdict(config),
                    "task": envs.task.task,
                    "options": envs.task.task_options,
                    "reward": reward_hash or self.reward,
                    "leash": self._leash,
                    "exploration": None if own and spreads(begun) else self._exploration,
                }
                ended = self.train(
                    self.name,
                    learner,
                    settings,
                    make,
                    train_config,
                    dataset=None if self.from_ is None else trained_on(self.from_),
                    initial=None if begun is None else weights_hash(begun),
                )
                if 0 < learner.steps <= config.before_learning:
                    console.print(
                        f"note: the policy learnt nothing: it does not in the first "
                        f"{config.before_learning} steps; give more time, with --resume",
                        soft_wrap=True,
                        markup=False,
                    )
                return ended
            finally:
                envs.close()

    def _judged(self, reward: RewardModel, task: Spec, made: Transitions) -> NDArray[np.float32]:
        """A rollout in a task by a learnt reward, (N,)."""
        return reward.of(made.read_by(reward.spec, task), discount=self.discount)

    def _check_seen(self, reward: RewardModel, begun: Policy | None) -> None:
        """Refuse a reward of what the policy that is begun with does not see."""
        seen = None if begun is None else begun.spec.observation_names
        for name in reward.spec.observation_names:
            if seen is not None and name not in seen:
                raise UserError(
                    f"--reward {self.reward} reads '{name}', which the policy of --from does not "
                    f"(it reads {', '.join(seen)}); begin with one that does"
                )

    @property
    def _leash(self) -> float:
        if self.leash is not None:
            return self.leash
        return 0.0 if self.from_ is None else self.usual_leash

    @property
    def _exploration(self) -> float:
        from ilrobot.learners.reinforcement.config import CLONE_LOG_STD

        if self.exploration is not None:
            return self.exploration
        return math.exp(self.new_log_std if self.from_ is None else CLONE_LOG_STD)

    @property
    def new_log_std(self) -> float:
        """Logarithm of a new policy's exploration where none is given."""
        from ilrobot.learners.reinforcement.config import INITIAL_LOG_STD

        return INITIAL_LOG_STD

    def check(self) -> None:
        """See `OnlineOptions`."""
        super().check()
        if self.from_ is None and self.leash:
            raise UserError("--leash keeps a policy close to that of --from; give --from RUN")
        if not 0 <= self._leash < math.inf:
            raise UserError(f"--leash must be finite and at least 0, not {self.leash}")
        if not _LEAST_STD < self._exploration < _MOST_STD:
            raise UserError(
                f"--exploration must be within {_LEAST_STD} and {_MOST_STD}, not {self.exploration}"
            )
        if self.from_ is not None and self.width is not None:
            raise UserError("--width is for a new policy; leave it out with --from")

    def _reward(self) -> tuple[RewardModel | None, str | None]:
        """What says the rewards in place of the task, and a hash over it."""
        if self.reward in ("task", "success"):
            return None, None
        from ilrobot.rewards.model import REWARD_FILE, RewardModel
        from ilrobot.run import policy_hash

        file = Path(self.reward)
        file = file / REWARD_FILE if file.is_dir() else file
        if not file.exists():
            raise UserError(
                f"--reward {self.reward}: there is no {REWARD_FILE}; give task, success, or the "
                "run of a learner that leaves a reward"
            )
        reward = RewardModel.load(file)
        if reward.config.absorbing and self.discount == 1:
            raise UserError(
                f"--reward {self.reward} was learnt with --absorbing and needs a --discount below "
                "1: a state that lasts for ever"
            )
        return reward, policy_hash(file)[:16]


@dataclass(kw_only=True)
class Ppo(Reinforcement):
    """Improve a policy by proximal policy optimisation (Schulman et al. 2017).

    From scratch, or from a clone (--from) that is kept close to what it was (--leash): the clone's
    divergence counts against it. What is learnt is a run like any other.

    Example: ilrobot train --learner ppo --from runs/bc --reward success --output runs/better
    """

    learning_rate: Annotated[float | None, optional("FLOAT", "0.0003, or 0.0001 with --from")] = (
        None
    )
    """Of Adam."""

    rollout: Annotated[int | None, optional("INT", "2048, or 8192 with --from")] = None
    """Environment steps between two updates."""

    entropy: float = 0.0
    """Weight of the entropy bonus."""

    name = "ppo"
    usual_leash = 0.01

    def algorithm(self) -> PpoConfig:
        """See `Reinforcement`."""
        from ilrobot.learners.reinforcement.config import CLONE, PpoConfig

        config = PpoConfig() if self.from_ is None else CLONE
        given: dict[str, Any] = {
            name: getattr(self, name)
            for name in ("learning_rate", "rollout", "discount", "entropy")
            if getattr(self, name) is not None
        }
        config = replace(config, **given)
        config.check(self.copies)
        return config


_LEAST_STD, _MOST_STD = 0.01, 7.0
