"""The study `efficiency`: what a return costs, in expert trajectories and in environment steps.

Cloning and DAgger pay the expert; generative adversarial imitation and adversarial inverse RL
pay the environment, and the expert little; PPO knows the reward and pays the environment alone.
Each learns from scratch, by what the verb `train` calls, into a folder beside the page, so that a
study that was stopped goes on where it was. Every policy is judged on the same fresh seeds; how the
three that try many steps come along is read from what they report, while they explore.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ilrobot.cli.cores import cores
from ilrobot.cli.output import progress_bar
from ilrobot.cli.people import ANOTHER_TASK, scripted_expert
from ilrobot.cli.studies.efficiency_job import Job, Scale, Setting, do, expert_return
from ilrobot.cli.studies.page import print_row, write_page
from ilrobot.env import make_env
from ilrobot.report.efficiency import (
    HEADERS,
    Efficiency,
    Learnt,
    efficiency_report,
    efficiency_rows,
)
from ilrobot.workers import Workers, no_setup

TASK = "ilrobot/PointPath-v0"

#: Without its ridge, so that an unskilled learner sees more than the kerb, and observed within one
#: period of the path, so that there is less to learn. Its reward is dense: short rollouts, small
#: actions and a greater learning rate suit it. The way back is a matter of centimetres beside a
#: path of metres, and is learnt last: with 2,000 steps of training DAgger's rounds made it worse.
SETTINGS = {
    TASK: Setting(
        options={"horizon": 100, "instability": 0.0, "periodic": True},
        clone_steps=6_000,
        rollout=512,
        learning_rate=1e-3,
        exploration=0.3,
    )
}


def run(file: Path, seeds: int = 1, task: str = TASK) -> dict[str, Any]:
    """Run it, write its page to `file`, print its table and return its JSON.

    Args:
        file: The page; the runs lie in a folder of its name beside it.
        seeds: Trainings of each.
        task: Gymnasium id of a task with a scripted expert.
    """
    scale = Scale(task, SETTINGS.get(task, Setting()), seeds, workers=cores())
    with contextlib.closing(make_env(task, scale.setting.options)) as env:
        scripted_expert(env, ANOTHER_TASK)  # a task without one is refused before anything is done
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
        shown = list(shared(partial(expert_return, place, scale), range(scale.seeds)))
        # DAgger begins with a clone.
        for later in (False, True):
            part = [job for job in jobs(scale) if (job.method == "dagger") is later]
            for found in shared(partial(do, place, scale), part):
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
