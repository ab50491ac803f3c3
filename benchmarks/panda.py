"""Every kind of policy on the Panda tasks, from 50 demonstrations of a simulated person each.

    python -m benchmarks.panda --output runs/panda
    python -m benchmarks.panda --tasks PandaLift --methods flow act --seeds 1 --output runs/panda

A person is a seed: their demonstrations, the policies' training and the 100 fresh attempts are
drawn by it. Every method has the same demonstrations and the same attempts. A second call makes
what is missing; one JSON line is the result.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._chunk_cost import chunk_cost
from benchmarks._methods import Method
from ilrobot.atomic import write_text
from ilrobot.cli.cores import cores
from ilrobot.cli.people import scripted_expert
from ilrobot.data.episode import MemoryRecorder
from ilrobot.data.memory import MemoryRecordings
from ilrobot.env import make_env
from ilrobot.errors import UserError, WorkFailed
from ilrobot.intervals import t_interval, wilson_interval
from ilrobot.learners.behavioral_cloning import train
from ilrobot.policies.loading import load_policy
from ilrobot.rollout import rollout
from ilrobot.workers import Workers, no_setup

TASKS = ("PandaLift", "PandaPush", "PandaStack", "PandaDrawer", "PandaPegInsert")
DEMONSTRATIONS = 50

#: About a minute of training each on one core.
METHODS: Mapping[str, Method] = {
    "bc": Method("bc", {"steps": 3_000}),
    "bc-chunk": Method("bc-chunk", {"steps": 3_000, "ema": 0.999}),
    "bc-rnn": Method("bc-rnn", {"steps": 1_000, "ema": 0.99}),
    "vq": Method("bc-chunk", {"head": "vq", "steps": 3_000, "ema": 0.999}),
    "act": Method("act", {"steps": 2_500, "ema": 0.998}),
    "diffusion": Method("diffusion", {"steps": 3_000, "ema": 0.999}),
    "diffusion-unet": Method(
        "diffusion", {"network": "unet", "channels": (32, 64), "steps": 1_000, "ema": 0.995}
    ),
    "diffusion-transformer": Method(
        "diffusion",
        {"network": "transformer", "width": 128, "layers": 2, "steps": 3_000, "ema": 0.999},
    ),
    "flow": Method("flow", {"steps": 3_000, "ema": 0.999}),
    "flow-framed": Method("flow", {"steps": 3_000, "ema": 0.999}, framed=True),
    "bc-chunk-framed": Method("bc-chunk", {"steps": 3_000, "ema": 0.999}, framed=True),
    "diffusion-framed": Method("diffusion", {"steps": 3_000, "ema": 0.999}, framed=True),
    "fast": Method("fast", {"steps": 3_000, "ema": 0.999}),
    "flow-velocity": Method(
        "flow",
        {
            "flow_prediction": "velocity",
            "noise_scale": 1.0,
            "steps": 3_000,
            "ema": 0.999,
        },
    ),
    "mip": Method("mip", {"steps": 3_000, "ema": 0.995}),
    "distilled": Method(
        "flow",
        {
            "noise_scale": 1.0,
            "sampler_steps": 2,
            "steps": 2_000,
            "ema": 0.999,
        },
        teacher="flow",
    ),
}

_SEEDS_APART = 10_000
#: Of the first attempt, beyond all demonstrations.
_FRESH = 1_000_000_000


@dataclass(frozen=True)
class Job:
    """One policy: what it learns, by which method and of whom."""

    task: str
    method: str
    seed: int

    @property
    def name(self) -> str:
        """Of its folder."""
        return f"{self.task}-{self.method}-{self.seed}"


def demonstrations(task: str, person: int, count: int = DEMONSTRATIONS) -> MemoryRecordings:
    """The first successful demonstrations of a simulated person.

    Raises:
        WorkFailed: They fail most of the time.
    """
    from teleop.hands import make_hand

    with closing(make_env(f"ilrobot/{task}-v0")) as env:
        recorder = MemoryRecorder(env.spec)
        with closing(
            make_hand("operator", env.spec, expert=scripted_expert(env), seed=person)
        ) as p:
            for episode in range(2 * count):
                rollout(env, p, seed=_SEEDS_APART * (person + 1) + episode, recorder=recorder)
                done = [e for e in recorder.episodes if e.info.outcome == "success"]
                if len(done) == count:
                    return MemoryRecordings(env.spec, done)
    raise WorkFailed(f"person {person} does {task} in fewer than half of the attempts")


def measure(folder: Path, attempts: int, _: None, job: Job) -> dict[str, Any]:
    """Train a policy and let it try, as far as this was not done yet."""
    file = folder / f"{job.name}.json"
    if file.exists():
        found: dict[str, Any] = json.loads(file.read_text())
        return found
    method: Method = METHODS[job.method]
    data = demonstrations(job.task, job.seed)
    run = folder / job.name
    policy_config, training = method.configure(data.spec)
    teacher = None
    if method.teacher is not None:
        teacher = load_policy(folder / replace(job, method=method.teacher).name)
    training = replace(training, seed=job.seed, device="cpu")
    policy = train(data, policy_config, training, run, resume=True, teacher=teacher)
    with closing(make_env(f"ilrobot/{job.task}-v0")) as env:
        actor = policy.actor()
        first = _FRESH + _SEEDS_APART * job.seed
        done = [bool(rollout(env, actor, seed=first + n).success) for n in range(attempts)]
    told = json.loads((run / "run.json").read_text())
    found = {
        **vars(job),
        "successes": sum(done),
        "attempts": attempts,
        "parameters": told["parameters"],
        **chunk_cost(policy, data),
        "seconds": told["seconds"],
        "steps": told["result"]["steps"],
    }
    write_text(file, json.dumps(found))
    return found


def table(found: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """A row for each task and method: success over its policies, with its interval."""
    rows = []
    for task, method in dict.fromkeys((f["task"], f["method"]) for f in found):
        mine = [f for f in found if (f["task"], f["method"]) == (task, method)]
        rates = [f["successes"] / f["attempts"] for f in mine]
        tried = sum(f["attempts"] for f in mine)
        wilson = wilson_interval(sum(f["successes"] for f in mine), tried)
        student = t_interval(rates) if len(rates) > 1 else wilson
        rows.append(
            {
                "task": task,
                "method": method,
                "success": float(np.mean(rates)),
                # The wider of both: attempts vary, and so do policies.
                "interval": _within(max((wilson, student), key=lambda i: i[1] - i[0])),
                "by_seed": rates,
                "parameters": mine[0]["parameters"],
                "seconds": float(np.mean([f["seconds"] for f in mine])),
            }
        )
    return rows


def _within(interval: tuple[float, float]) -> tuple[float, float]:
    """As far as a share can be."""
    return max(0.0, interval[0]), min(1.0, interval[1])


def main() -> None:
    """Measure what the options ask for; print the table and one JSON line."""
    parser = argparse.ArgumentParser(description="Every kind of policy on the Panda tasks.")
    parser.add_argument("--tasks", nargs="*", choices=TASKS, default=TASKS)
    parser.add_argument("--methods", nargs="*", choices=METHODS, default=list(METHODS))
    parser.add_argument("--seeds", type=int, default=3, help="simulated persons")
    parser.add_argument("--attempts", type=int, default=100, help="of each policy")
    parser.add_argument("--workers", type=int, default=cores())
    parser.add_argument("--output", type=Path, required=True, help="a second call goes on there")
    asked = parser.parse_args()
    asked.output.mkdir(parents=True, exist_ok=True)
    # By seed first, so that a table of fewer persons is whole early; teachers before students.
    jobs = [Job(t, m, s) for s in range(asked.seeds) for m in asked.methods for t in asked.tasks]
    taught = [job for job in jobs if METHODS[job.method].teacher is not None]
    found = []
    try:
        with Workers(asked.workers, no_setup, purpose="the benchmark", cure="run it again") as pool:
            work = partial(measure, asked.output, asked.attempts)
            for part in ([job for job in jobs if job not in taught], taught):
                for result in pool.map(work, part):
                    found.append(result)
                    print(json.dumps(result), file=sys.stderr, flush=True)
    except (UserError, WorkFailed) as error:
        sys.exit(f"panda: {error}")
    finally:
        _show(table(found))


def _show(rows: Sequence[dict[str, Any]]) -> None:
    for row in rows:
        low, high = row["interval"]
        print(
            f"{row['task']:15}{row['method']:22}{row['success']:5.0%} {low:.0%} to {high:.0%}"
            f"{row['parameters']:12,}{row['seconds']:7.0f} s"
        )
    print(json.dumps({"rows": rows}))


if __name__ == "__main__":
    main()
