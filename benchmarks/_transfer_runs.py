"""Runs of `ilrobot train` in one world and their returns in another."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ilrobot.cli import _main
from ilrobot.env import make_env
from ilrobot.evaluate import evaluate
from ilrobot.intervals import t_interval
from ilrobot.policies.loading import load_policy
from ilrobot.task_env import TaskEnv


@dataclass(frozen=True)
class World:
    """A task with its options."""

    task: str
    options: Mapping[str, str] = field(default_factory=dict)

    def make(self) -> TaskEnv:
        """A copy of it."""
        return make_env(self.task, dict(self.options))

    def learn(
        self, learner: str, run: Path, *, seed: int, steps: int, given: Sequence[str]
    ) -> Path:
        """Train there into `run`, or go on there; `given` are further options of the learner."""
        arguments = ["train", "--learner", learner, "--task", self.task]
        if self.options:
            arguments += ["--options", *(f"{name}={value}" for name, value in self.options.items())]
        arguments += ["--steps", str(steps), "--seed", str(seed), "--output", str(run), "--resume"]
        if _main([*arguments, *given]):
            sys.exit(1)
        return run

    def returned(self, run: Path, seeds: range) -> float:
        """Mean return, by the task's own reward, of the run's policy acting by its mean."""
        policy = load_policy(run)

        def setup() -> tuple[TaskEnv, Any]:
            return self.make(), policy.actor()

        return float(evaluate(setup, seeds).to_json()["return_mean"])


def show(found: Mapping[int, Mapping[str, float]]) -> None:
    """Each number's mean over seeds, with its t interval where there are several."""
    for name in next(iter(found.values())):
        returns = [result[name] for result in found.values()]
        spread = "  [{:.2f}, {:.2f}]".format(*t_interval(returns)) if len(returns) > 1 else ""
        print(f"{name:48} {np.mean(returns):9.2f}{spread}")
