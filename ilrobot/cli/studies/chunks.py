"""The study `chunks`: how many actions a cloned policy should commit to at once.

A policy that executes k actions of each prediction decides T / k times in an episode of T steps,
and has so many occasions to stray (Zhao et al. 2023, section IV-A: chunking shortens the effective
horizon by k); but for k steps it sees nothing. The simulated person demonstrates the lift, late and
unsteady as hands are; cloning it step by step learns its pauses, too.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ilrobot.cli.cores import cores
from ilrobot.cli.output import progress_bar
from ilrobot.cli.people import scripted_expert
from ilrobot.cli.studies.page import print_row, write_page
from ilrobot.data.episode import MemoryRecorder
from ilrobot.data.memory import MemoryRecordings
from ilrobot.env import make_env
from ilrobot.learners.behavioral_cloning import train
from ilrobot.learners.config import TrainConfig
from ilrobot.policies.config import PolicyConfig
from ilrobot.report.chunks import HEADERS, ChunkRow, chunk_rows, chunks_report
from ilrobot.rollout import rollout
from ilrobot.task_env import TaskEnv
from ilrobot.workers import Workers

TASK = "ilrobot/PandaLift-v0"
CHUNKS = (1, 2, 4, 8, 16, 32)

_SEEDS_APART = 10_000


@dataclass(frozen=True)
class Scale:
    """How much is done.

    Attributes:
        seeds: Policies per chunk length, each with a person and demonstrations of its own.
        demonstrations: Episodes that each learns from.
        steps: Steps of training.
        attempts: Episodes that each is measured by.
        workers: Processes.
    """

    seeds: int = 5
    demonstrations: int = 40
    steps: int = 800
    attempts: int = 20
    workers: int = field(default_factory=cores)


def run(file: Path) -> dict[str, Any]:
    """Run it, write its page to `file`, print its table and return its JSON."""
    scale = Scale()
    with progress_bar() as bars:
        bar = bars.add_task("policies", total=len(CHUNKS) * scale.seeds, note="")
        rows = measure(CHUNKS, scale, lambda: bars.advance(bar))
    write_page(file, chunks_report(rows, TASK))
    print(
        f"success at {TASK}: {scale.seeds} policies per chunk length, {scale.demonstrations} "
        f"demonstrations and {scale.attempts} attempts each"
    )
    for row in (HEADERS, *chunk_rows(rows)):
        print_row(*row)
    return {
        "task": TASK,
        "attempts": scale.attempts,
        "demonstrations": scale.demonstrations,
        "rows": [row.to_json() for row in rows],
    }


def measure(
    chunks: Sequence[int], scale: Scale, on_policy: Callable[[], None] = lambda: None
) -> list[ChunkRow]:
    """Demonstrate, train and attempt: a row for each chunk length.

    The result is the same for any number of workers.

    Raises:
        WorkFailed: A process died.
    """
    asked = [(chunk, seed) for chunk in chunks for seed in range(scale.seeds)]
    setup = partial(make_env, TASK)
    with Workers(scale.workers, setup, purpose="the study", cure="run it again") as workers:
        shown = list(workers.map(partial(demonstrate, scale), range(scale.seeds)))
        found: dict[int, list[float]] = {chunk: [] for chunk in chunks}
        work = [(chunk, seed, shown[seed]) for chunk, seed in asked]
        for (chunk, _), rate in zip(
            asked, workers.map(partial(success_rate, scale), work), strict=True
        ):
            found[chunk].append(rate)
            on_policy()
    length = float(np.mean(np.concatenate([data.lengths for data in shown])))
    return [
        ChunkRow(chunk, length / chunk, tuple(rates), scale.attempts)
        for chunk, rates in found.items()
    ]


def demonstrate(scale: Scale, env: TaskEnv, person: int) -> MemoryRecordings:
    """What one simulated person shows."""
    from teleop.hands import make_hand

    recorder = MemoryRecorder(env.spec)
    hand = make_hand("operator", env.spec, expert=scripted_expert(env), seed=person)
    try:
        for episode in range(scale.demonstrations):
            rollout(env, hand, seed=_SEEDS_APART * (person + 1) + episode, recorder=recorder)
    finally:
        hand.close()
    return MemoryRecordings(env.spec, recorder.episodes)


def success_rate(scale: Scale, env: TaskEnv, asked: tuple[int, int, MemoryRecordings]) -> float:
    """Of one policy, for its chunk length, training seed and demonstrations."""
    chunk, seed, data = asked
    policy = PolicyConfig(
        width=128, horizon=chunk, execute=chunk, dropout=0.1, observation_noise=0.05
    )
    with tempfile.TemporaryDirectory() as folder:
        actor = train(data, policy, _training(scale.steps, seed), Path(folder) / "run").actor()
    return float(np.mean([rollout(env, actor, seed=s).success for s in range(scale.attempts)]))


def _training(steps: int, seed: int) -> TrainConfig:
    """All steps for every length: what is compared is the length, not when training stops."""
    config = TrainConfig(
        seed=seed, batch_size=128, ema=0.99, held_out=0.0, patience=0, device="cpu"
    )
    return config.with_steps(steps)
