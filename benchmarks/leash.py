"""What a leash to the clone prevents: PPO from a clone of Hopper, with and without one.

    python -m benchmarks.leash --seeds 0 1 --leashes 0 0.1 --output runs/leash

The clone is of five episodes of the expert. It is improved as a new policy would be learnt, with
stable-baselines3's own defaults, whose value knows nothing when the first update follows it. Those
that `train --learner ppo --from` has for a clone are the other remedy, and forget nothing without a
leash either (`--careful`). On the way the mean return of 16 fresh episodes is measured, and how far
the policy is from what was demonstrated. One JSON line is the result.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks._clones import away
from benchmarks.gym_experts import TASKS, Queried
from ilrobot.data.dataset import Dataset
from ilrobot.data.episode import EpisodeInfo
from ilrobot.data.recorder import DatasetRecorder
from ilrobot.env import make_env
from ilrobot.errors import UserError, WorkFailed
from ilrobot.learners.behavioral_cloning import train
from ilrobot.learners.config import preset
from ilrobot.learners.finetuning.reinforced import ReinforcedLearner
from ilrobot.learners.machine import numerics
from ilrobot.learners.reinforcement.config import CLONE, CLONE_LOG_STD, PpoConfig
from ilrobot.learners.reinforcement.reinforcer import make_reinforcer
from ilrobot.learners.reinforcement.vector_env import TaskVectorEnv
from ilrobot.policies.density import as_gaussian, named
from ilrobot.policies.policy import Policy
from ilrobot.rollout import rollout

EXPERT, EPISODES, ATTEMPTS, COPIES = "hopper", 5, 16, 8
CLONING_STEPS = 3_000
_SEEDS_APART, _FRESH = 100_000, 900_000


def clone(folder: Path, seed: int) -> Policy:
    """One of five episodes; `folder` gets them and its run."""
    cast, demos = Queried(EXPERT), folder / "demonstrations"
    env = cast.make_env()
    with DatasetRecorder(demos, env.spec, state_size=env.state_size, resume=True) as recorder:
        while (episode := recorder.num_episodes) < EPISODES:
            first = _SEEDS_APART * (1 + seed) + episode
            info = EpisodeInfo(env.spec.task, env.spec.rate, seed=first)
            rollout(env, cast.expert(), seed=first, recorder=recorder, info=info)
    data = Dataset.open(demos)
    config, training = preset("bc", data.spec)
    config = replace(config, width=64, blocks=1, dropout=0.0, observation_noise=0.0)
    training = replace(training, seed=seed, patience=0, held_out=0.02, device="cpu")
    return train(data, config, training.with_steps(CLONING_STEPS), folder / "bc", resume=True)


@torch.inference_mode()
def returns(policy: Policy, seed: int) -> tuple[float, float]:
    """Mean return of fresh episodes, which are the same for all, and its standard error."""
    env = TaskVectorEnv(partial(make_env, TASKS[EXPERT]), ATTEMPTS, _FRESH + seed)
    try:
        seen, got, over = env.reset(), np.zeros(ATTEMPTS), np.zeros(ATTEMPTS, dtype=bool)
        while not over.all():
            action = policy(named(policy.spec, torch.from_numpy(seen)))[:, 0].flatten(1)
            step = env.advance(action.numpy())
            got += np.where(over, 0.0, step.rewards)
            over |= step.terminal | step.timeout
            seen = step.observations
    finally:
        env.close()
    return float(got.mean()), float(got.std(ddof=1) / np.sqrt(ATTEMPTS))


def improved(
    begun: Policy, config: PpoConfig, leash: float, seed: int, marks: Sequence[int]
) -> Iterator[tuple[int, Policy]]:
    """The policy after so many environment steps, at each of the marks."""
    torch.manual_seed(seed)
    env = TaskVectorEnv(partial(make_env, TASKS[EXPERT]), COPIES, seed)
    try:
        reinforcer = make_reinforcer(
            as_gaussian(begun, CLONE_LOG_STD),
            env,
            config,
            seed,
            reference=as_gaussian(begun, CLONE_LOG_STD),
            kl_weight=leash,
            fit_observations=False,
        )
        learner = ReinforcedLearner(reinforcer)
        for mark in marks:
            while learner.steps < mark:
                learner.improve()
            yield learner.steps, learner.policy
    finally:
        env.close()


def main() -> None:
    """Measure what the options ask for; print the table and one JSON line."""
    parser = argparse.ArgumentParser(description="PPO from a clone of Hopper, on a leash or not.")
    parser.add_argument("--seeds", nargs="*", type=int, default=[0, 1])
    parser.add_argument("--leashes", nargs="*", type=float, default=[0.0, 0.1])
    parser.add_argument("--marks", nargs="*", type=int, default=[4_096, 16_384, 32_768])
    parser.add_argument("--careful", action="store_true", help="with the defaults for a clone")
    parser.add_argument("--output", type=Path, required=True, help="demonstrations and clones")
    asked = parser.parse_args()
    config = CLONE if asked.careful else PpoConfig()
    rows: list[dict[str, Any]] = []
    try:
        with numerics(torch.device("cpu"), "mlp"):
            for seed in asked.seeds:
                folder = asked.output / f"seed-{seed}"
                begun = clone(folder, seed)
                _tell(rows, begun, folder, seed=seed, leash=None, steps=0)
                for leash in asked.leashes:
                    for steps, policy in improved(begun, config, leash, seed, asked.marks):
                        _tell(rows, policy, folder, seed=seed, leash=leash, steps=steps)
    except (UserError, WorkFailed) as error:
        sys.exit(f"leash: {error}")
    print(json.dumps({"rows": rows}))


def _tell(
    rows: list[dict[str, Any]], policy: Policy, folder: Path, *, seed: int, **known: Any
) -> None:
    mean, error = returns(policy, seed)
    found = {"return": mean, "error": error, "away": away(policy, folder / "demonstrations")}
    rows.append({"seed": seed, **known, **found})
    print(json.dumps(rows[-1]), file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
