"""The study `multimodal`: whether a head keeps two right answers apart, at the Junction.

The demonstrator passes the obstacle on the left or on the right, drawn per episode. A policy
predicts chunks long enough to hold the whole manoeuvre and executes them wholly, so that what
counts is the chunk and not what feedback mends. One policy per head and training seed, each with
demonstrations of its own, each let to drive from the same starts.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ilrobot.cli.cores import cores
from ilrobot.cli.output import progress_bar
from ilrobot.cli.people import scripted_expert
from ilrobot.cli.studies.page import print_row, write_page
from ilrobot.data.episode import MemoryRecorder, Outcome
from ilrobot.data.memory import MemoryRecordings
from ilrobot.env import make_env
from ilrobot.learners.behavioral_cloning import train
from ilrobot.learners.config import TrainConfig
from ilrobot.policies.config import PolicyConfig
from ilrobot.report.multimodal import HEADERS, CrashRate, crash_rows, multimodal_report
from ilrobot.rollout import rollout
from ilrobot.scripted_actor import ScriptedActor
from ilrobot.task_env import TaskEnv
from ilrobot.workers import Workers

TASK = "ilrobot/Junction-v0"

#: Ticks of a chunk: from the start to past the obstacle.
HORIZON = 32

_MSE = PolicyConfig(width=64, horizon=HORIZON, execute=HORIZON, prediction="sample")
_CVAE = replace(_MSE, head="cvae")

#: The CVAE is there twice: set as in ACT, and with a divergence that weighs so little that the
#: latent is used, and is drawn. So is the flow: its network predicts the chunk, as the diffusion's
#: does, and the velocity.
HEADS: dict[str, PolicyConfig] = {
    "mse": _MSE,
    "gaussian": replace(_MSE, head="gaussian"),
    "mixture": replace(_MSE, head="mixture"),
    "bins": replace(_MSE, head="bins"),
    "vq": replace(_MSE, head="vq"),
    "cvae": _CVAE,
    "cvae-drawn": replace(_CVAE, kl_weight=0.01, latent="drawn"),
    "diffusion": replace(_MSE, head="diffusion"),
    "flow": replace(_MSE, head="flow", flow_prediction="sample", noise_scale=1.0),
    "flow-velocity": replace(_MSE, head="flow", flow_prediction="velocity", noise_scale=1.0),
    "mip": replace(_MSE, head="mip"),
}

_SEEDS_APART = 10_000


@dataclass(frozen=True)
class Scale:
    """How much is done.

    Attributes:
        seeds: Policies per head.
        demonstrations: Episodes that each learns from.
        steps: Steps of training.
        attempts: Episodes that each drives.
        workers: Processes.
    """

    seeds: int = 5
    demonstrations: int = 60
    steps: int = 1_000
    attempts: int = 40
    workers: int = field(default_factory=cores)


@dataclass(frozen=True)
class Driven:
    """What one policy did: whether it crashed and where it was, per attempt.

    Attributes:
        crashed: One per attempt.
        paths: x and y in metres at each tick, an array of shape (T, 2) per attempt.
    """

    crashed: tuple[bool, ...]
    paths: tuple[NDArray[np.float32], ...]


def run(file: Path) -> dict[str, Any]:
    """Run it, write its page to `file`, print its table and return its JSON."""
    scale = Scale()
    with progress_bar() as bars:
        bar = bars.add_task("policies", total=len(HEADS) * scale.seeds, note="")
        found = drive(tuple(HEADS), scale, lambda: bars.advance(bar))
    rates = {head: CrashRate.of([d.crashed for d in driven]) for head, driven in found.items()}
    paths = {head: [p for d in driven for p in d.paths] for head, driven in found.items()}
    write_page(file, multimodal_report(rates, paths))
    print(f"crashes at {TASK}: {scale.seeds} policies per head, {scale.attempts} attempts each")
    for row in (HEADERS, *crash_rows(rates)):
        print_row(*row)
    return {
        "task": TASK,
        "horizon": HORIZON,
        "crash_rate": {head: rate.mean for head, rate in rates.items()},
        "interval": {head: rate.interval for head, rate in rates.items()},
        "by_seed": {head: rate.by_seed for head, rate in rates.items()},
        "attempts": scale.attempts,
        "demonstrations": scale.demonstrations,
    }


def drive(
    heads: Sequence[str], scale: Scale, on_policy: Callable[[], None] = lambda: None
) -> dict[str, list[Driven]]:
    """Train policies and let them drive: for each head, what each of its seeds did.

    The result is the same for any number of workers.

    Raises:
        WorkFailed: A process died.
    """
    asked = [(head, seed) for head in heads for seed in range(scale.seeds)]
    found: dict[str, list[Driven]] = {head: [] for head in heads}
    setup = partial(make_env, TASK)
    with Workers(scale.workers, setup, purpose="the study", cure="run it again") as workers:
        for (head, _), driven in zip(
            asked, workers.map(partial(drive_one, scale), asked), strict=True
        ):
            found[head].append(driven)
            on_policy()
    return found


def drive_one(scale: Scale, env: TaskEnv, asked: tuple[str, int]) -> Driven:
    """Demonstrate, train and drive: one policy of a head and a training seed."""
    head, seed = asked
    data = _demonstrations(env, seed, scale.demonstrations)
    with tempfile.TemporaryDirectory() as folder:
        actor = train(data, HEADS[head], _training(scale.steps, seed), Path(folder) / "run").actor()
    crashed, paths = [], []
    for attempt in range(scale.attempts):
        recorder = MemoryRecorder(env.spec)
        rollout(env, actor, seed=attempt, recorder=recorder)
        episode = recorder.episodes[0]
        crashed.append(episode.info.outcome is not Outcome.SUCCESS)
        paths.append(episode.columns["observation.state"])
    return Driven(tuple(crashed), tuple(paths))


def _demonstrations(env: TaskEnv, seed: int, count: int) -> MemoryRecordings:
    recorder = MemoryRecorder(env.spec)
    expert: ScriptedActor = scripted_expert(env)
    for episode in range(count):
        rollout(env, expert, seed=_SEEDS_APART * (seed + 1) + episode, recorder=recorder)
    return MemoryRecordings(env.spec, recorder.episodes)


def _training(steps: int, seed: int) -> TrainConfig:
    """All steps for every head: what is compared is the head, not when it stops."""
    return TrainConfig(
        seed=seed,
        batch_size=128,
        learning_rate=2e-3,
        ema=0.99,
        held_out=0.0,
        patience=0,
        device="cpu",
    ).with_steps(steps)
