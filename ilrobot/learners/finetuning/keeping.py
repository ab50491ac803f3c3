"""The best of what a learner had: what tries about must not end worse than it began.

A policy that is being learnt goes up and down. Now and then it attempts the task without noise,
from the same beginnings as the one that it began as, and is kept where it does no worse than what
was kept before. The best of several counts flatters, so that at the end both are counted once more,
from other beginnings.
"""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np
import torch

from ilrobot.learners.reinforcement.vector_env import TaskVectorEnv
from ilrobot.policies.density import named
from ilrobot.policies.policy import Policy
from ilrobot.task_env import DEFAULT_TIME_LIMIT

#: What a run says at its end, see `Keeper.afresh`.
KEPT_FILE = "kept.json"


class Keeper:
    """Keeps the best policy by now.

    Attributes:
        kept: What is kept by now, in evaluation mode.
        rate: Its share of successes (None: nothing was compared yet).
        first: Share of successes of what was begun with (None: nothing was compared yet).

    Args:
        begun: What is begun with.
        env: Copies of the task that judges; an attempt under way there is given up.
        attempts: Of each policy, at least.
        seed: Of their beginnings.
    """

    def __init__(self, begun: Policy, env: TaskVectorEnv, attempts: int, seed: int) -> None:
        self._begun, self.kept = begun, copy.deepcopy(begun).eval()
        self.rate: float | None = None
        self.first: float | None = None
        self._env, self._attempts, self._seed = env, attempts, seed

    def compare(self, policy: Policy) -> tuple[float, int]:
        """Keep a policy if it does no worse than what is kept.

        The copies of the task are left somewhere: begin new episodes in them.

        Args:
            policy: Of the same kind as what was begun with.

        Returns:
            Its share of successes, and the environment steps that this took.
        """
        taken = 0
        if self.rate is None:
            self.rate, taken = attempted(self.kept, self._env, self._attempts, self._seed)
            self.first = self.rate
        rate, more = attempted(policy, self._env, self._attempts, self._seed)
        if rate >= self.rate:
            self.rate = rate
            self.kept.load_state_dict(policy.state_dict())
        return rate, taken + more

    def afresh(self) -> tuple[dict[str, float], int]:
        """What is kept and what was begun with, from beginnings that decided nothing.

        Returns:
            Shares of successes of what was begun with, ``clone``, and of what is ``kept``, how
            many ``attempts`` of each this is of, and whether what is kept was ``learnt`` or is what
            was begun with, which attempts once then; and the environment steps that this took.
        """
        begun = self._begun.state_dict()
        learnt = any(not torch.equal(w, begun[name]) for name, w in self.kept.state_dict().items())
        clone, taken = attempted(self._begun, self._env, self._attempts, self._seed + 1)
        kept, more = clone, 0
        if learnt:
            kept, more = attempted(self.kept, self._env, self._attempts, self._seed + 1)
        count = _each(self._attempts, self._env) * self._env.num_envs
        return {"clone": clone, "kept": kept, "attempts": count, "learnt": learnt}, taken + more

    def told(self) -> dict[str, float]:
        """Shares of successes that decided: of what was begun with, ``clone``, and ``kept``."""
        assert self.first is not None
        assert self.rate is not None
        return {"clone": self.first, "kept": self.rate}

    def state(self) -> dict[str, Any]:
        """As plain values and tensors."""
        return {"kept": self.kept.state_dict(), "rate": self.rate, "first": self.first}

    def load_state(self, state: dict[str, Any]) -> None:
        """Inverse of `state`."""
        self.kept.load_state_dict(state["kept"])
        self.rate, self.first = state["rate"], state["first"]


@torch.inference_mode()
def attempted(policy: Policy, env: TaskVectorEnv, attempts: int, seed: int) -> tuple[float, int]:
    """Share of attempts that succeed, and the environment steps that they took.

    Args:
        policy: Of one observation and one action, on the CPU; it adds no noise.
        env: Copies of a task that judges.
        attempts: How many, at least: as many in each copy, the first ones that end there, since
            the first of all to end would be the short ones. Those that have not ended after
            `DEFAULT_TIME_LIMIT` steps each, in a task without a limit of its own, failed.
        seed: Of their beginnings.
    """
    env.reseed(seed)
    now, each, ticks = env.reset(), _each(attempts, env), 0
    ended = np.zeros(env.num_envs, dtype=np.int64)
    successes = 0
    while (ended < each).any() and ticks < each * DEFAULT_TIME_LIMIT:
        actions = policy(named(policy.spec, torch.from_numpy(now)))[:, 0].flatten(1)
        step = env.advance(actions.numpy())
        over = np.flatnonzero(step.terminal | step.timeout)
        for which, one in zip(over, step.ended, strict=True):
            successes += bool(one.success) and bool(ended[which] < each)
            ended[which] += 1
        now, ticks = step.observations, ticks + 1
    return successes / (each * env.num_envs), ticks * env.num_envs


def _each(attempts: int, env: TaskVectorEnv) -> int:
    """Attempts of each copy of the task."""
    return math.ceil(attempts / env.num_envs)
