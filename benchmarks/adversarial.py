"""GAIL, AIRL and cloning from four trajectories of an expert, of which every 20th step is known.

    python -m benchmarks.adversarial --task hopper --method gail --seeds 0 1 2 --output runs/gail

The experts are those of `benchmarks.gym_experts`; 200 pairs of state and action are all that is
known of them, as in Ho and Ermon 2016. GAIL and AIRL begin with the clone. A policy's return over
50 fresh episodes, acting by its mean, is measured beside that of the expert's 25 recorded episodes.
Each seed leaves a JSON file; what is there is not done again, and what was cut off goes on. The
last line is JSON of these seeds.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks._shared_data import find
from ilrobot.atomic import write_json
from ilrobot.data.convert import open_source
from ilrobot.data.dataset import Dataset
from ilrobot.data.writing import write_episodes
from ilrobot.env import make_env
from ilrobot.errors import UserError, WorkFailed
from ilrobot.evaluate import evaluate
from ilrobot.intervals import t_interval
from ilrobot.learners.adversarial.demonstrations import expert_transitions
from ilrobot.learners.adversarial.making import (
    CLONE,
    CLONE_LOG_STD,
    DEFAULTS,
    AdversarialConfig,
    Method,
    make_contest,
)
from ilrobot.learners.behavioral_cloning import data_used, train
from ilrobot.learners.config import TrainConfig, preset
from ilrobot.learners.online import describe_online, train_online
from ilrobot.learners.reinforcement.vector_env import TaskVectorEnv
from ilrobot.learners.training import Progress
from ilrobot.policies.density import as_gaussian
from ilrobot.policies.policy import Policy

TASKS = {"hopper": "Hopper-v5", "halfcheetah": "HalfCheetah-v5"}
METHODS = ("bc", "gail", "airl")
TRAJECTORIES, EVERY = 4, 20
REPORTING = range(900_000, 900_050)
CLONING_STEPS = 1_500
#: On the observations, as a share of their spread: 200 pairs are few.
NOISE = 0.1
WIDTH = 64
#: Whole rollouts, so that a policy is kept at every tenth.
STEPS = 250 * 4_096
KEPT = 10
COPIES = 8


def settings(method: Method) -> AdversarialConfig:
    """How a method is run on both tasks; Hopper's episodes end where it falls."""
    config = replace(DEFAULTS[method], ppo=CLONE)
    if method == "airl":  # as in the paper where imitation counts, not what is recovered
        return replace(config, reward=replace(config.reward, inputs="state-action"))
    return replace(config, reward=replace(config.reward, termination_bias="survive"))


class OutOfTime(Exception):
    """The time of this call is over; the next one goes on."""


def measure(
    name: str, method: str, seed: int, output: Path, *, steps: int, deadline: float
) -> dict[str, Any]:
    """One run, or what is known of it already.

    Args:
        name: One of `TASKS`.
        method: One of `METHODS`.
        seed: Of everything: which steps are known, cloning, exploration.
        output: Folder of all runs.
        steps: Of the environment.
        deadline: By `time.monotonic`, until when to train.

    Returns:
        Return of the policy and of the expert, their ratio, environment steps and seconds.
    """
    file = output / f"{name}-{method}-{seed}.json"
    if file.exists():
        known: dict[str, Any] = json.loads(file.read_text())
        if known["finished"]:
            return known
    data = demonstrations(name, output / f"{name}-demonstrations")
    policy = clone(name, data, seed, output / f"{name}-bc-{seed}")
    made, took, finished = 0, 0.0, True
    if method != "bc":
        run = output / f"{name}-{method}-{seed}"
        policy, made, took, finished = imitate(
            name, method, seed, data, policy, run, steps=steps, deadline=deadline
        )
    returns = score(name, policy)
    expert = float(np.load(find(f"gym_experts/{name}_v5_rollouts.npz"))["returns"].mean())
    found = {
        "task": TASKS[name],
        "method": method,
        "seed": seed,
        "finished": finished,
        "return": float(np.mean(returns)),
        "return_std": float(np.std(returns)),
        "expert_return": expert,
        "share_of_expert": float(np.mean(returns)) / expert,
        "episodes": len(returns),
        "environment_steps": made,
        "seconds": took,
    }
    write_json(file, found)
    return found


def demonstrations(name: str, folder: Path) -> Dataset:
    """The first trajectories of the expert, as a dataset."""
    if not (folder / "meta" / "info.json").exists():
        env = make_env(TASKS[name])
        source = open_source(find(f"gym_experts/{name}_v5_rollouts.npz"), "npz", env.spec.rate)
        env.close()
        write_episodes(folder, source.spec, islice(source.episodes, TRAJECTORIES))
    return Dataset.open(folder)


