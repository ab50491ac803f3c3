"""Offline reinforcement learning on data of four qualities from Hopper-v5 and HalfCheetah-v5.

    python -m benchmarks.offline --output runs/offline

Cloning of all, cloning of the best 10 %, TD3+BC, IQL and CQL learn from the same steps
(`benchmarks/_offline_data.py`); the last policy is measured on the same fresh seeds. The score is
100 (R - random) / (expert - random), as D4RL's, with the returns of acting at random and of the
shared expert without noise. Whatever is done lies in a file of its own and is not done again: a
second call goes on. Seeds are outermost, so that a table of part of them is a table of everything.
Each call prints the table, with intervals over seeds, or over the episodes of one seed alone.
`ilrobot bench offline` measures how fast the learners are.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks import row
from benchmarks._offline_data import SETS, make_sets
from benchmarks.gym_experts import TASKS
from ilrobot.actors import Actor
from ilrobot.atomic import write_json
from ilrobot.data.dataset import Dataset
from ilrobot.data.transitions import Transitions
from ilrobot.env import make_env
from ilrobot.errors import UserError, WorkFailed
from ilrobot.evaluate import evaluate
from ilrobot.intervals import t_interval
from ilrobot.learners.machine import numerics
from ilrobot.learners.offline.cql import CqlMethod
from ilrobot.learners.offline.experience import Experience, fit_normalizers
from ilrobot.learners.offline.iql import IqlMethod
from ilrobot.learners.offline.learner import OfflineMethod
from ilrobot.learners.offline.optimization import Optimization
from ilrobot.learners.offline.td3_bc import Td3BcMethod
from ilrobot.learners.offline.train import offline_config, offline_policy, train_offline
from ilrobot.learners.offline.weighted_bc import FilteredBcMethod
from ilrobot.policies.loading import load_policy
from ilrobot.policies.policy import Policy
from ilrobot.run import Run
from ilrobot.run_description import TrainDescription
from ilrobot.task_env import TaskEnv

#: Each with its optimiser steps; D4RL's tables are of a million. All but CQL learn from three
#: sets in a quarter of an hour of a busy core. A step of CQL takes some five times as long, with
#: fewer actions than the paper's 10.
METHODS: dict[str, tuple[OfflineMethod, int]] = {
    "bc": (FilteredBcMethod(best=100.0), 6_000),
    "best-10%": (FilteredBcMethod(best=10.0), 6_000),
    "td3-bc": (Td3BcMethod(), 12_000),
    "iql": (IqlMethod(), 12_000),
    "cql": (CqlMethod(actions=4), 10_000),
}
REPORTING = range(900_000, 900_010)
#: Optimiser steps per second of one core.
GOAL = 1_000.0


@dataclass(frozen=True)
class Trial:
    """One policy: what it learnt from, how, and how that went.

    Attributes:
        task: One of `TASKS`.
        data: One of `SETS`.
        method: One of `METHODS`.
        seed: Of everything drawn.
    """

    task: str
    data: str
    method: str
    seed: int

    def place(self, output: Path) -> Path:
        """Its folder."""
        return output / self.task / self.data / self.method / f"seed-{self.seed}"


@dataclass(frozen=True)
class Acting:
    """A policy in its task, made in the process that runs it."""

    task: str
    run: Path

    def __call__(self) -> tuple[TaskEnv, Actor]:
        """The world and the actor."""
        torch.set_num_threads(1)
        return make_env(TASKS[self.task]), load_policy(self.run).actor()


def measure(trial: Trial, output: Path, scale: float) -> dict[str, Any]:
    """Train and evaluate, or read what came of it before.

    Args:
        trial: Which.
        output: Folder of all.
        scale: Steps in shares of those of `METHODS`.
    """
    place = trial.place(output)
    result = place / "result.json"
    if result.exists():
        known: dict[str, Any] = json.loads(result.read_text())
        return known
    method, steps = METHODS[trial.method]
    config = offline_config(
        steps=max(1, round(scale * steps)), seed=trial.seed, learning_rate=method.learning_rate
    )
    data = Dataset.open(output / "data" / trial.task / trial.data)
    train_offline(data, method, offline_policy(method), config, place / "run", resume=True)
    episodes = evaluate(Acting(trial.task, place / "run"), REPORTING).results
    run = Run.read_as(place / "run", TrainDescription).description
    found = {
        **vars(trial),
        "returns": [float(episode.total_reward) for episode in episodes],
        "steps": config.steps,
        "seconds": run.seconds,
    }
    write_json(result, found)
    return found


def score(value: float, returns: dict[str, float]) -> float:
    """100 for the expert, 0 for acting at random."""
    return 100 * (value - returns["random"]) / (returns["best"] - returns["random"])


def table(found: list[dict[str, Any]], returns: dict[str, dict[str, float]]) -> list[str]:
    """Lines of Markdown: a row for each task and set, a column for each method."""
    methods = [name for name in METHODS if any(one["method"] == name for one in found)]
    lines = [
        "| task | data (its own score) | " + " | ".join(methods) + " |",
        "| --- " * (2 + len(methods)) + "|",
    ]
    for task, data in itertools.product(TASKS, SETS):
        cells = []
        for name in methods:
            scores = [
                [score(value, returns[task]) for value in one["returns"]]
                for one in found
                if (one["task"], one["data"], one["method"]) == (task, data, name)
            ]
            cells.append(_cell(scores))
        if any(cells):
            own = score(returns[task][data], returns[task])
            lines.append(f"| {TASKS[task]} | {data} ({own:.0f}) | " + " | ".join(cells) + " |")
    return lines


def run() -> list[dict[str, Any]]:
    """A row for each learner: optimiser steps per second of processor time, on made-up data."""
    env = make_env(TASKS["halfcheetah"])
    spec = env.spec
    env.close()
    draw = np.random.default_rng(0)
    count, seen, acted = 10_000, spec.observations[0].size, spec.action.size
    transitions = Transitions(
        observations=draw.normal(size=(count, seen)).astype(np.float32),
        actions=draw.uniform(-1, 1, (count, acted)).astype(np.float32),
        rewards=draw.normal(size=count).astype(np.float32),
        next_observations=draw.normal(size=(count, seen)).astype(np.float32),
        terminal=np.zeros(count, dtype=bool),
        timeout=np.zeros(count, dtype=bool),
        episode=np.repeat(np.arange(10), count // 10),
    )
    rows = []
    for name, (method, _) in METHODS.items():
        config = offline_config(steps=1_000)
        with numerics(torch.device("cpu"), "mlp"):
            policy = Policy(spec, offline_policy(method))
            fit_normalizers(policy, transitions)
            experience = Experience(transitions, policy, method.weights(transitions))
            learner = method.learner(policy, config)
            optimization = Optimization(learner, experience, config, None)
            optimization.measure_step(0.5)
            first, began = optimization.step, time.process_time()
            optimization.measure_step(3.0)
            rate = (optimization.step - first) / (time.process_time() - began)
        goal = GOAL if name == "td3-bc" else None
        rows.append(row(f"{name}, batches of 256", rate, "steps/s of a core", at_least=goal))
    return rows


def main() -> None:
    """Do what the options ask for and is not done yet; print the table after each trial."""
    parser = argparse.ArgumentParser(description="Offline reinforcement learning.")
    parser.add_argument("--output", type=Path, required=True, help="a second call goes on there")
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--scale", type=float, default=1.0, help="of the optimiser steps")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    found: list[dict[str, Any]] = []
    try:
        returns = {
            task: make_sets(task, arguments.output / "data" / task) for task in arguments.tasks
        }
        for seed, task, data, method in itertools.product(
            arguments.seeds, arguments.tasks, arguments.sets, arguments.methods
        ):
            found.append(
                measure(Trial(task, data, method, seed), arguments.output, arguments.scale)
            )
            print(json.dumps(found[-1]), file=sys.stderr, flush=True)
    except (UserError, WorkFailed) as error:
        sys.exit(f"offline: {error}")
    print("\n".join(table(found, returns)))


def _cell(scores: list[list[float]]) -> str:
    """The mean and its interval of 95 %: over seeds, and over the episodes of one seed alone."""
    if not scores:
        return ""
    parts = scores[0] if len(scores) == 1 else [float(np.mean(seed)) for seed in scores]
    spread = " [{:.0f}, {:.0f}]".format(*t_interval(parts)) if len(parts) > 1 else ""
    return f"{np.mean(parts):.0f}{spread}"


if __name__ == "__main__":
    main()
