"""The pieces of the study `interventions`: demonstrate, clone, intervene and measure, on disk.

Each piece is a folder that is made once. A piece that was cut off goes on where it was, by what the
verbs have for that; one that is done is only read.
"""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import get_args

from ilrobot.atomic import PART
from ilrobot.cli.compare import measure
from ilrobot.cli.dagger_cast import ExpertCast, OperatorCast
from ilrobot.cli.dagger_gate import ASK_ALWAYS, BUDGETS, GateName, GatePlan
from ilrobot.cli.people import hand_info, scripted_expert
from ilrobot.comparison import Score
from ilrobot.contenders import Contender
from ilrobot.data.dataset import Dataset, DatasetRecorder
from ilrobot.data.lessons import Weighting
from ilrobot.env import make_env
from ilrobot.learners.behavioral_cloning import train
from ilrobot.learners.config import TrainConfig
from ilrobot.learners.interactive.dagger import describe_dagger, run_dagger
from ilrobot.policies.config import PolicyConfig
from ilrobot.run_description import DaggerPlan
from ilrobot.task_env import TaskEnv

GATES: tuple[GateName, ...] = get_args(GateName)

#: Apart of the first episodes of two persons: demonstrations from 0, attempts from half of it.
_SEEDS_APART = 10_000
#: Of the first attempt without help, beyond all of these.
_FRESH = 1_000_000_000


@dataclass(frozen=True)
class Setting:
    """What is learnt on one task.

    Attributes:
        start: Demonstrations that every method begins with.
        more: Numbers of demonstrations that cloning is given besides.
        rounds: Rounds of trying and learning.
        episodes: Attempts in a round.
        policy: What is trained.
        training: How, but for the seed.
        budgets: Of the gates that have one.
        weighting: Of corrections beside demonstrations.
    """

    start: int
    more: tuple[int, ...]
    rounds: int
    episodes: int
    policy: PolicyConfig
    training: TrainConfig
    budgets: Mapping[str, float] = field(default_factory=lambda: BUDGETS)
    weighting: Weighting = "plain"


@dataclass(frozen=True)
class Scale:
    """How much is done.

    Attributes:
        seeds: Simulated persons, each with demonstrations, policies and attempts of their own.
        attempts: Fresh episodes by which each policy is measured without help.
        settings: By Gymnasium id.
        gates: Which.
        workers: Processes.
        every_round: Whether each policy of a gate is measured, not only the last one.
    """

    seeds: int
    attempts: int
    settings: Mapping[str, Setting]
    gates: tuple[GateName, ...] = GATES
    workers: int = 1
    every_round: bool = False


@dataclass(frozen=True)
class Job:
    """One run.

    Attributes:
        task: Gymnasium id.
        seed: Of the person and of the training.
        demonstrations: Which it has.
        gate: By which it goes on from there (None: it only clones).
    """

    task: str
    seed: int
    demonstrations: int
    gate: GateName | None = None


@dataclass(frozen=True)
class Measured:
    """What one run came to.

    Attributes:
        job: Which.
        run: With those of its policies alone that were measured, the last one last.
        scores: Of each of these, without help.
        shown: Steps of the demonstrations.
    """

    job: Job
    run: Contender
    scores: tuple[Score, ...]
    shown: int


@dataclass(frozen=True)
class Workshop:
    """Where the study's runs lie, and how much is done; picklable.

    Attributes:
        folder: Of everything.
        scale: How much.
    """

    folder: Path
    scale: Scale
    _envs: dict[str, TaskEnv] = field(default_factory=dict, compare=False, repr=False)

    def do(self, job: Job) -> Measured:
        """Make the run of a job, as far as it is not made yet, and measure it.

        A gate begins with the clone of the same demonstrations, which must be there. It is only
        read, so that several processes can.

        Raises:
            UserError: The folder holds what was made by other settings.
            WorkFailed: The disk is full.
        """
        shown = self._demonstrations(job)
        run = self._clone(job) if job.gate is None else self._intervene(job)
        known = Contender.read(run)
        own = tuple(p for p in known.policies if p.round > 0 or job.gate is None)
        judged = replace(known, policies=own if self.scale.every_round else own[-1:])
        seeds = range(_FRESH, _FRESH + self.scale.attempts)
        score = measure([judged], run / "episodes.json", seeds, {})
        scores = tuple(score(policy) for policy in judged.policies)
        return Measured(job, judged, scores, shown.num_frames)

    def _place(self, job: Job) -> Path:
        return self.folder / job.task.removeprefix("ilrobot/") / f"seed-{job.seed}"

    def _env(self, task: str) -> TaskEnv:
        if task not in self._envs:
            self._envs[task] = make_env(task)
        return self._envs[task]

    def _demonstrations(self, job: Job) -> Dataset:
        """What the person shows, anew from the first episode if it was cut off."""
        from teleop.hands import make_hand
        from teleop.session import record

        path = self._place(job) / f"demos-{job.demonstrations}"
        if not path.exists():
            env, part = self._env(job.task), path.with_name(path.name + PART)
            shutil.rmtree(part, ignore_errors=True)
            hand = make_hand("operator", env.spec, expert=scripted_expert(env), seed=job.seed)
            with (
                closing(hand),
                DatasetRecorder(part, env.spec, state_size=env.state_size) as recorder,
            ):
                record(
                    env,
                    hand,
                    recorder,
                    itertools.count(_SEEDS_APART * job.seed),
                    wanted=job.demonstrations,
                    info=hand_info(env, hand, simulated=True),
                )
            part.rename(path)
        return Dataset.open(path)

    def _cloned(self, job: Job) -> Path:
        return self._place(job) / f"bc-{job.demonstrations}"

    def _clone(self, job: Job) -> Path:
        run = self._cloned(job)
        setting = self.scale.settings[job.task]
        training = replace(setting.training, seed=job.seed, device="cpu")
        train(self._demonstrations(job), setting.policy, training, run, resume=True)
        return run

    def _intervene(self, job: Job) -> Path:
        assert job.gate is not None
        setting, env = self.scale.settings[job.task], self._env(job.task)
        output = self._place(job) / job.gate
        plan = DaggerPlan(
            setting.rounds, setting.episodes, _SEEDS_APART * job.seed + _SEEDS_APART // 2
        )
        gates = GatePlan(job.gate, output, job.seed, setting.rounds, setting.budgets.get(job.gate))
        cast: ExpertCast | OperatorCast
        if job.gate in ASK_ALWAYS:
            cast = ExpertCast(job.task, {}, None, gates)
        else:
            cast = OperatorCast(job.task, {}, None, gates, job.seed)
        described = describe_dagger(
            env,
            self._demonstrations(job).path,
            self._cloned(job),
            plan,
            {"task": job.task, **gates.setting()},
            weighting=setting.weighting,
        )
        members = described.config.policy.members
        gates.check(env.spec, self._demonstrations(job), self._cloned(job), members)
        config = described.config
        run_dagger(
            env=env,
            description=described,
            output=output,
            cast=cast,
            fit=lambda data, run, initial: train(
                data, config.policy, config.train, run, resume=True, initial=initial
            ),
            info=cast.info(env),
            resume=True,
            rehearsals=gates.rehearsals,
        )
        return output
