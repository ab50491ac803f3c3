"""The attempts of rejection sampling: several from a beginning, shared out to processes."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ilrobot.atomic import make_folder
from ilrobot.data.attempt import AttemptRecorder
from ilrobot.data.episode import Column, EpisodeInfo, Outcome, Recorder
from ilrobot.data.layout import ATTEMPTS
from ilrobot.data.recorder import DatasetRecorder
from ilrobot.errors import explained
from ilrobot.learners.finetuning.exploring import ExploringActor
from ilrobot.learners.machine import acting
from ilrobot.policies.policy import Policy
from ilrobot.rollout import EpisodeResult, rollout
from ilrobot.task_env import TaskEnv
from ilrobot.workers import Workers


@dataclass(frozen=True)
class Trying:
    """How a policy tries; picklable.

    The first attempt from a beginning is the policy's as it is, so that these attempts together say
    how good it is; the others explore. Where the task is judged, one success is enough.

    Attributes:
        make: Makes the task.
        policy: Which acts.
        exploration: See `ilrobot.learners.finetuning.raft.RaftConfig`.
        tries: Attempts from a beginning, at most.
    """

    make: Callable[[], TaskEnv]
    policy: Policy
    exploration: float
    tries: int


@dataclass(frozen=True)
class Beginning:
    """Where attempts begin.

    Attributes:
        seed: Of the task's reset.
        made: Attempts from there that were recorded already, without success.
    """

    seed: int
    made: int = 0


def is_tried(outcomes: Sequence[Outcome], tries: int) -> bool:
    """Whether a beginning needs no more attempts.

    Args:
        outcomes: Of those that were made.
        tries: Attempts from a beginning, at most.
    """
    return len(outcomes) >= tries or Outcome.SUCCESS in outcomes


def attempts_of(
    trying: Trying, beginnings: Sequence[Beginning], path: Path, *, workers: int = 1
) -> Generator[list[EpisodeResult], None, None]:
    """Make the attempts and record them into a dataset; closing it ends the processes.

    An attempt depends on its beginning and its number alone, so that the dataset is the same for
    any number of processes. A task with cameras is filmed, in this process.

    Args:
        trying: Who tries.
        beginnings: From where, in the order of recording.
        path: The dataset, which is gone on with where it exists.
        workers: Processes; 1 runs in this one.

    Yields:
        For each beginning the attempts that were made now.

    Raises:
        WorkFailed: A process died, an action was not finite, or the disk is full.
    """
    with closing(trying.make()) as env:
        spec, size = env.spec, env.state_size
        with DatasetRecorder(path, spec, state_size=size, resume=True) as recorder:
            if workers == 1 or spec.cameras:
                stage = _Stage(trying, env)
                for begin in beginnings:
                    with acting():
                        results = stage.tries(begin, lambda _: nullcontext(recorder))
                    yield results
            else:
                yield from _shared_out(trying, beginnings, recorder, workers)


def _shared_out(
    trying: Trying, beginnings: Sequence[Beginning], recorder: DatasetRecorder, workers: int
) -> Iterator[list[EpisodeResult]]:
    """Each process records into journals of its own, which are moved into the dataset here."""
    where = recorder.path / ATTEMPTS
    shutil.rmtree(where, ignore_errors=True)
    cure = "the attempts before it are safe; go on with --resume, with fewer --workers"
    try:
        with explained(where, "the attempts before it are safe", "go on with --resume"):
            make_folder(where)
        pool = Workers(
            min(workers, len(beginnings)),
            partial(_Stage.begun, trying),
            purpose="the attempts",
            cure=cure,
        )
        with pool:
            work = partial(_try, where, recorder.columns)
            for begin, results in zip(beginnings, pool.map(work, beginnings), strict=True):
                for number in range(begin.made, begin.made + len(results)):
                    recorder.adopt(_journal(where, begin, number))
                yield results
    finally:
        shutil.rmtree(where, ignore_errors=True)


class _Stage:
    """A process's world and who acts in it."""

    def __init__(self, trying: Trying, env: TaskEnv) -> None:
        self._env, self._tries = env, trying.tries
        low, high = trying.policy.training_range["action"]
        std = trying.exploration * (high - low) / 2
        self._as_it_is = trying.policy.actor()
        self._exploring = ExploringActor(trying.policy.actor(), env.spec, std)

    @classmethod
    def begun(cls, trying: Trying) -> _Stage:
        """With a world of its own."""
        return cls(trying, trying.make())

    def tries(
        self, begin: Beginning, recorder: Callable[[int], AbstractContextManager[Recorder]]
    ) -> list[EpisodeResult]:
        """Attempts from a beginning until one succeeds or all are made.

        Args:
            begin: Where.
            recorder: Of the attempt of this number.
        """
        spec, made = self._env.spec, begin.made
        limit = self._env.unattended_limit
        info = EpisodeInfo(task=spec.task, rate=spec.rate, seed=begin.seed)
        results: list[EpisodeResult] = []
        while made < self._tries and not (results and results[-1].outcome is Outcome.SUCCESS):
            actor = self._exploring.of_attempt(made) if made else self._as_it_is
            with recorder(made) as kept:
                result = rollout(
                    self._env, actor, seed=begin.seed, recorder=kept, info=info, max_steps=limit
                )
            results.append(result)
            made += 1
        return results


def _try(
    where: Path, columns: Sequence[Column], stage: _Stage, begin: Beginning
) -> list[EpisodeResult]:
    return stage.tries(
        begin, lambda n: closing(AttemptRecorder(_journal(where, begin, n), columns))
    )


def _journal(where: Path, begin: Beginning, number: int) -> Path:
    return where / f"seed-{begin.seed}-{number}.journal"