def clone(name: str, data: Dataset, seed: int, folder: Path) -> Policy:
    """A clone of the known steps alone."""
    known = expert_transitions(data, every=EVERY, seed=seed)
    policy, training = preset("bc", data.spec)
    policy = replace(policy, width=WIDTH, blocks=1, dropout=0.0, observation_noise=NOISE)
    training = replace(training, seed=seed, patience=0, held_out=0.0, batch_size=64)
    weights = _weights(data, known.observations)
    training = training.with_steps(CLONING_STEPS)
    return train(data, policy, training, folder, resume=True, frame_weights=weights)


def imitate(
    name: str,
    method: str,
    seed: int,
    data: Dataset,
    begun: Policy,
    folder: Path,
    *,
    steps: int,
    deadline: float,
) -> tuple[Policy, int, float, bool]:
    """Go on with a run until its end or the deadline.

    Returns:
        The policy, environment steps, seconds, and whether it is done.
    """
    config = settings("gail" if method == "gail" else "airl")
    torch.manual_seed(seed)
    policy = as_gaussian(begun, CLONE_LOG_STD)
    env = TaskVectorEnv(lambda: make_env(TASKS[name]), COPIES, seed)
    try:
        contest = make_contest(
            config,
            policy,
            env,
            expert_transitions(data, every=EVERY, seed=seed),
            seed=seed,
            fit_observations=False,
        )
        described = describe_online(
            method,
            policy,
            TrainConfig(
                steps=steps,
                seed=seed,
                learning_rate=config.ppo.learning_rate,
                batch_size=config.ppo.batch_size,
                device="cpu",
                keep_checkpoints=KEPT,
            ),
            {"task": TASKS[name], "copies": COPIES, **config.settings()},
            folder,
            data_used(data),
            None,
        )
        last: list[Progress] = []
        finished = True
        try:
            policy = train_online(
                contest,
                described,
                folder,
                resume=True,
                record=lambda policy, folder: data,
                on_progress=_until(deadline, last),
            )
        except OutOfTime:
            finished = False
    finally:
        env.close()
    if not last:  # it was done before
        return policy.eval(), steps, float("nan"), finished
    return policy.eval(), last[-1].step, last[-1].seconds, finished


def score(name: str, policy: Policy) -> list[float]:
    """Return of each fresh episode, by the policy's mean."""
    results = evaluate(lambda: (make_env(TASKS[name]), policy.actor()), REPORTING).results
    return [result.total_reward for result in results]


def main() -> None:
    """Measure what the options ask for; print one JSON line."""
    parser = argparse.ArgumentParser(description="Adversarial imitation on the gym experts.")
    parser.add_argument("--task", choices=TASKS, default="hopper")
    parser.add_argument("--method", choices=METHODS, default="gail")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument(
        "--time-budget", type=float, default=float("inf"), help="seconds of training in this call"
    )
    parser.add_argument("--output", type=Path, required=True, help="a second call goes on there")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    deadline = time.monotonic() + arguments.time_budget
    found = []
    try:
        for seed in arguments.seeds:
            found.append(
                measure(
                    arguments.task,
                    arguments.method,
                    seed,
                    arguments.output,
                    steps=arguments.steps,
                    deadline=deadline,
                )
            )
            print(json.dumps(found[-1]), file=sys.stderr, flush=True)
    except (UserError, WorkFailed) as error:
        sys.exit(f"adversarial: {error}")
    print(json.dumps(summary(found)))


def summary(found: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Of all seeds: shares of the expert's return, their mean and its interval."""
    runs = list(found)
    shares = [run["share_of_expert"] for run in runs]
    return {
        "task": runs[0]["task"],
        "method": runs[0]["method"],
        "finished": all(run["finished"] for run in runs),
        "share_of_expert": shares,
        "mean": float(np.mean(shares)),
        "interval": t_interval(shares) if len(shares) > 1 else None,
        "runs": runs,
    }


def _until(deadline: float, last: list[Progress]) -> Callable[[Progress], None]:
    def check(progress: Progress) -> None:
        last[:] = [progress]
        if time.monotonic() > deadline:
            raise OutOfTime

    return check


def _weights(data: Dataset, observations: NDArray[np.float32]) -> NDArray[np.float64]:
    """1 for each frame whose observation is among these, 0 for the others."""
    known = {row.tobytes() for row in observations}
    rows = data.column("observation.state").astype(np.float32)
    return np.array([float(row.tobytes() in known) for row in rows])


if __name__ == "__main__":
    main()
