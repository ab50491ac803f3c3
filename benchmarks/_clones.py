"""The clones that `benchmarks.finetuning` begins with, and how good a policy is."""

from __future__ import annotations

import json
import sys
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks._methods import Method
from ilrobot.actors import Actor
from ilrobot.atomic import write_text
from ilrobot.cli.people import scripted_expert
from ilrobot.data.dataset import Dataset
from ilrobot.data.episode import Outcome
from ilrobot.data.recorder import DatasetRecorder
from ilrobot.env import make_env
from ilrobot.learners.behavioral_cloning import train
from ilrobot.learners.machine import acting
from ilrobot.policies.policy import Policy
from ilrobot.rollout import rollout
from ilrobot.task_env import TaskEnv

#: Tried from the left until a clone does half of its attempts.
COUNTS = (10, 20, 40, 80, 160, 320, 640)
_SINGLE = {"width": 128, "blocks": 1, "dropout": 0.0, "steps": 4_000}
#: What is begun with: a clone of single ticks, or of chunks, which RAFT alone takes.
CLONES = {
    "bc": Method("bc", _SINGLE),
    "bc-framed": Method("bc", _SINGLE, framed=True),
    "bc-chunk-framed": Method("bc-chunk", framed=True),
    "flow-framed": Method("flow", framed=True),
}
OF_CHUNKS = ("bc-chunk-framed", "flow-framed")
WANTED = 0.5
SEEDS_APART = 10_000
#: Of the first attempt that is counted, beyond all demonstrations and all trying.
_FRESH = 1_000_000_000


@dataclass(frozen=True)
class Job:
    """One policy being improved.

    Attributes:
        task: Its name.
        method: How it is improved, one of `benchmarks.finetuning.METHODS`.
        seed: Of demonstrations, clone and trying.
        clone: What is begun with, one of `CLONES`.
    """

    task: str
    method: str
    seed: int
    clone: str

    @property
    def name(self) -> str:
        """Of its files."""
        return f"{self.task}-{self.clone}-{self.method}-{self.seed}"


def make(task: str, limit: int | None = None) -> TaskEnv:
    """One copy of a task, with its own limit of steps (None) or another."""
    return make_env(f"ilrobot/{task}-v0", {} if limit is None else {"max_episode_steps": limit})


def success(policy: Policy, task: str, seed: int, attempts: int) -> float:
    """Share of fresh attempts that do the task; the same for every policy of a seed."""
    with acting(), closing(make(task)) as env:
        actor, first = policy.actor(), _FRESH + SEEDS_APART * seed
        return float(
            np.mean([rollout(env, actor, seed=first + n).success for n in range(attempts)])
        )


def shown(folder: Path, job: Job, count: int) -> Path:
    """Where the demonstrations of a clone lie."""
    who = "person" if job.clone in OF_CHUNKS else "expert"
    return folder / f"{job.task}-{who}-{job.seed}-{count}"


def demonstrations(folder: Path, job: Job, count: int) -> Dataset:
    """So many successful demonstrations, by a simulated person for clones of chunks."""
    from teleop.hands import make_hand

    with closing(make(job.task)) as env, ExitStack() as stack:
        actor: Actor = scripted_expert(env)
        if job.clone in OF_CHUNKS:
            person = make_hand("operator", env.spec, expert=actor, seed=job.seed)
            actor = stack.enter_context(closing(person))
        done = 0
        with DatasetRecorder(folder, env.spec, state_size=env.state_size, resume=True) as recorder:
            if recorder.num_episodes:
                done = sum(i.outcome is Outcome.SUCCESS for i in Dataset.open(folder).infos)
            while done < count:
                number = SEEDS_APART * (job.seed + 1) + recorder.num_episodes
                done += rollout(env, actor, seed=number, recorder=recorder).success
    return Dataset.open(folder)


def clone(folder: Path, job: Job, attempts: int) -> tuple[Path, dict[str, Any]]:
    """The clone of a seed, and what it does, as far as this was not done yet."""
    name = f"{job.task}-{job.clone}-clone-{job.seed}"
    file = folder / f"{name}.json"
    if file.exists():
        found: dict[str, Any] = json.loads(file.read_text())
        return folder / f"{name}-{found['demonstrations']}", found
    for count in COUNTS:
        run = folder / f"{name}-{count}"
        data = demonstrations(shown(folder, job, count), job, count)
        policy_config, training = CLONES[job.clone].configure(data.spec)
        training = replace(training, seed=job.seed, device="cpu")
        policy = train(data, policy_config, training, run, resume=True)
        rate = success(policy, job.task, job.seed, attempts)
        print(f"{name}: {count} demonstrations, {rate:.0%}", file=sys.stderr, flush=True)
        if rate >= WANTED:
            break
    found = {"demonstrations": count, "success": rate}
    write_text(file, json.dumps(found))
    return run, found


def away(policy: Policy, demos: Path) -> float | None:
    """Root mean square of acted minus demonstrated, in halves of the demonstrated range.

    On what the demonstrations saw, elements that they moved alone; of single ticks (else None).
    """
    if policy.config.n_obs > 1 or policy.noise_shape is not None:
        return None
    data = Dataset.open(demos)
    seen = {
        name: torch.from_numpy(data.column(name)[:, None].astype(np.float32))
        for name in policy.spec.observation_names
    }
    wanted = data.column("action").reshape(data.num_frames, -1)
    with torch.no_grad():
        acted = policy(seen)[:, 0].numpy()
    half = np.ptp(wanted, axis=0) / 2
    moved = half > 1e-9
    return float(np.sqrt(np.mean(((acted - wanted)[:, moved] / half[moved]) ** 2)))
