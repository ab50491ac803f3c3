"""A clone of PandaPush that gets better by what is learnt beside it: a bounded residual, by TD3.

    python -m benchmarks.residual --output runs/finetuning

The clone is that of `benchmarks.finetuning`, in the same folder, and stays as it is. What is added
to its action (Silver et al. 2018, arXiv:1812.06298) is bounded (Yuan et al. 2024, arXiv:2412.13630)
and learnt by twin delayed policy gradients (Fujimoto et al. 2018) with normalised critics (Ball et
al. 2023). While it tries, a residual is held for some ticks, so that what it leads to can be told
from noise; the critics learn from such stretches. In what is measured each tick has its own.

What the networks see is `benchmarks._push_residual`'s.
"""

from __future__ import annotations

import argparse
import copy
import json
import sys
import time
from contextlib import closing
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from benchmarks._push_residual import BOUND, SIZE, Beside
from benchmarks.finetuning import TRIED, clone, make
from ilrobot.evaluate import wilson_interval
from ilrobot.learners.machine import numerics
from ilrobot.learners.offline.learner import follow
from ilrobot.learners.reinforcement.vector_env import TaskVectorEnv
from ilrobot.policies.networks.twins import TwinPerceptrons
from ilrobot.policies.policy import Policy

TASK = "PandaPush"
#: Ticks for which a residual is held while it tries.
HELD = 5
#: Noise on a residual, of the copy that explores as is usual; others do less and more.
NOISE, COPIES = 0.2, (0.1, 0.3, 0.5, 0.7, 1.0, 1.0, 1.3, 1.6)
DISCOUNT, FOLLOW, SMOOTHING, BATCH = 0.97, 0.01, 0.1, 256
#: What a residual of its greatest size costs beside a value of one.
LEASH = 0.3
#: Updates for each step of the task, and of the critics alone at first.
UPDATES, FIRST_UPDATES = 0.4, 3_000
#: Of the first attempt that is counted, as in `benchmarks.finetuning`.
_FRESH, _SEEDS_APART = 1_000_000_000, 10_000
_REMEMBERED = 200_000


class Memory:
    """Stretches of at most `HELD` ticks: what was seen, added, won, seen then, and its discount."""

    def __init__(self, size: int) -> None:
        shapes = ((size,), (SIZE,), (), (size,), ())
        self._columns = [torch.zeros(_REMEMBERED, *shape) for shape in shapes]
        self._count = 0

    def add(self, *values: Tensor | float) -> None:
        """One stretch."""
        for column, value in zip(self._columns, values, strict=True):
            column[self._count % _REMEMBERED] = value
        self._count += 1

    def draw(self) -> list[Tensor]:
        """A minibatch."""
        rows = torch.randint(min(self._count, _REMEMBERED), (BATCH,))
        return [column[rows] for column in self._columns]


class Learner:
    """TD3 over held residuals; success is the reward.

    Args:
        beside: What is improved.
        env: Copies of the task.
    """

    def __init__(self, beside: Beside, env: TaskVectorEnv) -> None:
        self.steps = 0
        self._beside, self._env = beside, env
        self._critic = TwinPerceptrons(beside.size + SIZE, (128, 128), normalize=True)
        self._slow_critic = copy.deepcopy(self._critic).requires_grad_(False)
        self._slow = copy.deepcopy(beside.network).requires_grad_(False)
        self._acts = torch.optim.Adam(beside.network.parameters(), lr=3e-4, fused=True)
        self._judges = torch.optim.Adam(self._critic.parameters(), lr=5e-4, fused=True)
        self._memory = Memory(beside.size)
        copies = env.num_envs
        self._now = torch.from_numpy(env.reset())
        self._age = np.zeros(copies, dtype=np.int64)
        self._held, self._begun = torch.zeros(copies, SIZE), torch.zeros(copies, beside.size)
        self._shares = torch.tensor(COPIES)[:, None]

    @torch.no_grad()
    def attempt(self, ticks: int, *, at_random: bool = False) -> list[bool]:
        """Try for so many ticks of each copy; whether the attempts that ended succeeded."""
        ended: list[bool] = []
        for _ in range(ticks):
            new = torch.from_numpy(self._age == 0)
            if new.any():
                seen = self._beside.see(self._now)
                if at_random:
                    drawn = BOUND * (2 * torch.rand(len(new), SIZE) - 1)
                    drawn *= self._shares.clamp(0.3, 1)
                else:
                    drawn = self._beside.residual(seen)
                    drawn = drawn + NOISE * self._shares * torch.randn_like(drawn)
                self._held[new] = drawn.clamp(-BOUND, BOUND)[new]
                self._begun[new] = seen[new]
            step = self._env.advance(self._beside.act(self._now, self._held))
            self._age += 1
            over = step.terminal | step.timeout | (self._age == HELD)
            if over.any():
                after = self._beside.see(torch.from_numpy(step.after))
            for copied in np.flatnonzero(over):
                went, done = int(self._age[copied]), bool(step.terminal[copied])
                won = DISCOUNT ** (went - 1) if done else 0.0
                goes_on = 0.0 if done else DISCOUNT**went
                begun, held = self._begun[copied], self._held[copied]
                self._memory.add(begun, held, won, after[copied], goes_on)
                self._age[copied] = 0
            self._now = torch.from_numpy(step.observations)
            ended += [bool(one.success) for one in step.ended]
        self.steps += ticks * self._env.num_envs
        return ended

    def update(self, number: int, *, critics_alone: bool = False) -> None:
        """One step of the critics, at every second one of the residual, too."""
        seen, held, won, after, goes_on = self._memory.draw()
        with torch.no_grad():
            noise = (SMOOTHING * torch.randn(BATCH, SIZE)).clamp(-2 * SMOOTHING, 2 * SMOOTHING)
            then = (self._beside.residual(after, self._slow) + noise).clamp(-BOUND, BOUND)
            worth = self._slow_critic(torch.cat([after, then], dim=1)).amin(dim=0)
            target = won + goes_on * worth.clamp(0, 1)
        loss = (self._critic(torch.cat([seen, held], dim=1)) - target).square().mean(dim=1).sum()
        self._judges.zero_grad()
        loss.backward()
        self._judges.step()
        follow(self._slow_critic, self._critic, FOLLOW)
        if critics_alone or number % 2:
            return
        added = self._beside.residual(seen)
        value = self._critic(torch.cat([seen, added], dim=1)).mean()
        cost = LEASH * (added / BOUND).square().mean()
        objective = cost - value / value.detach().abs().clamp(min=1e-3)
        weights = list(self._beside.network.parameters())
        for weight, gradient in zip(weights, torch.autograd.grad(objective, weights), strict=True):
            weight.grad = gradient
        self._acts.step()
        follow(self._slow, self._beside.network, FOLLOW)


