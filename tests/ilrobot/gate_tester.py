"""One tester that takes every gate of ``ilrobot dagger`` through record, resume, kill and log."""

from __future__ import annotations

import itertools
import json
import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

from ilrobot.actors import Decision, Observation
from ilrobot.cli import dagger_gate
from ilrobot.cli.dagger import Dagger
from ilrobot.data.dataset import Dataset, DatasetRecorder
from ilrobot.data.episode import EpisodeInfo, Outcome
from ilrobot.env import make_env
from ilrobot.learners.behavioral_cloning import train
from ilrobot.learners.config import preset
from ilrobot.learners.interactive import (
    collect,
    help_critic,
    safety_classifier,
    success_critic,
)
from ilrobot.rollout import EpisodeResult, rollout
from ilrobot.scripted_actor import ScriptedActor
from ilrobot.shared_control import SharedControl
from sims.experts import make_expert

TASK = "ilrobot/PointPath-v0"
#: A task with a camera.
FILMED = "ilrobot/PandaReach-v0"
#: Half a path shows all that a whole one does.
OPTIONS: dict[str, dict[str, Any]] = {TASK: {"horizon": 50}, FILMED: {"cameras": "wrist"}}
GATES = ("human", "beta", "safe", "lazy", "ensemble", "thrifty", "benefit", "dart")
DEMONSTRATIONS, ROUNDS, EPISODES, SEED = 4, 2, 2, 10_000
HELD_OUT = 0.3


def make_novice(
    folder: Path, members: int = 3, task: str = TASK, cameras: tuple[str, ...] = ()
) -> tuple[Path, Path]:
    """Demonstrations and an ensemble that hardly learnt from them, seeing by these cameras."""
    env = make_env(task, OPTIONS.get(task))
    env.reset(0)
    expert = ScriptedActor(make_expert(env.env), env)
    with DatasetRecorder(folder / "data", env.spec, state_size=env.state_size) as recorder:
        for seed in range(DEMONSTRATIONS):
            info = EpisodeInfo(task, env.spec.rate, seed=seed)
            rollout(env, expert, seed=seed, recorder=recorder, info=info)
    data = Dataset.open(folder / "data")
    policy, training = preset("bc", data.spec)
    small = replace(policy, width=16, blocks=1, members=members, cameras=cameras)
    steps, batch = (2, 8) if cameras else (40, 64)
    short = replace(training, steps=steps, batch_size=batch, held_out=HELD_OUT, device="cpu")
    train(data, small, short, folder / "policy")
    return folder / "data", folder / "policy"


def run_gate(gate: str, data: Path, policy: Path, output: Path, **changes: object) -> Dagger:
    """A small run of a gate, with what it learns learnt hardly at all."""
    success_critic._SWEEPS = help_critic._SWEEPS = help_critic._STEPS = 1
    safety_classifier._STEPS = (25, 50)
    dagger_gate.REHEARSALS = {"benefit": 4}
    verb = Dagger(
        task=TASK,
        dataset=data,
        policy=policy,
        output=output,
        gate=gate,  # type: ignore[arg-type]
        rounds=ROUNDS,
        episodes=EPISODES,
        seed=SEED,
        workers=1,
    )
    verb = replace(verb, **changes)  # type: ignore[arg-type]
    options = OPTIONS.get(verb.task, {}).items()
    verb = replace(verb, options=tuple(f"{name}={value}" for name, value in options))
    assert verb.run() == 0
    return verb


def outcome_of(output: Path, data: Path | None = None) -> tuple[object, ...]:
    """All that a run came to: its recording, its policy, its rounds, what its gates were fitted to.

    Attempts that were cut off are left out: they are no part of it.
    """
    recorded = Dataset.open(data or output / "dataset")
    attempts = [
        recorded.episode(index)
        for index, info in enumerate(recorded.infos)
        if info.outcome is not Outcome.UNFINISHED
    ]
    columns = [
        {
            name: values.tobytes() if values.dtype != object else values.tolist()
            for name, values in attempt.columns.items()
        }
        for attempt in attempts
    ]
    rounds = json.loads((output / "run.json").read_text())["rounds"]
    gates = [file.read_text() for file in sorted(output.glob("gate-*/gate.json"))]
    policy = (output / "policy.pt").read_bytes()
    return [attempt.info for attempt in attempts], columns, policy, rounds, gates


def run_and_die(gate: str, data: Path, policy: Path, output: Path, seed: int) -> None:
    """Run it in a process of its own, which is killed in the midst of the episode of that seed."""
    _die_in(seed)
    run_gate(gate, data, policy, output)


def rehearse_and_die(data: Path, policy: Path, output: Path, attempts: int) -> None:
    """Run what rehearses in a process of its own, which is killed after so many attempts alone."""
    made = itertools.count()

    def counted(*arguments: Any, **named: Any) -> EpisodeResult:
        if next(made) == attempts:
            os.kill(os.getpid(), signal.SIGKILL)
        return rollout(*arguments, **named)

    collect.rollout = counted  # type: ignore[assignment]
    run_gate("benefit", data, policy, output)


def _die_in(seed: int, tick: int = 20) -> None:
    """Kill this process in the midst of an episode."""
    reset, act = SharedControl.reset, SharedControl.act
    left = [-1]

    def counted_reset(self: SharedControl, of: int | None = None) -> None:
        left[0] = tick if of == seed else -1
        reset(self, of)

    def counted_act(self: SharedControl, observation: Observation, now: float) -> Decision:
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left[0] -= 1
        return act(self, observation, now)

    SharedControl.reset, SharedControl.act = counted_reset, counted_act  # type: ignore[method-assign, assignment]
