"""Push-T from human demonstrations: train by our learner, evaluate in gym-pusht.

    python -m benchmarks.pusht --method flow --symmetry --seed 0 --workers 2
    python -m benchmarks.pusht --method diffusion --device cuda --workers 16 \\
        --hyper width=512 steps=60000 --symmetry --eval-seeds 50000:50050

The protocol is that of the published numbers: `gym_pusht/PushT-v0`, observation ``state`` (with
what follows of it, unless ``--plain``), 300 steps, mean over episodes of the greatest reward. Seeds
from 200,000 on are for reporting and were never used to choose anything; 50,000 on is for tuning.
One JSON line is the result.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from benchmarks import row
from benchmarks._chunk_cost import chunk_cost
from benchmarks._methods import Method
from benchmarks._pusht_data import load
from benchmarks._pusht_geometry import TASK as WITH_GEOMETRY
from benchmarks._pusht_geometry import register
from ilrobot.actors import Actor
from ilrobot.control.chunking import RECEDING, Chunking
from ilrobot.data.memory import MemoryRecordings
from ilrobot.env import make_env
from ilrobot.errors import UserError, WorkFailed
from ilrobot.evaluate import evaluate
from ilrobot.learners.behavioral_cloning import train
from ilrobot.learners.config import TrainConfig
from ilrobot.learners.training import Progress
from ilrobot.policies.config import PolicyConfig
from ilrobot.policies.policy import Policy
from ilrobot.task_env import TaskEnv

TASK = "gym_pusht/PushT-v0"
STATE = 5
REPORTING = range(200_000, 200_100)
GOAL = 0.97

#: Found with tuning seeds.
METHODS: dict[str, Method] = {
    "bc": Method("bc"),
    "bc-chunk": Method("bc-chunk", {"actions": "relative", "execute": 6}),
    "vq": Method("bc-chunk", {"head": "vq", "actions": "relative", "execute": 6}),
    "diffusion": Method("diffusion", {"prediction": "velocity", "execute": 6}),
    "flow": Method(
        "flow",
        {
            "actions": "relative",
            "flow_prediction": "preconditioned",
            "dropout": 0.1,
            "execute": 6,
            "steps": 25_000,
        },
    ),
    "distilled": Method(
        "flow",
        {
            "actions": "relative",
            "noise_scale": 1.0,
            "sampler_steps": 2,
            "execute": 6,
            "steps": 15_000,
        },
    ),
    "act": Method("act"),
    "bc-rnn": Method("bc-rnn"),
    "mip": Method("mip"),
}


@dataclass(frozen=True)
class OnPushT:
    """Makes world and actor in each worker process."""

    policy: Path
    chunking: Chunking

    def __call__(self) -> tuple[TaskEnv, Actor]:
        """The world and the actor."""
        torch.set_num_threads(1)
        policy = Policy.load(self.policy)
        if policy.spec.observations[0].size == STATE:
            return make_env(TASK, {"obs_type": "state"}), policy.actor(self.chunking)
        register()
        return make_env(WITH_GEOMETRY), policy.actor(self.chunking)


def measure(
    data: MemoryRecordings,
    policy_config: PolicyConfig,
    train_config: TrainConfig,
    output: Path,
    *,
    seeds: range = REPORTING,
    workers: int = 1,
    acting: dict[str, Any] | None = None,
    chunking: Chunking = RECEDING,
    teacher: Path | None = None,
) -> dict[str, Any]:
    """Train into `output` (or take what is there) and evaluate.

    Args:
        data: The demonstrations.
        policy_config: What is trained.
        train_config: How.
        output: Folder of the run.
        seeds: Seeds of the episodes.
        workers: Processes of the evaluation.
        acting: Settings changed after training, e.g. ``sampler_steps`` or ``execute``.
        chunking: How its chunks are executed.
        teacher: Run whose chunks it learns (None: it learns what was demonstrated).
    """
    policy = train(
        data,
        policy_config,
        train_config,
        output,
        resume=True,
        teacher=None if teacher is None else Policy.load(teacher / "policy.pt"),
        on_progress=_show_progress,
    )
    acting_config = replace(policy.config, **(acting or {}))
    acting_policy = Policy(policy.spec, acting_config)
    acting_policy.load_state_dict(policy.state_dict())
    file = output / "acting.pt"
    acting_policy.save(file)
    began = time.perf_counter()
    result = evaluate(OnPushT(file, chunking), seeds, workers=workers).to_json()
    run = json.loads((output / "run.json").read_text())
    return {
        "mean_max_reward": result["max_reward_mean"],
        "interval": result["max_reward_interval"],
        "success_rate": result["success_rate"],
        "success_interval": result["success_interval"],
        "episodes": result["episodes"],
        "first_seed": seeds[0],
        "seconds_train": run["seconds"],
        "seconds_evaluate": time.perf_counter() - began,
        "steps_trained": run["result"]["steps"],
        "validation_loss": run["result"]["validation_loss"],
        "parameters": run["parameters"],
        **chunk_cost(acting_policy, data),
        "config": {**asdict(acting_config), **asdict(train_config)},
    }


def run() -> list[dict[str, Any]]:
    """Two rows for each method: its reward over the reporting seeds, and its training."""
    rows = []
    for method in ("bc-chunk", "flow"):
        data = load(mirrored=True, geometry=True)
        with tempfile.TemporaryDirectory() as folder:
            result = measure(
                data, *METHODS[method].configure(data.spec), Path(folder) / "run", workers=2
            )
        rows.append(
            row(
                f"Push-T, human demonstrations, {method}: mean max reward",
                result["mean_max_reward"],
                "reward",
                at_least=GOAL if method == "flow" else None,
            )
        )
        rows.append(row(f"Push-T, {method}: training", result["seconds_train"], "s"))
    return rows


def main() -> None:
    """Train and evaluate what the options ask for; print one JSON line."""
    parser = argparse.ArgumentParser(description="Train on human Push-T and evaluate.")
    parser.add_argument("--method", choices=METHODS, default="flow")
    parser.add_argument("--steps", type=int, help="optimiser steps")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--eval-seeds", default=f"{REPORTING.start}:{REPORTING.stop}", help="first:end"
    )
    parser.add_argument("--hyper", nargs="*", default=[], metavar="KEY=VALUE")
    parser.add_argument("--act", nargs="*", default=[], metavar="KEY=VALUE", help="after training")
    parser.add_argument("--chunks", default=str(RECEDING), metavar="MODE[:NUMBER]")
    parser.add_argument("--symmetry", action="store_true", help="add mirrored demonstrations")
    parser.add_argument("--plain", action="store_true", help="the five numbers of the state alone")
    parser.add_argument("--teacher", type=Path, help="run that is distilled, of method flow")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--workers", type=int, default=1, help="processes of the evaluation")
    parser.add_argument("--threads", type=int, default=1, help="torch's threads while training")
    parser.add_argument("--data", type=Path, help="the zarr, or an npz of the same arrays")
    parser.add_argument("--output", type=Path, help="keep the run there; a second call goes on")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    try:
        changes = _settings(arguments.hyper)
        changes |= {"seed": arguments.seed, "device": arguments.device}
        if arguments.steps is not None:
            changes["steps"] = arguments.steps
        data = load(arguments.data, mirrored=arguments.symmetry, geometry=not arguments.plain)
        first, end = map(int, arguments.eval_seeds.split(":"))
        with tempfile.TemporaryDirectory() as folder:
            result = measure(
                data,
                *METHODS[arguments.method].configure(data.spec, **changes),
                arguments.output or Path(folder) / "run",
                seeds=range(first, end),
                workers=arguments.workers,
                acting=_settings(arguments.act),
                chunking=Chunking.parse(arguments.chunks),
                teacher=arguments.teacher,
            )
    except (UserError, WorkFailed) as error:
        sys.exit(f"pusht: {error}")
    asked = {name: vars(arguments)[name] for name in ("method", "symmetry", "chunks")}
    print(json.dumps({**asked, **result}))


def _settings(pairs: list[str]) -> dict[str, Any]:
    """``width=512`` with the type of the setting of that name."""
    defaults = asdict(PolicyConfig()) | asdict(TrainConfig())
    settings: dict[str, Any] = {}
    for pair in pairs:
        key, _, text = pair.partition("=")
        if key not in defaults:
            raise UserError(f"no setting '{key}'; there are {', '.join(defaults)}")
        kind = type(defaults[key])
        try:
            settings[key] = tuple(map(int, text.split(","))) if kind is tuple else kind(text)
        except (TypeError, ValueError) as error:
            raise UserError(f"{key}={text}: not a {kind.__name__}") from error
    return settings


def _show_progress(progress: Progress) -> None:
    if progress.step % 1000 == 0 or progress.step == progress.steps:
        held_out = progress.validation_loss
        print(
            f"step {progress.step}/{progress.steps}  loss {progress.loss:.4f}  held out "
            f"{'-' if held_out is None else f'{held_out:.4f}'}  {progress.rate:.0f} steps/s",
            file=sys.stderr,
            flush=True,
        )


if __name__ == "__main__":
    main()
