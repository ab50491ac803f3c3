"""Round by round: the policy tries to pass for the expert, the discriminator learns to tell."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ilrobot.data.transitions import Transitions
from ilrobot.errors import WorkFailed
from ilrobot.learners.adversarial.discriminator import (
    Discriminator,
    DiscriminatorConfig,
    Judgement,
)
from ilrobot.learners.adversarial.divergence import MARGIN, LastRounds, guessing_loss
from ilrobot.learners.adversarial.remembered import Remembered
from ilrobot.learners.adversarial.rows import Rows
from ilrobot.learners.online import reported
from ilrobot.learners.reinforcement.reinforcer import Reinforcer
from ilrobot.policies.density import PolicyDensity
from ilrobot.rewards.model import REWARD_FILE, biased


class Contest:
    """A discriminator and a policy that is trained on what it says.

    It is an `ilrobot.learners.online.OnlineLearner`, and leaves its reward beside the policy.

    Args:
        discriminator: Untrained, where the policy lies.
        reinforcer: Improves the policy.
        expert: Demonstrated transitions.
        config: How the discriminator is trained.
        seed: Of what is drawn for it.
        memory: Transitions of all rollouts that it is trained on, see `Remembered`.
        discount: γ, by which an absorbing state's reward counts for all that would follow.
        every: Of how many of the expert's steps one is known, while with absorbing states each of
            its ends is (`expert_transitions`): these are drawn so much more seldom.
    """

    def __init__(
        self,
        discriminator: Discriminator,
        reinforcer: Reinforcer,
        expert: Transitions,
        config: DiscriminatorConfig,
        *,
        seed: int,
        memory: int | None,
        discount: float,
        every: int = 1,
    ) -> None:
        self.discriminator, self.reinforcer = discriminator, reinforcer
        self.policy = reinforcer.policy
        self._config, self._discount = config, discount
        self._reward = discriminator.reward
        self._absorbing = self._reward.config.absorbing
        self._expert = self._rows(expert)
        self._weights: Tensor | None = None
        if self._absorbing and every > 1:
            ended = self._expert.terminal.bool().cpu()
            self._weights = torch.where(ended, 1 / every, 1.0)
        self._memory = Remembered(memory)
        self._generator = torch.Generator().manual_seed(seed)
        self._optimizer = torch.optim.Adam(discriminator.parameters(), lr=config.learning_rate)
        self._judgement: Judgement | None = None
        self._last_rounds = LastRounds(config.updates)

    @property
    def steps(self) -> int:
        """See `OnlineLearner`."""
        return self.reinforcer.steps

    def improve(self) -> dict[str, float]:
        """A rollout, from which first the discriminator learns and then the policy.

        So it is in algorithm 1 of Ho and Ermon 2016: no policy is led by one that knows nothing.

        Raises:
            WorkFailed: One of them diverged.
        """
        made = self.reinforcer.learn(1, self._judge)
        assert self._judgement is not None, "a rollout is judged before it is learnt from"
        return {**asdict(self._judgement), **reported(made.ended)}

    def leave(self, folder: Path) -> None:
        """See `OnlineLearner`."""
        self.discriminator.left().save(folder / REWARD_FILE)

    def rewards(self, made: Transitions) -> NDArray[np.float32]:
        """What the policy learns from, (N,): a form of D, see `RewardConfig.termination_bias`.

        An end without absorbing states is worth what its last step is. With them it is followed by
        γ / (1 - γ) times the reward of the absorbing state, which is what staying there for ever
        comes to.
        """
        rows = self._rows(made)
        with torch.no_grad():
            logits = self.discriminator.logits(rows, PolicyDensity(self.policy))
            rewards = biased(logits, self._reward.config.termination_bias).cpu().numpy()
        found: NDArray[np.float32] = rewards[: len(made)].copy()
        if len(rewards) > len(made):
            over = rewards[len(made)]  # all of these are alike
            found[made.terminal] += over * self._discount / (1 - self._discount)
        return found

    def state(self) -> dict[str, Any]:
        """Everything that is needed to go on, as tensors and plain values."""
        return {
            "discriminator": self.discriminator.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "memory": self._memory.state(),
            "last_rounds": self._last_rounds.state(),
            "generator": self._generator.get_state(),
            "reinforcer": self.reinforcer.state(),
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Inverse of `state`."""
        self.reinforcer.load_state(state["reinforcer"])
        self.discriminator.load_state_dict(state["discriminator"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._generator.set_state(state["generator"])
        self._memory.load_state(state["memory"], self._expert.observations.device)
        self._last_rounds.load_state(state.get("last_rounds", []))  # none in checkpoints of before

    def _rows(self, transitions: Transitions) -> Rows:
        return Rows.of(transitions, self._reward.tensor, absorbing=self._absorbing)

    def _judge(self, made: Transitions) -> NDArray[np.float32]:
        """Let the discriminator learn from a new rollout, then say what it is worth."""
        rows = self._rows(made)
        self._memory.add(rows, self._generator)
        expert = self._expert.draw(len(rows), self._generator, self._weights)
        for part in (expert, rows):
            self._reward.fit_normalizers(part.observations, part.actions)
        self._judgement = self._teach()
        return self.rewards(made)

    def _teach(self) -> Judgement:
        """A round of the discriminator."""
        density = PolicyDensity(self.policy)
        config, seen = self._config, []
        for _ in range(config.updates):
            expert = self._expert.draw(config.batch_size, self._generator, self._weights)
            policy = self._memory.rows.draw(config.batch_size, self._generator)
            error = self.discriminator.loss(expert, policy, density)
            total = error.loss
            if config.regularizer == "gradient-penalty":
                share = torch.rand(config.batch_size, 1, generator=self._generator)
                between = self.discriminator.gradient_penalty(
                    expert, policy, share.to(total.device)
                )
                total = error.loss + config.penalty * between
            self._optimizer.zero_grad()
            total.backward()
            self._optimizer.step()
            half = config.batch_size
            expert_right = (error.logits[:half] > 0).float().mean()
            policy_right = (error.logits[half:] < 0).float().mean()
            seen.append(
                torch.stack([error.loss.detach(), expert_right, policy_right, error.untaught])
            )
        *judged, untaught = torch.stack(seen).mean(dim=0).tolist()
        remedy = (
            "train into another --output with a lower --discriminator-learning-rate or another "
            "--regularizer"
        )
        if not np.isfinite(judged).all() or not _finite(self.discriminator):
            raise WorkFailed(
                f"the discriminator diverged after {self.steps} environment steps; {remedy}"
            )
        judgement = Judgement(*judged)
        guessing = guessing_loss(untaught)
        self._last_rounds.add(judgement.loss, guessing)
        if often := self._last_rounds.diverging:
            raise WorkFailed(
                f"the discriminator diverged: in {often} it erred more than {MARGIN:g} times as "
                f"much as by guessing (loss {judgement.loss:.3g}, by guessing {guessing:.3g}, "
                f"after {self.steps} environment steps); {remedy}"
            )
        return judgement


def _finite(module: nn.Module) -> bool:
    return all(bool(value.isfinite().all()) for value in module.state_dict().values())
