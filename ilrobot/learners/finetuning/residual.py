"""A residual beside a frozen policy, learnt by trying: twin delayed policy gradients on success.

Fujimoto et al. 2018, algorithm 1, with normalised critics (Ball et al. 2023) and residuals that are
held while they are tried (`ilrobot.learners.finetuning.held`); what is learnt has one each tick. It
is the running average of the residual's weights, by which targets are computed as well.
Success is the reward, so that a value is within 0 and 1.

What is learnt is handed back where it does no worse than the clone, and else the clone
(`ilrobot.learners.finetuning.keeping`).
"""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import torch

from ilrobot.atomic import write_text
from ilrobot.learners.finetuning.held import HeldTrying, Memory
from ilrobot.learners.finetuning.keeping import KEPT_FILE, Keeper
from ilrobot.learners.finetuning.residual_config import ResidualTd3Config
from ilrobot.learners.offline.learner import follow
from ilrobot.learners.online import reported
from ilrobot.learners.reinforcement.vector_env import Ended, TaskVectorEnv
from ilrobot.policies.heads.residual import ResidualHead
from ilrobot.policies.networks.twins import TwinPerceptrons
from ilrobot.policies.policy import Policy
from ilrobot.policies.residual import without_residual

#: Ticks of each copy between two bouts of updates.
_TICKS = 8
#: Updates of the critics for one of the residual.
_DELAY = 2
#: From the seed of all trying to that of the attempts that are compared.
_SEEDS_APART = 2**30
#: A value below this is as good as none.
_LEAST_VALUE = 1e-3


