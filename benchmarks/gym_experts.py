"""DAgger with experts that can be asked: Hopper and HalfCheetah, from 60,000 labels or fewer.

    python -m benchmarks.gym_experts --task hopper --seeds 0 1 2 3 4 --output runs/gym --workers 2

The experts are two hidden layers of tanh (Berkeley's homework_fall2023, f401a13c, MIT). Each run
begins with ten episodes of the expert, and in each round the policy acts alone (β = 0, the
indicator schedule after its first round) while the expert labels every step. A policy's return is
measured beside the expert's on the same fresh seeds. One JSON line is the result.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks import row
from benchmarks._shared_data import find
from ilrobot.actors import Action, Actor, Decision, Observation, Source
from ilrobot.data.dataset import Dataset, DatasetRecorder
from ilrobot.data.episode import EpisodeInfo
from ilrobot.data.recordings import Recordings
from ilrobot.env import make_env
from ilrobot.errors import UserError, WorkFailed
from ilrobot.evaluate import evaluate
from ilrobot.gates.beta import BetaGate
from ilrobot.intervals import t_interval
from ilrobot.learners.behavioral_cloning import train
from ilrobot.learners.config import preset
from ilrobot.learners.interactive.dagger import describe_dagger, run_dagger
from ilrobot.learners.interactive.gate_network import OnSteps
from ilrobot.policies.loading import load_policy
from ilrobot.policies.policy import Policy
from ilrobot.rollout import rollout
from ilrobot.run_description import Config, DaggerPlan
from ilrobot.shared_control import SharedControl
from ilrobot.task_env import TaskEnv

TASKS = {"hopper": "Hopper-v5", "halfcheetah": "HalfCheetah-v5"}
EPISODES, ROUNDS = 10, 3
REPORTING = range(900_000, 900_025)
GOAL = 0.98
STEPS = 6_000
WIDTH = 128


class TanhExpert(Actor):
    """h = tanh(W h + b) twice on standardised observations, linear output within [-1, 1].

    Args:
        file: Its weights, ``<task>_policy.npz``.
    """

    def __init__(self, file: Path) -> None:
        with np.load(file) as weights:
            self._weights = {name: weights[name] for name in weights.files}

    def act(self, observation: Observation, now: float) -> Decision:
        """Its action, which is its label too."""
        action = self._action(observation["observation.state"])
        return Decision(action, Source.DEMO, human_action=action)

    def _action(self, state: Any) -> Action:
        known = self._weights
        hidden = (state - known["obs_mean"]) / (known["obs_std"] + 1e-6)
        for layer in ("hidden0", "hidden1"):
            hidden = np.tanh(hidden @ known[f"{layer}_weight"] + known[f"{layer}_bias"])
        output = hidden @ known["out_weight"] + known["out_bias"]
        return np.clip(output, -1.0, 1.0)[0].astype(np.float32)


@dataclass(frozen=True)
class Queried:
    """The policy acts, the expert labels every step."""

    name: str

    def make_env(self) -> TaskEnv:
        """The task, without the rest of its options."""
        return make_env(TASKS[self.name])

    def prepare(self, number: int, dataset: Dataset, policy_run: Path, on_steps: OnSteps) -> None:
        """The gate is a number."""

    @contextmanager
    def share_control(self, env: TaskEnv, policy_run: Path, number: int) -> Iterator[Actor]:
        """Under β = 0."""
        yield SharedControl(load_policy(policy_run).actor(), self.expert(), BetaGate(0.0))

    def expert(self) -> TanhExpert:
        """Whoever is asked."""
        return TanhExpert(find(f"gym_experts/{self.name}_policy.npz"))


@dataclass(frozen=True)
class Alone:
    """Makes world and actor in each worker process: a policy, or the expert where there is none."""

    name: str
    run: Path | None = None

    def __call__(self) -> tuple[TaskEnv, Actor]:
        """The world and the actor."""
        torch.set_num_threads(1)
        cast = Queried(self.name)
        actor = cast.expert() if self.run is None else load_policy(self.run).actor()
        return cast.make_env(), actor


def measure(
    name: str, seed: int, output: Path, *, workers: int = 1, rounds: int = ROUNDS
) -> dict[str, Any]:
    """One run; what `output` holds already is not done again.

    Args:
        name: One of `TASKS`.
        seed: Of the training; the episodes' seeds follow from it.
        output: Folder of the run.
        workers: Processes of collection and of evaluation.
        rounds: Rounds of ten episodes.

    Returns:
        Labels and share of the expert's return after each round, the first from cloning alone.
    """
    cast = Queried(name)
    env = cast.make_env()
    info = EpisodeInfo(env.spec.task, env.spec.rate, operator="expert", device="expert")
    first = 100_000 * (1 + seed)
    demonstrations = output / "demonstrations"
    if not (demonstrations / "meta" / "info.json").exists():
        with DatasetRecorder(demonstrations, env.spec, state_size=env.state_size) as recorder:
            for episode in range(first, first + EPISODES):
                known = replace(info, seed=episode)
                rollout(env, cast.expert(), seed=episode, recorder=recorder, info=known)
    data = Dataset.open(demonstrations)
    policy, training = preset("bc", data.spec)
    policy = replace(policy, width=WIDTH, dropout=0.0, observation_noise=0.0)
    training = replace(training, seed=seed, patience=0, held_out=0.02).with_steps(STEPS)
    train(data, policy, training, output / "bc", resume=True)
    plan = DaggerPlan(rounds, EPISODES, first + EPISODES)
    description = describe_dagger(env, demonstrations, output / "bc", plan, {"task": TASKS[name]})

    def fit(grown: Recordings, run: Path, initial: Policy | None) -> Policy:
        config: Config = description.config
        return train(grown, config.policy, config.train, run, resume=True, initial=initial)

    run_dagger(
        env=env,
        description=description,
        output=output / "dagger",
        cast=cast,
        fit=fit,
        info=info,
        resume=True,
        workers=workers,
    )
    expert = _returns(Alone(name), workers)
    runs = [output / "bc", *(output / "dagger" / f"round-{n}" for n in range(1, rounds + 1))]
    grown = Dataset.open(output / "dagger" / "dataset")
    ends = [EPISODES * (n + 1) for n in range(rounds + 1)]
    return {
        "labels": [int(grown.starts[end]) for end in ends],
        "share_of_expert": [
            float(np.mean(_returns(Alone(name, run), workers)) / np.mean(expert)) for run in runs
        ],
        "expert_return": float(np.mean(expert)),
    }


def run() -> list[dict[str, Any]]:
    """A row for each task: what DAgger's last policy earns, as a share of the expert."""
    rows = []
    for name in TASKS:
        with tempfile.TemporaryDirectory() as folder:
            found = measure(name, 0, Path(folder), workers=2)
        what = f"{TASKS[name]}, {found['labels'][-1]:,} labels, one seed: share of the expert"
        rows.append(row(what, found["share_of_expert"][-1], "1", at_least=GOAL))
    return rows


