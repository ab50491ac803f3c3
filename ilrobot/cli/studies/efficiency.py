"""The study `efficiency`: what a return costs, in expert trajectories and in environment steps.

Cloning and DAgger pay the expert; generative adversarial imitation and adversarial inverse RL
pay the environment, and the expert little; PPO knows the reward and pays the environment alone.
Each learns from scratch, by what the verb `train` calls, into a folder beside the page, so that a
study that was stopped goes on where it was. Every policy is judged on the same fresh seeds; how the
three that try many steps come along is read from what they report, while they explore.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ilrobot.atomic import PART
from ilrobot.cli.compare import measure as measure_runs
from ilrobot.cli.cores import cores
from ilrobot.cli.learners import LEARNERS
from ilrobot.cli.output import progress_bar
from ilrobot.cli.people import scripted_expert
from ilrobot.cli.studies.page import print_row, write_page
from ilrobot.comparison import Contender
from ilrobot.data.dataset import Dataset, DatasetRecorder
from ilrobot.data.episode import EpisodeInfo
from ilrobot.env import make_env
from ilrobot.report.efficiency import (
    HEADERS,
    Efficiency,
    Learnt,
    efficiency_report,
    efficiency_rows,
)
from ilrobot.rollout import rollout
from ilrobot.run import read_metrics
from ilrobot.workers import Workers, no_setup

Method = Literal["bc", "dagger", "gail", "airl", "ppo"]

TASK = "ilrobot/PointPath-v0"

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


#: Without its ridge, so that an unskilled learner sees more than the kerb, and observed within one
#: period of the path, so that there is less to learn. Its reward is dense: short rollouts, small
#: actions and a greater learning rate suit it.
SETTINGS = {
    TASK: Setting(
        options={"horizon": 100, "instability": 0.0, "periodic": True},
        rollout=512,
        learning_rate=1e-3,
        exploration=0.3,
    )
}


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


def run(file: Path, seeds: int = 1, task: str = TASK) -> dict[str, Any]:
    """Run it, write its page to `file`, print its table and return its JSON.

    Args:
        file: The page; the runs lie in a folder of its name beside it.
        seeds: Trainings of each.
        task: Gymnasium id of a task with a scripted expert.
    """
    scale = Scale(task, SETTINGS.get(task, Setting()), seeds, workers=cores())
    with contextlib.closing(make_env(task, scale.setting.options)) as env:
        scripted_expert(env)  # a task without one is refused before anything is done
    with progress_bar() as bars:
        bar = bars.add_task("runs", total=len(jobs(scale)), note="")
        found = measure(file.with_suffix(""), scale, lambda: bars.advance(bar))
    write_page(file, efficiency_report(found))
    print(f"{task}: {seeds} trainings of each, {scale.attempts} fresh attempts for each policy")
    for name, *cells in (HEADERS, *efficiency_rows(found)):
        print_row(name, *(f"{cell:>14}" for cell in cells))
    return found.to_json()


def measure(folder: Path, scale: Scale, on_run: Callable[[], None] = lambda: None) -> Efficiency:
    """Make every run that is not made yet, and judge it.

    The result is the same for any number of workers, and wherever a first call was cut off.

    Args:
        folder: Of the runs.
        scale: How much.
        on_run: Called after each run.

    Raises:
        UserError: The folder holds what was made by other settings, or a task has no expert.
        WorkFailed: A process died, or a learner diverged.
    """
    learnt: list[Learnt] = []
    place = folder / scale.task.replace("/", "-")
    with _shared(scale.workers) as shared:
        shown = list(shared(partial(_expert_return, place, scale), range(scale.seeds)))
        # DAgger begins with a clone.
        for later in (False, True):
            part = [job for job in jobs(scale) if (job.method == "dagger") is later]
            for found in shared(partial(_do, place, scale), part):
                learnt += found
                on_run()
    return Efficiency(scale.task, float(np.mean(shown)), scale.attempts, tuple(learnt))


@contextlib.contextmanager
def _shared(workers: int) -> Iterator[Callable[..., Iterator[Any]]]:
    """`map` over processes; 1 computes in this one."""
    if workers == 1:
        yield lambda work, items: (work(None, item) for item in items)
        return
    cure = "run it again; it goes on where it was"
    with Workers(workers, no_setup, purpose="the study", cure=cure) as processes:
        yield processes.map


def jobs(scale: Scale) -> list[Job]:
    """Every run of the study, those that take longest first."""
    setting, found = scale.setting, []
    for seed in range(scale.seeds):
        found.append(Job("ppo", seed, 0))
        found += [Job("gail", seed, size) for size in setting.few]
        found += [Job("airl", seed, size) for size in setting.few]
        found += [Job("bc", seed, size) for size in setting.sizes]
        found.append(Job("dagger", seed, setting.sizes[0]))
    return found


def _do(place: Path, scale: Scale, _: None, job: Job) -> list[Learnt]:
    """Make the run of a job as far as it is not made yet, and judge its policies."""
    output = _place(place, job)
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        _learn(place, scale, job, output)
    known = Contender.read(output)
    policies = [p for p in known.policies if p.round > 0 or job.method != "dagger"]
    seeds = range(_FRESH, _FRESH + scale.attempts)
    score = measure_runs([known], output / "episodes.json", seeds, scale.setting.options)
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


def _expert_return(place: Path, scale: Scale, _: None, seed: int) -> float:
    """Of as many demonstrations as are cloned at most."""
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