@torch.no_grad()
def success(beside: Beside, seed: int, attempts: int) -> float:
    """Share of fresh attempts that do the task, with a residual of every tick."""
    done = 0
    with closing(make(TASK)) as env:
        for number in range(attempts):
            observation, over = env.reset(_FRESH + _SEEDS_APART * seed + number), False
            came = False
            while not over:
                flat = np.concatenate([observation[name].reshape(-1) for name in beside.names])
                observed = torch.from_numpy(flat[None].astype(np.float32))
                added = beside.residual(beside.see(observed))
                step = env.step(beside.act(observed, added)[0])
                observation, over = step.observation, step.terminated or step.truncated
                came |= step.success
            done += came
    return done / attempts


def main() -> None:
    """Improve the clone of a seed; a JSON line for each measurement."""
    parser = argparse.ArgumentParser(description="A residual beside a clone of PandaPush.")
    parser.add_argument("--seed", type=int, default=0, help="of demonstrations, clone and trying")
    parser.add_argument("--steps", type=int, default=100_000, help="in the task, at most")
    parser.add_argument(
        "--random", type=int, default=24_000, help="of them with residuals at random"
    )
    parser.add_argument("--every", type=int, default=12_000, help="steps between measurements")
    parser.add_argument("--attempts", type=int, default=100, help="of each measurement")
    parser.add_argument(
        "--output", type=Path, required=True, help="folder of benchmarks.finetuning"
    )
    asked = parser.parse_args()
    if not 0 < asked.random < asked.steps:
        parser.error("--random must be between 0 and --steps")
    asked.output.mkdir(parents=True, exist_ok=True)
    began = time.perf_counter()
    with numerics(torch.device("cpu"), "mlp"):
        run, known = clone(asked.output, TASK, asked.seed, asked.attempts)
        torch.manual_seed(asked.seed)
        beside = Beside(Policy.load(run / "policy.pt"))
        made = partial(make, TASK, TRIED[TASK])
        with closing(TaskVectorEnv(made, len(COPIES), asked.seed, success_only=True)) as env:
            learner = Learner(beside, env)
            tick = len(COPIES)
            learner.attempt(asked.random // tick, at_random=True)
            for number in range(FIRST_UPDATES):
                learner.update(number, critics_alone=True)
            updates = 0
            while learner.steps < asked.steps:
                ended: list[bool] = []
                goal = min(learner.steps + asked.every, asked.steps)
                while learner.steps < goal:
                    ended += learner.attempt(8)
                    for _ in range(round(8 * tick * UPDATES)):
                        learner.update(updates)
                        updates += 1
                rate = success(beside, asked.seed, asked.attempts)
                row = {
                    "steps": learner.steps,
                    "clone": known["success"],
                    "success": rate,
                    "interval": wilson_interval(round(rate * asked.attempts), asked.attempts),
                    "exploring": round(float(np.mean(ended)), 3) if ended else None,
                    "seconds": round(time.perf_counter() - began),
                }
                print(json.dumps(row), flush=True)
    print(f"clone {known['success']:.0%}, now {rate:.0%}", file=sys.stderr)


if __name__ == "__main__":
    main()
