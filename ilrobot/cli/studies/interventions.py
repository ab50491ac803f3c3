"""The study `interventions`: every gate, and cloning, with the same simulated person.

Per task and person: a few demonstrations and an ensemble that clones them; from there every gate
with its rounds of attempts, the same number for each, beside cloning of more demonstrations. Who is
asked at every step (`beta`, `ensemble`, `dart`) is the task's script; else it is the person, who
also demonstrates. Everything is done by what the verbs call, into folders beside the page, so that
a study that was stopped goes on where it was.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ilrobot.cli.cores import cores
from ilrobot.cli.output import progress_bar
from ilrobot.cli.studies.interventions_job import Job, Measured, Scale, Setting, Workshop
from ilrobot.cli.studies.page import print_row, write_page
from ilrobot.comparison import rows as rows_of
from ilrobot.learners.config import TrainConfig
from ilrobot.policies.config import PolicyConfig
from ilrobot.report.interventions import (
    HEADERS,
    InterventionRow,
    intervention_rows,
    interventions_report,
    references,
)
from ilrobot.workers import Workers

PEG = "ilrobot/PandaPegInsert-v0"

#: Every method has the same ensemble, not only those that need one.
_MEMBERS = 3

_COARSE = PolicyConfig(
    width=128, horizon=8, execute=8, dropout=0.1, observation_noise=0.05, members=_MEMBERS
)
_FINE = PolicyConfig(
    width=128,
    n_obs=2,
    horizon=16,
    execute=8,
    dropout=0.1,
    observation_noise=0.01,
    members=_MEMBERS,
)

#: Of every method, but for how long.
_TRAINING = TrainConfig(batch_size=128, ema=0.999, held_out=0.1, patience=0)

SETTINGS = {
    "ilrobot/PandaLift-v0": Setting(
        start=6,
        more=(18, 36),
        rounds=2,
        episodes=6,
        policy=_COARSE,
        training=_TRAINING.with_steps(400),
    ),
    "ilrobot/PandaPush-v0": Setting(
        start=24,
        more=(40, 80),
        rounds=2,
        episodes=8,
        policy=_COARSE,
        training=_TRAINING.with_steps(600),
    ),
    PEG: Setting(
        start=24,
        more=(40, 80),
        rounds=2,
        episodes=8,
        policy=_FINE,
        training=_TRAINING.with_steps(1_000),
    ),
}


def run(file: Path, seeds: int = 1) -> dict[str, Any]:
    """Run it, write its page to `file`, print its tables and return its JSON.

    Args:
        file: The page; the runs lie in a folder of its name beside it.
        seeds: Simulated persons.
    """
    scale = Scale(seeds, attempts=20, settings=SETTINGS, workers=cores())
    with progress_bar() as bars:
        bar = bars.add_task("runs", total=len(jobs(scale)), note="")
        rows = measure(file.with_suffix(""), scale, lambda: bars.advance(bar))
    told = references(rows, PEG)
    by_task = {task: [row for row in rows if row.task == task] for task in scale.settings}
    how = _how_much(scale)
    write_page(file, interventions_report(by_task, told, how))
    print(how)
    for task, of in by_task.items():
        print(f"\n{task}")
        for title, *cells in (HEADERS, *intervention_rows(of)):
            print_row(title, *(f"{cell:>12}" for cell in cells))
    print()
    for one in told:
        print(f"{one.source}: {one.claim}\n  here: {one.found}")
    return {
        "seeds": seeds,
        "attempts": scale.attempts,
        "rows": [row.to_json() for row in rows],
        "references": [vars(one) for one in told],
    }


def measure(
    folder: Path, scale: Scale, on_run: Callable[[], None] = lambda: None
) -> list[InterventionRow]:
    """Make every run that is not made yet, and measure it.

    A row for each method on each task, or for each round of these if every round is measured.

    The result is the same for any number of workers, and wherever a first call was cut off.

    Args:
        folder: Of the runs.
        scale: How much.
        on_run: Called after each run.

    Raises:
        UserError: The folder holds what was made by other settings.
        WorkFailed: A process died.
    """
    done: list[Measured] = []
    shop = partial(Workshop, folder, scale)
    cure = "run it again; it goes on where it was"
    with Workers(scale.workers, shop, purpose="the study", cure=cure) as workers:
        # What everybody begins with comes first.
        everything = jobs(scale)
        for begins in (True, False):
            for measured in workers.map(
                Workshop.do, [job for job in everything if _begins(job, scale) is begins]
            ):
                done.append(measured)
                on_run()
    return [row for key in _keys(scale) for row in _rows([m for m in done if _alike(m.job) == key])]


def jobs(scale: Scale) -> list[Job]:
    """Every run of the study."""
    found = []
    for task, setting in scale.settings.items():
        for seed in range(scale.seeds):
            found += [Job(task, seed, size) for size in (setting.start, *setting.more)]
            found += [Job(task, seed, setting.start, gate) for gate in scale.gates]
    return found


def _begins(job: Job, scale: Scale) -> bool:
    return job.gate is None and job.demonstrations == scale.settings[job.task].start


def _alike(job: Job) -> tuple[str, str, int]:
    return job.task, job.gate or "bc", job.demonstrations


def _keys(scale: Scale) -> list[tuple[str, str, int]]:
    return list(dict.fromkeys(_alike(job) for job in jobs(scale)))


def _rows(runs: Sequence[Measured]) -> list[InterventionRow]:
    task, method, demonstrations = _alike(runs[0].job)
    scores = {
        policy.folder: score
        for measured in runs
        for policy, score in zip(measured.run.policies, measured.scores, strict=True)
    }
    shown = float(np.mean([measured.shown for measured in runs]))
    return [
        InterventionRow(task, method, demonstrations, shown, came_to)
        for came_to in rows_of(method, [m.run for m in runs], lambda policy: scores[policy.folder])
    ]


def _how_much(scale: Scale) -> str:
    persons = "1 simulated person" if scale.seeds == 1 else f"{scale.seeds} simulated persons"
    tasks = "; ".join(
        f"{task}: {setting.start} demonstrations to begin with, then {setting.rounds} rounds of "
        f"{setting.episodes} attempts, or {' or '.join(map(str, setting.more))} demonstrations"
        for task, setting in scale.settings.items()
    )
    return f"{persons} per task, {scale.attempts} fresh attempts for each policy. {tasks}."
