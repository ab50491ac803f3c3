"""One run of the study `efficiency`: demonstrate, learn by what a verb calls, and judge, on disk.

A run that was cut off goes on where it was; one that is done is only read.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ilrobot.atomic import PART
from ilrobot.cli.compare import measure
from ilrobot.cli.learners import LEARNERS
from ilrobot.cli.people import scripted_expert
from ilrobot.contenders import Contender
from ilrobot.data.dataset import Dataset, DatasetRecorder
from ilrobot.data.episode import EpisodeInfo
from ilrobot.env import make_env
from ilrobot.report.efficiency import Learnt
from ilrobot.rollout import rollout
from ilrobot.run import read_metrics

Method = Literal["bc", "dagger", "gail", "airl", "ppo"]

#: Of the first demonstration of a seed; of the first attempt in DAgger's rounds; of the judged.
_SHOWN, _TRIED, _FRESH = 10_000, 5_000, 1_000_000_000


@dataclass(frozen=True)
class Setting:
    """How much on one task.

    Attributes:
        options: Of the environment.
        sizes: Numbers of expert trajectories that are cloned.
        few: Those that the adversarial learners are given.
        rounds: Of DAgger, which begins with the least of `sizes`.
        episodes: In each of its rounds, each labelled by the expert.
        clone_steps: Optimiser steps of a clone.
        steps: Environment steps of the learners that try many.
        rollout: Those between two of their updates.
        learning_rate: Theirs.
        exploration: Spread of their actions at first, in halves of the range.
    """

    options: dict[str, Any] = field(default_factory=dict)
    sizes: tuple[int, ...] = (1, 2, 4, 8, 16)
    few: tuple[int, ...] = (1, 4, 16)
    rounds: int = 5
    episodes: int = 3
    clone_steps: int = 2_000
    steps: int = 204_800
    rollout: int = 2_048
    learning_rate: float = 3e-4
    exploration: float = 0.6


@dataclass(frozen=True)
class Scale:
    """How much in all.

    Attributes:
        task: Gymnasium id.
        setting: How much on it.
        seeds: Trainings of each, with demonstrations of their own.
        attempts: Fresh episodes by which each policy is judged.
        workers: Processes.
    """

    task: str
    setting: Setting
    seeds: int = 1
    attempts: int = 20
    workers: int = 1


@dataclass(frozen=True)
class Job:
    """One run.

    Attributes:
        method: By which it learns.
        seed: Of the demonstrations and of the training.
        size: Expert trajectories that it begins with.
    """

    method: Method
    seed: int
    size: int


def do(place: Path, scale: Scale, _: None, job: Job) -> list[Learnt]:
    """Make the run of a job as far as it is not made yet, and judge its policies.

    Args:
        place: Folder of all runs on the task.
        scale: How much.
        _: Nothing is set up for it.
        job: Which.

    Raises:
        UserError: The folder holds what was made by other settings.
        WorkFailed: A process died, or a learner diverged.
    """
    output = _place(place, job)
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        _learn(place, scale, job, output)
    known = Contender.read(output)
    policies = [p for p in known.policies if p.round > 0 or job.method != "dagger"]
    seeds = range(_FRESH, _FRESH + scale.attempts)
    score = measure([known], output / "episodes.json", seeds, scale.setting.options)
    found = []
    for policy in policies:
        steps = sum(done.steps for done in policy.collected)
        trajectories = job.size + sum(done.episodes for done in policy.collected)
        curve = _curve(output) if job.method in ("gail", "airl", "ppo") else ()
        steps = steps or (int(curve[-1][0]) if curve else 0)
        found.append(
            Learnt(job.method, job.seed, trajectories, steps, score(policy).returns, curve)
        )
    return found


def _learn(place: Path, scale: Scale, job: Job, output: Path) -> None:
    from ilrobot.cli.dagger import Dagger
    from ilrobot.cli.train import Train

    setting = scale.setting
    options = tuple(f"{key}={value}" for key, value in setting.options.items())
    tries: dict[str, Any] = {
        "task": scale.task,
        "options": options,
        "steps": setting.steps,
        "rollout": setting.rollout,
        "learning_rate": setting.learning_rate,
        "exploration": setting.exploration,
        "seed": job.seed,
        "output": output,
        "resume": True,
    }
    if job.method in ("gail", "airl", "ppo"):
        if job.method != "ppo":
            tries["dataset"] = _demonstrations(place, scale, job.seed, job.size).path
        if job.method == "airl":
            tries["inputs"] = "state-action"
        class_name, module, _ = LEARNERS[job.method]
        learner = getattr(importlib.import_module(f"ilrobot.cli.learners.{module}"), class_name)
        learner(**tries).run()
        return
    shown = _demonstrations(place, scale, job.seed, job.size).path
    if job.method == "bc":
        Train(
            shown,
            "bc",
            output,
            steps=setting.clone_steps,
            seed=job.seed,
            width=64,  # as those of the others
            batch_size=64,
            held_out=0.0,
            # DAgger labels the way back, and noise on what is observed would blur it.
            dropout=0.0,
            observation_noise=0.0,
            device="cpu",
            resume=True,
        ).run()
    else:
        Dagger(
            scale.task,
            shown,
            _place(place, Job("bc", job.seed, job.size)),
            output,
            gate="beta",
            rounds=setting.rounds,
            episodes=setting.episodes,
            seed=_TRIED + 100 * job.seed,
            workers=1,
            options=options,
            resume=True,
        ).run()


def _demonstrations(place: Path, scale: Scale, seed: int, count: int) -> Dataset:
    """The expert's; of a greater number the first ones are the same."""
    path = place / f"seed-{seed}" / f"demos-{count}"
    if not path.exists():
        part = path.with_name(path.name + PART)
        shutil.rmtree(part, ignore_errors=True)
        with contextlib.closing(make_env(scale.task, scale.setting.options)) as env:
            expert = scripted_expert(env)
            info = EpisodeInfo(env.spec.task, env.spec.rate, operator="expert", device="expert")
            with DatasetRecorder(part, env.spec, state_size=env.state_size) as recorder:
                for number in range(count):
                    start = _SHOWN * (seed + 1) + number
                    rollout(env, expert, seed=start, recorder=recorder, info=info)
        part.rename(path)
    return Dataset.open(path)


def expert_return(place: Path, scale: Scale, _: None, seed: int) -> float:
    """Mean return of as many demonstrations of a seed as are cloned at most; see `do`."""
    data: Dataset | None = None
    for count in sorted({*scale.setting.sizes, *scale.setting.few}):
        data = _demonstrations(place, scale, seed, count)
    assert data is not None
    return float(data.column("next.reward").sum() / data.num_episodes)


def _curve(output: Path) -> tuple[tuple[float, float], ...]:
    """Environment steps and mean return of the episodes that ended since, report by report."""
    rows = read_metrics(output / "metrics.jsonl")
    return tuple((row["step"], row["return"]) for row in rows if row.get("return") is not None)


def _place(place: Path, job: Job) -> Path:
    return place / f"seed-{job.seed}" / f"{job.method}-{job.size}"