class ResidualLearner:
    """An `ilrobot.learners.online.OnlineLearner`.

    Attributes:
        policy: What is kept by now; the running average where nothing is compared.

    Args:
        policy: By `ilrobot.policies.residual.with_residual`, on the CPU.
        env: Copies of the task whose reward is success alone; closed by whoever made them.
        config: How.
        seed: Of everything drawn here.
        steps: Environment steps of a round, at least.

    Raises:
        UserError: A setting is out of range, or the task does not judge.
    """

    def __init__(
        self,
        policy: Policy,
        env: TaskVectorEnv,
        config: ResidualTd3Config,
        seed: int,
        *,
        steps: int = 1,
    ) -> None:
        config.check()
        assert isinstance(policy.head, ResidualHead)
        self._policy, self._head = policy.eval(), policy.head
        self._env, self._config, self._seed, self._round = env, config, seed, steps
        self._generator = torch.Generator().manual_seed(seed)
        network, size = self._head.network, self._head.size + self._head.residuals
        width = config.critic_width
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self._critic = TwinPerceptrons(size, (width, width), normalize=True)
        self._slow_critic = copy.deepcopy(self._critic).requires_grad_(False)
        self._averaged = copy.deepcopy(policy).requires_grad_(False)
        assert isinstance(self._averaged.head, ResidualHead)
        self._slow = self._averaged.head.network
        rates = config.learning_rate, config.critic_learning_rate
        self._acts = torch.optim.Adam(network.parameters(), lr=rates[0], fused=True)
        self._judges = torch.optim.Adam(self._critic.parameters(), lr=rates[1], fused=True)
        self._memory = Memory(self._head.size, self._head.residuals, config.memory)
        self._trying = HeldTrying(policy, env, config, self._memory, self._generator)
        self._due, self._updates = 0.0, 0
        self._loss: float | None = None  # until the residual is updated
        self._keeper: Keeper | None = None
        if config.attempts:
            apart = (seed + _SEEDS_APART) % 2**31
            self._keeper = Keeper(without_residual(policy), env, config.attempts, apart)
        self.policy = self._averaged if self._keeper is None else self._keeper.kept
        self._compared = config.starts

    @property
    def steps(self) -> int:
        """See `OnlineLearner`."""
        return self._trying.steps

    def improve(self) -> dict[str, float]:
        """See `OnlineLearner`."""
        goal = self.steps + self._round
        ended: list[Ended] = []
        told: dict[str, float] = {}
        while self.steps < goal:
            before, first = self.steps, self.steps < self._config.starts
            ended += self._trying.tries(_TICKS, at_random=first)
            rate = self._config.first_updates if first else self._config.updates
            self._due += rate * (self.steps - before)
            while self._due >= 1 and len(self._memory):
                told |= self._update(critics_alone=first)
                self._due -= 1
        self._policy.check_finite(f"the weights after {self.steps} environment steps")
        if self.steps - self._compared >= self._config.every:
            told |= self._compare()
        if self._loss is not None:
            told["loss"] = self._loss
        return {**told, **reported(ended)}

    def state(self) -> dict[str, Any]:
        """See `OnlineLearner`; what is remembered of the stretches is part of it."""
        return {
            "steps": self.steps,
            "due": self._due,
            "updates": self._updates,
            "loss": self._loss,
            "policy": self._policy.state_dict(),
            "keeper": None if self._keeper is None else self._keeper.state(),
            "compared": self._compared,
            "slow": self._slow.state_dict(),
            "critic": self._critic.state_dict(),
            "slow_critic": self._slow_critic.state_dict(),
            "optimizers": [o.state_dict() for o in (self._acts, self._judges)],
            "memory": self._memory.state(),
            "generator": self._generator.get_state(),
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """See `OnlineLearner`: it goes on in new episodes."""
        self._trying.steps = int(state["steps"])
        self._due, self._updates = float(state["due"]), int(state["updates"])
        self._loss = state["loss"]
        self._policy.load_state_dict(state["policy"])
        if self._keeper is not None:
            self._keeper.load_state(state["keeper"])
        self._compared = int(state["compared"])
        self._slow.load_state_dict(state["slow"])
        self._critic.load_state_dict(state["critic"])
        self._slow_critic.load_state_dict(state["slow_critic"])
        for optimizer, kept in zip((self._acts, self._judges), state["optimizers"], strict=True):
            optimizer.load_state_dict(kept)
        self._memory.load_state(state["memory"])
        self._generator.set_state(state["generator"])
        self._go_on()

    def leave(self, folder: Path) -> None:
        """See `OnlineLearner`: what was learnt since the last comparison is compared, too.

        What comes of it is counted afresh.
        """
        if self._keeper is None:
            return
        tried = self.steps
        if self.steps > self._compared:
            self._compare()
        if self._keeper.rate is not None:
            told, taken = self._keeper.afresh()
            self._trying.steps += taken
            told["last_steps"] = self.steps - tried
            write_text(folder / KEPT_FILE, json.dumps(told))

    def _compare(self) -> dict[str, float]:
        """Attempts without noise of what is learnt, and of the clone; what to report of them."""
        if self._keeper is None:
            return {}
        rate, taken = self._keeper.compare(self._averaged)
        self._trying.steps += taken
        self._compared = self.steps
        self._go_on()
        return {"learnt": rate, **self._keeper.told()}

    def _go_on(self) -> None:
        """In new episodes."""
        self._env.reseed(hash((self._seed, self.steps)) % 2**31)
        self._trying.begin()

    def _update(self, *, critics_alone: bool) -> dict[str, float]:
        """One step of the critics, at every second one of the residual, too."""
        config, size = self._config, self._config.batch_size
        seen, tried, won, after, counts = self._memory.draw(size, self._generator)
        with torch.no_grad():
            noise = config.smoothing * torch.randn(tried.shape, generator=self._generator)
            noise = noise.clamp(-2 * config.smoothing, 2 * config.smoothing)
            then = (self._head.residual(after, self._slow) + noise).clamp(-1, 1)
            worth = self._slow_critic(torch.cat([after, then], dim=1)).amin(dim=0)
            target = won + counts * worth.clamp(0, 1)
        judged = self._critic(torch.cat([seen, tried], dim=1))
        loss = (judged - target).square().mean(dim=1).sum()
        self._judges.zero_grad()
        loss.backward()
        self._judges.step()
        follow(self._slow_critic, self._critic, config.follow)
        self._updates += 1
        told = {"value_loss": float(loss.detach())}
        if not critics_alone and self._updates % _DELAY == 0:
            told["residual"] = self._climb(seen)
        return told

    def _climb(self, seen: torch.Tensor) -> float:
        """One step of the residual up the critics; its root mean square in shares of the bound."""
        added = self._head.residual(seen)
        value = self._critic(torch.cat([seen, added], dim=1)).mean()
        size = added.square().mean()
        scale = value.detach().abs().clamp(min=_LEAST_VALUE)
        objective = self._config.leash * size - value / scale
        weights = list(self._head.network.parameters())
        for weight, gradient in zip(weights, torch.autograd.grad(objective, weights), strict=True):
            weight.grad = gradient
        self._acts.step()
        follow(self._slow, self._head.network, self._config.follow)
        self._loss = float(objective.detach())
        return float(size.detach().sqrt())
