"""The study `shift`: a clone leaves the states it was taught in, and errs most where it went.

The clone learns from demonstrations alone; DAgger from as many episodes, most of them driven by its
own policies. Then each drives, and the expert is asked at every step what it would do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ilrobot.actors import Actor
from ilrobot.cli.output import progress_bar
from ilrobot.cli.people import scripted_expert
from ilrobot.cli.studies.page import print_row, write_page
from ilrobot.data.episode import Episode, Outcome
from ilrobot.data.recordings import Recordings
from ilrobot.env import make_env
from ilrobot.gates.discrepancy import action_ranges
from ilrobot.gates.gate import Gate, GateContext
from ilrobot.learners.config import TrainConfig
from ilrobot.learners.fitting import Weights, in_memory
from ilrobot.learners.interactive.dagger_in_memory import dagger
from ilrobot.learners.interactive.interaction import Interaction
from ilrobot.policies.combined import Acting
from ilrobot.policies.config import PolicyConfig
from ilrobot.report.shift import HEADERS, Array, Driven, Shift, shift_report
from ilrobot.shared_control import SharedControl
from ilrobot.spec import Spec
from ilrobot.workers import Workers, no_setup

_JUDGED_FROM = 1_000_000


@dataclass(frozen=True)
class Plan:
    """How much of everything.

    Attributes:
        rounds: Of DAgger.
        episodes: Of each round; the clone has those of all rounds at once.
        judged: Episodes that each of them drives.
        training: Optimiser steps of a fit.
    """

    rounds: int = 5
    episodes: int = 10
    judged: int = 40
    training: int = 1_000


PLAN = Plan()


@dataclass(frozen=True)
class _Task:
    """What is tried on one task.

    Attributes:
        task: Its id.
        seen: What the first figure shows of an episode: states (T, n) to (T, 2).
        path: Likewise the second.
        seen_names: Its axes.
        path_names: Likewise.
    """

    task: str
    seen: Callable[[Array], Array]
    path: Callable[[Array], Array]
    seen_names: tuple[str, str]
    path_names: tuple[str, str]


def _beside_the_path(states: Array) -> Array:
    x, y = states[:, 0], states[:, 1]
    return np.stack([x, y - np.sin(2 * x)], axis=1)


def _beside_the_cube(states: Array) -> Array:
    """Of the hand, with the goal ahead of the cube: along the line to it, and to the left of it."""
    cube, goal, hand = states[:, 0:2], states[:, 5:7], states[:, 7:9]
    ahead = goal - cube
    ahead = ahead / np.maximum(np.linalg.norm(ahead, axis=1, keepdims=True), 1e-6)
    away = hand - cube
    left = np.stack([-ahead[:, 1], ahead[:, 0]], axis=1)
    return np.stack([(away * ahead).sum(axis=1), (away * left).sum(axis=1)], axis=1)


TASKS = (
    _Task(
        "ilrobot/PointPath-v0",
        seen=_beside_the_path,
        path=lambda states: states[:, :2],
        seen_names=("along the path, m", "beside the path, m"),
        path_names=("x, m", "y, m"),
    ),
    _Task(
        "ilrobot/PandaPush-v0",
        seen=_beside_the_cube,
        path=lambda states: states[:, :2],
        seen_names=("hand along the line to the goal, m", "hand beside it, m"),
        path_names=("cube x, m", "cube y, m"),
    ),
)


def run(file: Path) -> dict[str, Any]:
    """Run it, write its page to `file`, print its table and return its JSON."""
    workers = Workers(len(TASKS), no_setup, purpose="the study", cure="free some memory")
    found = []
    with progress_bar() as bars, workers as processes:
        bar = bars.add_task("tasks", total=len(TASKS), note="")
        for shift in processes.map(_shift, [(PLAN, index) for index in range(len(TASKS))]):
            found.append(shift)
            bars.update(bar, advance=1, note=shift.task)
    write_page(file, shift_report(found))
    for shift in found:
        print(f"{shift.task}: {shift.labelled()}")
        for row in (HEADERS, *shift.rows()):
            print_row(row[0], *(f"{cell:>18}" for cell in row[1:]))
    return {"tasks": {shift.task: _json(shift) for shift in found}}


def _json(shift: Shift) -> dict[str, Any]:
    distances = shift.distances()
    rows = {}
    for name, driven in shift.driven.items():
        (first, first_interval), (last, last_interval) = (
            driven.quarter(late) for late in (False, True)
        )
        rows[name] = {
            "success_rate": driven.successes / len(driven.states),
            "success_interval": driven.success_interval,
            "distance": asdict(distances[name]),
            "error_first_quarter": first,
            "error_first_quarter_interval": first_interval,
            "error_last_quarter": last,
            "error_last_quarter_interval": last_interval,
        }
    return {"labels": shift.labels, "episodes": PLAN.judged, "driven": rows}


def _shift(_: None, piece: tuple[Plan, int]) -> Shift:
    """Learn on one task, then drive."""
    plan, task = piece[0], TASKS[piece[1]]
    env = make_env(task.task)
    env.reset(0)
    expert = scripted_expert(env)
    given: list[int] = []
    fit_it = in_memory(
        PolicyConfig(width=128),
        TrainConfig(
            steps=plan.training,
            learning_rate=3e-3,
            warmup=50,
            ema=0.99,
            held_out=0.0,
            patience=0,
            device="cpu",
        ),
    )

    def fit(recordings: Recordings, frame_weights: Weights | None = None) -> Acting:
        given.append(recordings.num_frames)
        return fit_it(recordings, frame_weights)

    demonstrated = Interaction(env, expert, fit, plan.rounds * plan.episodes)
    clone = dagger(demonstrated, rounds=1)[-1]
    labels = {"BC": given[-1]}
    aggregated = dagger(Interaction(env, expert, fit, plan.episodes), rounds=plan.rounds)[-1]
    labels["DAgger"] = given[-1]
    judged = Interaction(env, expert, fit, plan.judged, seed=_JUDGED_FROM)

    def drive(policy: Acting, by_expert: bool, number: int = 1) -> Driven:
        actor: Actor = SharedControl(policy.actor(), expert, Both(by_expert))
        return _driven(judged.record(actor, number), env.spec, task)

    driven = {
        "expert": drive(clone, by_expert=True),
        "BC": drive(clone, by_expert=False),
        "DAgger": drive(aggregated, by_expert=False),
    }
    return Shift(
        task=task.task,
        labels=labels,
        driven=driven,
        others=drive(clone, by_expert=True, number=2),
        seen=task.seen_names,
        path=task.path_names,
    )


class Both(Gate):
    """One of the two acts all the time, and both are asked at every step."""

    asks_novice = True
    asks_expert = True

    def __init__(self, by_expert: bool) -> None:
        self._by_expert = by_expert

    def decide(self, context: GateContext) -> bool:
        """Always the same."""
        return self._by_expert


def _driven(episodes: list[Episode], spec: Spec, task: _Task) -> Driven:
    ranges = action_ranges(spec)
    states, errors = [], []
    for episode in episodes:
        columns = episode.columns
        parts = [columns[f.name].reshape(len(episode), -1) for f in spec.observations]
        states.append(np.concatenate(parts, axis=1).astype(np.float64))
        apart = columns["control.policy_action"] - columns["control.human_action"]
        errors.append(np.sqrt(np.mean((apart / ranges) ** 2, axis=1)))
    return Driven(
        states=states,
        seen=[task.seen(s) for s in states],
        path=[task.path(s) for s in states],
        errors=errors,
        successes=sum(episode.info.outcome is Outcome.SUCCESS for episode in episodes),
    )
