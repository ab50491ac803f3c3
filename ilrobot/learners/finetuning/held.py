"""Residuals tried in a task, each held for some ticks, and the memory of what they led to.

What one tick adds is lost in what the clone does about it at the next. Held for a while it leads
somewhere else, which critics can tell from noise (as options do, Sutton et al. 1999).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ilrobot.errors import UserError, WorkFailed
from ilrobot.learners.finetuning.residual_config import ResidualTd3Config
from ilrobot.learners.reinforcement.vector_env import Ended, TaskVectorEnv, VectorStep
from ilrobot.policies.density import named
from ilrobot.policies.heads.residual import ResidualHead
from ilrobot.policies.policy import Policy

#: Least and greatest share of the noise: some copies of the task hardly leave what is known, some
#: go far, and one alone is in the middle.
_SHARES = (0.1, 1.6)


class Memory:
    """Stretches, each of at most `hold` ticks.

    Of each what was seen at its beginning, the residual as a share of its bound, the discounted
    reward within it, what was seen at its end, and what a value there counts: 0 where the attempt
    was over, else the discount over its ticks.

    Args:
        seen: Numbers that are seen.
        residuals: Elements of a residual.
        most: Stretches that are remembered.
    """

    def __init__(self, seen: int, residuals: int, most: int) -> None:
        shapes = ((seen,), (residuals,), (), (seen,), ())
        self._columns = [torch.zeros(most, *shape) for shape in shapes]
        self._most, self._count = most, 0

    def __len__(self) -> int:
        return min(self._count, self._most)

    def add(self, *values: Tensor | float) -> None:
        """One stretch, in the place of the oldest where it is full."""
        for column, value in zip(self._columns, values, strict=True):
            column[self._count % self._most] = value
        self._count += 1

    def draw(self, size: int, generator: torch.Generator) -> list[Tensor]:
        """A minibatch, columns of `size` rows each."""
        rows = torch.randint(len(self), (size,), generator=generator)
        return [column[rows] for column in self._columns]

    def state(self) -> dict[str, Any]:
        """As plain values and tensors."""
        filled = len(self)
        return {"count": self._count, "columns": [c[:filled].clone() for c in self._columns]}

    def load_state(self, state: dict[str, Any]) -> None:
        """Inverse of `state`."""
        self._count = int(state["count"])
        for column, values in zip(self._columns, state["columns"], strict=True):
            column[: len(self)] = values


class HeldTrying:
    """Copies of a task in which residuals are tried.

    Attributes:
        steps: Environment steps so far.

    Args:
        policy: With a residual, on the CPU.
        env: Copies whose reward is success alone.
        config: Checked.
        memory: Filled by it.
        generator: Of all that is drawn.

    Raises:
        UserError: The task does not judge.
    """

    def __init__(
        self,
        policy: Policy,
        env: TaskVectorEnv,
        config: ResidualTd3Config,
        memory: Memory,
        generator: torch.Generator,
    ) -> None:
        assert isinstance(policy.head, ResidualHead)
        self.steps = 0
        self._policy, self._head = policy, policy.head
        self._env, self._config = env, config
        self._memory, self._generator = memory, generator
        copies = env.num_envs
        middle = sum(_SHARES) / 2
        shares = torch.linspace(*_SHARES, copies) if copies > 1 else torch.tensor([middle])
        self._shares = shares[:, None]
        self._check_judges()
        self.begin()

    def begin(self) -> None:
        """Begin new episodes."""
        copies = self._env.num_envs
        self._now = self._env.reset()
        self._age = np.zeros(copies, dtype=np.int64)
        self._held = torch.zeros(copies, self._head.residuals)
        self._begun = torch.zeros(copies, self._head.size)

    @torch.inference_mode()
    def tries(self, ticks: int, *, at_random: bool) -> tuple[Ended, ...]:
        """Try for so many ticks of each copy.

        Args:
            ticks: How many.
            at_random: Whether residuals are drawn evenly, not about the learnt ones.

        Returns:
            The attempts that ended.

        Raises:
            WorkFailed: An action is no longer finite.
        """
        ended: list[Ended] = []
        for _ in range(ticks):
            observed = torch.from_numpy(self._now)
            condition = self._policy.encoder.encode(observed[:, None])
            seen, action = self._head.see(condition)
            new = torch.from_numpy(self._age == 0)
            if new.any():
                self._held[new] = self._drawn(seen, at_random=at_random)[new]
                self._begun[new] = seen[new]
            tried = self._head.add(condition, action, self._held)
            step = self._env.advance(self._physical(tried, observed))
            self._age += 1
            over = step.terminal | step.timeout | (self._age == self._config.hold)
            if over.any():
                self._remember(over, step)
            self._now = step.observations
            ended.extend(step.ended)
        self.steps += ticks * self._env.num_envs
        return tuple(ended)

    def _drawn(self, seen: Tensor, *, at_random: bool) -> Tensor:
        """Residuals to be tried, (n, residuals)."""
        shape = (len(seen), self._head.residuals)
        if at_random:
            drawn = 2 * torch.rand(shape, generator=self._generator) - 1
            return drawn * self._shares.clamp(max=1.0)
        noise = torch.randn(shape, generator=self._generator) * self._shares
        return (self._head.residual(seen) + self._config.noise * noise).clamp(-1, 1)

    def _physical(self, normalized: Tensor, observed: Tensor) -> NDArray[np.float32]:
        decoded = self._policy.decode(normalized[:, None], named(self._policy.spec, observed))
        physical: NDArray[np.float32] = decoded[:, 0].flatten(1).numpy()
        if not np.isfinite(physical).all():
            raise WorkFailed(
                f"the policy's actions are no longer finite after {self.steps} environment steps; "
                "train again with a lower --learning-rate, into another --output"
            )
        return physical

    def _remember(self, over: NDArray[np.bool_], step: VectorStep) -> None:
        condition = self._policy.encoder.encode(torch.from_numpy(step.after[over])[:, None])
        seen, _ = self._head.see(condition)
        for row, copy in enumerate(np.flatnonzero(over)):
            ticks, discount = int(self._age[copy]), self._config.discount
            # The reward is success, which ends the attempt; one that falls ends it, too.
            won = float(step.rewards[copy]) * discount ** (ticks - 1)
            counts = 0.0 if step.terminal[copy] else discount**ticks
            self._memory.add(self._begun[copy], self._held[copy], won, seen[row], counts)
            self._age[copy] = 0

    @torch.inference_mode()
    def _check_judges(self) -> None:
        """Whether a task judges is known after a step at the latest."""
        observed = torch.from_numpy(self._env.reset())
        condition = self._policy.encoder.encode(observed[:, None])
        self._env.advance(self._physical(self._head.see(condition)[1], observed))
        if not self._env.judges_success:
            raise UserError(
                f"{self._env.task.task} does not say whether it succeeded, and a residual learns "
                "from success; take --learner ppo with the task's own reward"
            )
