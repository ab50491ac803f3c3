"""``ilrobot train --learner gcl``: a reward learnt from demonstrations beside its policy."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

from ilrobot.cli.learners.online import OnlineOptions, WarmStart
from ilrobot.cli.required import require
from ilrobot.cli.usage import optional


@dataclass(kw_only=True)
class Gcl(WarmStart, OnlineOptions):
    """Learn a reward by guided cost learning (Finn, Levine and Abbeel 2016), and a policy by it.

    The reward makes what was demonstrated likelier than what the policy does, each step of which is
    weighed by how likely the policy made it. The run keeps both: reward.pt beside policy.pt.

    Example: ilrobot train --learner gcl --dataset data/push --output runs/gcl
    """

    dataset: Path
    """Folder of the demonstrations."""

    inputs: Literal["state", "state-action"] = "state-action"
    """What the reward is a function of; one of the state alone wants a longer --piece."""

    piece: int = 1
    """Steps of a trajectory that are weighed together: longer ones are truer to the model of the
    paper, but soon one of them outweighs all others."""

    reward_learning_rate: float = 3e-4
    """Of the reward."""

    width: Annotated[int | None, optional("INT", "64")] = None
    """Features of a new policy's layers."""

    learning_rate: float = 3e-4
    """Of the policy."""

    rollout: int = 2_048
    """Environment steps between two updates."""

    discount: float = 0.99
    """What a reward is worth that comes a step later."""

    def run(self) -> int:
        """Train and say what to do next."""
        require("--learner gcl", "stable_baselines3", "torch", extra="rl")
        import torch

        from ilrobot.data.dataset import Dataset
        from ilrobot.data.labels import vector_spec
        from ilrobot.errors import UserError
        from ilrobot.learners.adversarial.demonstrations import expert_transitions
        from ilrobot.learners.behavioral_cloning import data_used, weights_hash
        from ilrobot.learners.inverse.guided_cost import GuidedCost, GuidedCostConfig
        from ilrobot.learners.machine import find_device, numerics
        from ilrobot.learners.reinforcement.config import (
            CLONE_LOG_STD,
            INITIAL_LOG_STD,
            SCRATCH,
            PpoConfig,
        )
        from ilrobot.learners.reinforcement.reinforcer import make_reinforcer
        from ilrobot.policies.density import as_gaussian, new_policy
        from ilrobot.policies.loading import load_policy
        from ilrobot.rewards.config import RewardConfig
        from ilrobot.rewards.model import RewardModel
        from ilrobot.spec import check_policy_fits

        ppo = PpoConfig(
            rollout=self.rollout, learning_rate=self.learning_rate, discount=self.discount
        )
        ppo.check(self.copies)
        cost = GuidedCostConfig(piece=self.piece, learning_rate=self.reward_learning_rate)
        train_config = self.train_config(learning_rate=ppo.learning_rate, batch_size=ppo.batch_size)
        if self.from_ is not None and self.width is not None:
            raise UserError("--width is for a new policy; leave it out with --from")
        data = Dataset.open(self.dataset)
        expert = expert_transitions(data)
        begun = None if self.from_ is None else load_policy(self.from_)
        device = find_device(self.device)
        there = self if self.task else replace(self, task=data.spec.task)
        with numerics(device, "mlp"):
            torch.manual_seed(self.seed)
            envs, make = there.make_envs(begun)
            try:
                check_policy_fits(vector_spec(data.spec), envs.task, str(self.dataset))
                if begun is None:
                    made = replace(SCRATCH, width=self.width or SCRATCH.width)
                    policy = new_policy(envs.task, made, INITIAL_LOG_STD)
                else:
                    policy = as_gaussian(begun, CLONE_LOG_STD)
                reward = RewardModel(envs.task, RewardConfig(self.inputs)).to(device)
                reinforcer = make_reinforcer(
                    "ppo",
                    policy.to(device),
                    envs,
                    ppo,
                    self.seed,
                    fit_observations=begun is None,
                )
                return self.train(
                    "gcl",
                    GuidedCost(reward, reinforcer, expert, cost, seed=self.seed),
                    {
                        **{f"ppo {name}": value for name, value in asdict(ppo).items()},
                        **{f"reward {name}": value for name, value in asdict(cost).items()},
                        "reward inputs": self.inputs,
                        "task": envs.task.task,
                        "options": envs.task.task_options,
                    },
                    make,
                    train_config,
                    dataset=data_used(data),
                    initial=None if begun is None else weights_hash(begun),
                )
            finally:
                envs.close()