def main() -> None:
    """Measure what the options ask for; print one JSON line."""
    parser = argparse.ArgumentParser(description="DAgger on the gym experts.")
    parser.add_argument("--task", choices=TASKS, default="hopper")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--output", type=Path, required=True, help="a second call goes on there")
    parser.add_argument("--workers", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    runs = []
    try:
        for seed in arguments.seeds:
            folder = arguments.output / f"{arguments.task}-{seed}"
            runs.append(measure(arguments.task, seed, folder, workers=arguments.workers))
            print(json.dumps({"seed": seed, **runs[-1]}), file=sys.stderr, flush=True)
    except (UserError, WorkFailed) as error:
        sys.exit(f"gym_experts: {error}")
    last = [found["share_of_expert"][-1] for found in runs]
    print(
        json.dumps(
            {
                "task": TASKS[arguments.task],
                "most_labels": max(found["labels"][-1] for found in runs),
                "share_of_expert": last,
                "mean": float(np.mean(last)),
                "interval": t_interval(last) if len(last) > 1 else None,
                "runs": runs,
            }
        )
    )


def _returns(setup: Alone, workers: int) -> Sequence[float]:
    results = evaluate(setup, REPORTING, workers=workers).results
    return [result.total_reward for result in results]


if __name__ == "__main__":
    main()
