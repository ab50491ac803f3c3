"""From a clone that does a Panda task half of the time to one that does it nearly always.

    python -m benchmarks.finetuning --output runs/finetuning
    python -m benchmarks.finetuning --tasks PandaPush --methods leash --output runs/finetuning
    python -m benchmarks.finetuning --clone flow-framed --methods raft --output runs/finetuning

A seed is a set of demonstrations, a clone and its 100 fresh attempts. The demonstrations are as few
as make a clone that does half of them. From it go PPO on a leash and without one, both by success
in attempts that are cut short, and RAFT; PPO from scratch, by the task's reward, knows nothing of
it. A residual is learnt beside the clone, or from scratch beside one that always does the same.
Each is measured on the way, until 95 % twice in a row or the steps are spent. A second call
goes on where the first was ended, at the last measurement; processes may share the work by tasks
and seeds. One JSON line is the result.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from benchmarks._clones import CLONES, SEEDS_APART, Job, away, clone, make, shown, success
from ilrobot.atomic import write_text
from ilrobot.data.dataset import Dataset
from ilrobot.env_spec import stated_frame
from ilrobot.errors import UserError, WorkFailed
from ilrobot.intervals import wilson_interval
from ilrobot.learners.finetuning.raft import RaftConfig, RaftLearner
from ilrobot.learners.finetuning.reinforced import ReinforcedLearner
from ilrobot.learners.finetuning.residual import ResidualLearner
from ilrobot.learners.finetuning.residual_config import ResidualTd3Config
from ilrobot.learners.machine import numerics
from ilrobot.learners.online import OnlineLearner
from ilrobot.learners.reinforcement.config import (
    CLONE,
    CLONE_LOG_STD,
    INITIAL_LOG_STD,
    SCRATCH,
    PpoConfig,
)
from ilrobot.learners.reinforcement.reinforcer import make_reinforcer
from ilrobot.learners.reinforcement.vector_env import TaskVectorEnv
from ilrobot.policies.density import as_gaussian, new_policy
from ilrobot.policies.policy import Policy
from ilrobot.policies.residual import with_residual
from ilrobot.policies.tensor_file import load_tensors, save_tensors

TASKS = ("PandaPush", "PandaPegInsert")
METHODS = ("leash", "free", "raft", "scratch", "residual", "residual-scratch")
LEASH = 0.01
ENOUGH = 0.95
COPIES, RESIDUAL_COPIES = 32, 8
#: Of each cloning by RAFT: after a round there are ten times as many lessons as demonstrations.
RAFT_EPOCHS = 30
#: Of a residual: an insertion takes twice as many ticks as a push.
DISCOUNT = {"PandaPush": 0.97, "PandaPegInsert": 0.985}
#: What a residual may do, and what where the clone stands still: a peg is free by half a
#: millimetre, and the hand moves at a quarter of its pace beside the hole.
BOUND = {"PandaPush": (0.7, None), "PandaPegInsert": (0.7, 0.1)}
RESIDUAL_LEASH = {"PandaPush": 0.3, "PandaPegInsert": 0.1}
#: Steps with residuals at random, and updates of the critics for each.
STARTS = {"PandaPush": (24_000, 0.15), "PandaPegInsert": (12_000, 0.4)}
#: Steps after which an attempt is over while PPO improves a clone: after twice what a demonstration
#: takes it has gone astray, and such states would be most of what is learnt from.
TRIED = {"PandaPush": 80, "PandaPegInsert": 200}


def learner(folder: Path, job: Job, run: Path, demos: Path) -> tuple[OnlineLearner, Any]:
    """What a method is, and what is to be closed when it is done."""
    begun = Policy.load(run / "policy.pt")
    if job.method.startswith("residual"):
        return residual(job, begun)
    if job.method == "raft":
        _, fit = CLONES[job.clone].configure(begun.spec)
        fit = replace(fit, seed=job.seed, device="cpu", epochs=RAFT_EPOCHS)
        first = 100_000_000 + SEEDS_APART * job.seed
        config = RaftConfig(rounds=1_000, exploration=0.03, seed=first)
        made = RaftLearner(
            folder / job.name, begun, Dataset.open(demos), partial(make, job.task), config, fit
        )
        return made, made
    torch.manual_seed(job.seed)
    if job.method == "scratch":
        env = TaskVectorEnv(partial(make, job.task), COPIES, job.seed)
        policy = new_policy(env.task, SCRATCH, INITIAL_LOG_STD)
        return ReinforcedLearner(make_reinforcer(policy, env, PpoConfig(), job.seed)), env
    trying = partial(make, job.task, TRIED[job.task])
    env = TaskVectorEnv(trying, COPIES, job.seed, success_only=True)
    reinforcer = make_reinforcer(
        as_gaussian(begun, CLONE_LOG_STD),
        env,
        CLONE,
        job.seed,
        reference=as_gaussian(begun, CLONE_LOG_STD),
        kl_weight=LEASH if job.method == "leash" else 0.0,
        fit_observations=False,
    )
    return ReinforcedLearner(reinforcer), env


def residual(job: Job, begun: Policy) -> tuple[OnlineLearner, Any]:
    """A residual beside the clone; from scratch beside one that always gives the mean action.

    What is scratch here knows how far things were moved in the demonstrations, and no more of them;
    its residual is as great as those motions.
    """
    made = partial(make, job.task, TRIED[job.task])
    env = TaskVectorEnv(made, RESIDUAL_COPIES, job.seed, success_only=True)
    torch.manual_seed(job.seed)
    with closing(made()) as one:
        frame = stated_frame(one.env)
    if job.method == "residual":
        starts, rate = STARTS[job.task]
        config = ResidualTd3Config(
            discount=DISCOUNT[job.task],
            starts=starts,
            first_updates=rate,
            leash=RESIDUAL_LEASH[job.task],
            attempts=0,
        )
        bound, at_rest = BOUND[job.task]
        policy = with_residual(begun, bound=bound, bound_at_rest=at_rest, frame=frame)
    else:
        config = ResidualTd3Config(discount=DISCOUNT[job.task], leash=0.03, attempts=0)
        with torch.no_grad():
            for weights in begun.head.parameters():
                weights.zero_()
        policy = with_residual(begun, bound=2.0, frame=frame)
    return ResidualLearner(policy, env, config, job.seed, steps=256), env


def improve(
    folder: Path, job: Job, *, steps: int, every: int, attempts: int, until: float
) -> dict[str, Any]:
    """Go on with a job until it is done or the time is over.

    Returns:
        What is known of it: ``rows`` of environment steps, success, seconds of learning, and how
        far it is from the demonstrations.
    """
    run, known = clone(folder, job, attempts)
    demos = shown(folder, job, known["demonstrations"])
    kept = folder / f"{job.name}.pt"
    rows: list[dict[str, Any]] = []
    made, closed = learner(folder, job, run, demos)
    try:
        taken, seconds = 0, 0.0
        if kept.exists():
            saved = load_tensors(kept)
            made.load_state(saved["learner"])
            rows = json.loads(saved["rows"])
            taken, seconds = int(rows[-1]["steps"]), rows[-1]["seconds"]
        while not _done(rows, steps) and time.monotonic() < until:
            began, goal = time.perf_counter(), taken + every
            while (taken < goal or job.method == "raft") and time.monotonic() < until:
                before = made.steps
                told = made.improve()
                taken += int(told.get("tried", 0)) if job.method == "raft" else made.steps - before
                if "kept" in told:  # only then is there another policy
                    break
            seconds += time.perf_counter() - began
            rows.append(
                {
                    "steps": taken,
                    "success": success(made.policy, job.task, job.seed, attempts),
                    "seconds": seconds,
                    "away": away(made.policy, demos),
                }
            )
            save_tensors(kept, {"learner": made.state(), "rows": json.dumps(rows)})
            print(json.dumps({**vars(job), **rows[-1]}), file=sys.stderr, flush=True)
    finally:
        closed.close()
    return {**vars(job), "clone": known, "rows": rows, "done": _done(rows, steps)}


def _done(rows: list[dict[str, Any]], steps: int) -> bool:
    enough = len(rows) > 1 and all(row["success"] >= ENOUGH for row in rows[-2:])
    return enough or bool(rows and rows[-1]["steps"] >= steps)


def summary(found: dict[str, Any], attempts: int) -> dict[str, Any]:
    """A job in one row."""
    rates = [row["success"] for row in found["rows"]]
    there = [row["steps"] for row in found["rows"] if row["success"] >= ENOUGH]
    last = rates[-1] if rates else 0.0
    return {
        **{name: found[name] for name in ("task", "method", "seed", "done")},
        "demonstrations": found["clone"]["demonstrations"],
        "clone": found["clone"]["success"],
        "success": last,
        "interval": wilson_interval(round(last * attempts), attempts),
        "least": min(rates, default=0.0),
        "steps_to_95": there[0] if there else None,
        "steps": found["rows"][-1]["steps"] if rates else 0,
        "away": found["rows"][-1]["away"] if rates else None,
    }


def main() -> None:
    """Measure what the options ask for; print the table and one JSON line."""
    parser = argparse.ArgumentParser(description="Fine-tuning of clones on the Panda tasks.")
    parser.add_argument("--tasks", nargs="*", choices=TASKS, default=TASKS)
    parser.add_argument("--methods", nargs="*", choices=METHODS, default=METHODS)
    parser.add_argument("--clone", choices=CLONES, default="bc", help="what is begun with")
    parser.add_argument("--seeds", nargs="*", type=int, default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=1_000_000, help="in the task, at most")
    parser.add_argument("--every", type=int, default=20_000, help="steps between measurements")
    parser.add_argument("--attempts", type=int, default=100, help="of each measurement")
    parser.add_argument("--time-budget", type=float, default=1e9, help="seconds of this call")
    parser.add_argument("--output", type=Path, required=True, help="a second call goes on there")
    asked = parser.parse_args()
    asked.output.mkdir(parents=True, exist_ok=True)
    until = time.monotonic() + asked.time_budget
    jobs = [
        Job(t, m, s, asked.clone) for s in asked.seeds for t in asked.tasks for m in asked.methods
    ]
    rows = []
    try:
        with numerics(torch.device("cpu"), "mlp"):
            for job in jobs:
                found = improve(
                    asked.output,
                    job,
                    steps=asked.steps,
                    every=asked.every,
                    attempts=asked.attempts,
                    until=until,
                )
                write_text(asked.output / f"{job.name}.json", json.dumps(found))
                rows.append(summary(found, asked.attempts))
    except (UserError, WorkFailed) as error:
        sys.exit(f"finetuning: {error}")
    for row in rows:
        reached = "not yet" if row["steps_to_95"] is None else f"{row['steps_to_95']:,}"
        print(
            f"{row['task']:15}{row['method']:9}{row['seed']:3}  clone {row['clone']:4.0%}  now "
            f"{row['success']:4.0%} after {row['steps']:9,} steps  95 % after {reached:>9}  least "
            f"{row['least']:4.0%}"
        )
    print(json.dumps({"rows": rows}))


if __name__ == "__main__":
    main()
