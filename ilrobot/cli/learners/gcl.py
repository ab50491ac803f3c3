"""``ilrobot train --learner gcl``: a reward learnt from demonstrations beside its policy."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

from ilrobot.cli.learners.demonstrated import DemonstratedOptions, check_task
from ilrobot.required import require


@dataclass(kw_only=True)
class Gcl(DemonstratedOptions):
    """Learn a reward by guided cost learning (Finn, Levine and Abbeel 2016), and a policy by it.

    The reward makes what was demonstrated likelier than what the policy does, each step of which is
    weighed by how likely the policy made it. The run keeps both: reward.pt beside policy.pt.

    Example: ilrobot train --learner gcl --dataset data/push --output runs/gcl
    """

    inputs: Literal["state", "state-action"] = "state-action"
    """What the reward is a function of; one of the state alone wants a longer --piece."""

    piece: int = 1
    """Steps of a trajectory weighed together; of long pieces one soon outweighs all others."""

    reward_learning_rate: float = 3e-4
    """Of the reward."""

    learning_rate: float = 3e-4
    """Of the policy."""

    rollout: int = 2_048
    """Environment steps between two updates."""

    discount: float = 0.99
    """What a reward is worth that comes a step later."""

    def run(self) -> int:
        """Train and say what to do next."""
        require("--learner gcl", "gymnasium", "torch", extra="rl")
        import torch

        from ilrobot.cli.output import console
        from ilrobot.cli.training_plan import print_unheeded
        from ilrobot.data.dataset import Dataset
        from ilrobot.learners.adversarial.demonstrations import endings, expert_transitions
        from ilrobot.learners.behavioral_cloning import data_used, weights_hash
        from ilrobot.learners.inverse.guided_cost import GuidedCost, GuidedCostConfig
        from ilrobot.learners.machine import find_device, numerics
        from ilrobot.learners.reinforcement.config import PpoConfig
        from ilrobot.learners.reinforcement.reinforcer import make_reinforcer
        from ilrobot.policies.loading import load_vector_policy
        from ilrobot.rewards.config import RewardConfig
        from ilrobot.rewards.model import RewardModel

        self.check()
        ppo = PpoConfig(
            rollout=self.rollout, learning_rate=self.learning_rate, discount=self.discount
        )
        ppo.check(self.copies)
        cost = GuidedCostConfig(piece=self.piece, learning_rate=self.reward_learning_rate)
        train_config = self.train_config(learning_rate=ppo.learning_rate, batch_size=ppo.batch_size)
        data = Dataset.open(self.dataset)
        begun = None if self.from_ is None else load_vector_policy(self.from_, "gcl")
        reads = self.read(begun, data)
        expert = expert_transitions(data, reads=reads)
        device = find_device(self.device)
        with numerics(device, "mlp"):
            torch.manual_seed(self.seed)
            envs, make = self.make_envs(begun, rollout=ppo.rollout, reads=reads)
            try:
                check_task(data, envs)
                policy = self.policy(begun, envs.task).to(device)
                reward = RewardModel(envs.task, RewardConfig(self.inputs)).to(device)
                reinforcer = make_reinforcer(
                    policy,
                    envs,
                    ppo,
                    self.seed,
                    fit_observations=begun is None,
                )
                print_unheeded(data)
                if found := endings(data):
                    console.print(
                        f"note: {found}, and gcl learns nothing of what an end is worth; where "
                        "falling or finishing matters take --learner airl --absorbing",
                        soft_wrap=True,
                        markup=False,
                    )
                return self.train(
                    "gcl",
                    GuidedCost(reward, reinforcer, expert, cost, seed=self.seed),
                    {
                        **{f"ppo {name}": value for name, value in asdict(ppo).items()},
                        **{f"reward {name}": value for name, value in asdict(cost).items()},
                        "reward inputs": self.inputs,
                        "exploration": self.spread_noted(begun),
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
