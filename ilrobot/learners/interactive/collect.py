"""A round of collection: the novice tries under a gate, the expert corrects it, all is recorded."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Protocol

from ilrobot.actors import Actor
from ilrobot.atomic import make_folder
from ilrobot.data.attempt import AttemptRecorder
from ilrobot.data.dataset import Dataset, DatasetRecorder
from ilrobot.data.episode import UNCOUNTED, Column, EpisodeInfo, Outcome, Recorder
from ilrobot.data.layout import ATTEMPTS
from ilrobot.errors import WorkFailed, explained
from ilrobot.learners.interactive.gate_network import OnSteps
from ilrobot.learners.machine import acting
from ilrobot.policies.loading import load_policy
from ilrobot.rollout import EpisodeResult, rollout
from ilrobot.task_env import TaskEnv
from ilrobot.workers import Workers


class Cast(Protocol):
    """Who acts in a round and where; picklable where several processes share the episodes.

    Each process has a world of its own and asks for the actor of a round once. What an episode is
    must depend on the round and on its seed alone, never on the episodes that ran before it.
    """

    def make_env(self) -> TaskEnv:
        """The world, alike in every process."""

    def prepare(self, number: int, dataset: Dataset, policy_run: Path, on_steps: OnSteps) -> None:
        """Fit and write what the gate of a round needs, before any of its episodes.

        It is called by one process, and again when a round that was cut off goes on, whose first
        episodes the dataset may hold by then: what was written the first time must stay.

        Args:
            number: Of the round, from 1.
            dataset: All that was recorded so far.
            policy_run: Run of the policy that acts in this round.
            on_steps: Follows a fit that takes long.
        """

    def share_control(
        self, env: TaskEnv, policy_run: Path, number: int
    ) -> AbstractContextManager[Actor]:
        """Novice and expert under the gate of a round; entered once in each process.

        Args:
            env: The world that this process runs its episodes in.
            policy_run: Run of the policy that acts.
            number: Of the round, from 1.
        """


class RunEpisode(Protocol):
    """Runs one recorded episode; `ilrobot.rollout.rollout`, or that in front of a person."""

    def __call__(
        self, env: TaskEnv, actor: Actor, *, seed: int, recorder: Recorder, info: EpisodeInfo
    ) -> EpisodeResult:
        """Run it from `seed`."""


@dataclass(frozen=True)
class Round:
    """What is to be recorded in a round.

    Attributes:
        number: Counted from 1.
        seeds: Of its episodes.
        policy_run: Run of the policy that acts.
        info: What each episode shall know about itself; its seed is filled in.
        alone: Whether the policy rehearses: no gate, no expert, and nobody watches.
    """

    number: int
    seeds: range
    policy_run: Path
    info: EpisodeInfo
    alone: bool = False


class Collector:
    """Runs the episodes of a run's rounds, and seals them in the order of their seeds.

    Simulated episodes without cameras are shared out to processes. Each records its episodes into
    journals of their own, which cost no copying to hand over; this process moves them into the
    dataset. So the dataset is the same for any number of processes and wherever the run was
    killed: a sealed episode stays, any other is run again from its seed.

    Episodes that `run_episode` shows to a person, and those whose cameras are kept as film, run in
    this process one at a time and straight into the dataset. If they are cut off, what there is of
    them is kept as ``unfinished``.

    Args:
        cast: Who acts.
        env: This process's world.
        workers: Processes; with 1 the episodes run in this one.
        run_episode: Runs each episode in front of a person (None: nobody watches).
    """

    def __init__(
        self,
        cast: Cast,
        env: TaskEnv,
        *,
        workers: int = 1,
        run_episode: RunEpisode | None = None,
    ) -> None:
        self._stage = _Stage(cast, env)
        self._watched = run_episode is not None
        self._straight = run_episode
        self._alone = partial(rollout, max_steps=env.unattended_limit)
        if env.spec.cameras and run_episode is None:
            self._straight = self._alone
        self._workers: Workers[_Stage] | None = None
        if workers > 1 and self._straight is None:
            self._workers = Workers(
                workers,
                partial(_take_stage, cast),
                purpose="the round",
                cure="the episodes before it are safe; --resume, with fewer --workers",
            )

    def collect(
        self,
        path: Path,
        round_: Round,
        kept: set[int],
        on_kept: Callable[[int], None],
    ) -> None:
        """Record an episode that counts for each seed of a round that has none yet.

        An attempt that was discarded is kept and made again.

        Args:
            path: The dataset.
            round_: What is to be recorded.
            kept: The seeds that have an episode.
            on_kept: Called with the number of episodes kept, first before any is run.

        Raises:
            WorkFailed: The disk is full, a worker process died, or every attempt was discarded
                though nobody watches.
        """
        on_kept(len(kept))
        spec, size = self._stage.env.spec, self._stage.env.state_size
        with DatasetRecorder(path, spec, state_size=size, resume=True) as recorder:
            while missing := [seed for seed in round_.seeds if seed not in kept]:
                before = len(kept)
                for seed, outcome in self._run(recorder, round_, missing):
                    if outcome not in UNCOUNTED:
                        kept.add(seed)
                        on_kept(len(kept))
                # A person may discard as often as they like; nobody else would ever end.
                if len(kept) == before and not self._watched:
                    raise WorkFailed(f"every attempt of round {round_.number} was discarded")

    def close(self, *, at_once: bool = False) -> None:
        """End the processes; `at_once` does not wait for the episodes that run."""
        self._stage.clear()
        if self._workers is not None:
            self._workers.close(at_once=at_once)

    def __enter__(self) -> Collector:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close(at_once=error is not None)

    def _run(
        self, recorder: DatasetRecorder, round_: Round, seeds: Sequence[int]
    ) -> Iterator[tuple[int, Outcome]]:
        """Run and seal one attempt for each seed."""
        straight = self._alone if round_.alone and self._watched else self._straight
        if straight is not None:
            with acting():
                actor = self._stage.actor(round_)
                for seed in seeds:
                    result = straight(
                        self._stage.env,
                        actor,
                        seed=seed,
                        recorder=recorder,
                        info=replace(round_.info, seed=seed),
                    )
                    yield seed, result.outcome
            return
        where = recorder.path / ATTEMPTS
        shutil.rmtree(where, ignore_errors=True)
        try:
            with explained(where, "the sealed episodes are safe", "go on with --resume"):
                make_folder(where)
                attempts = [_Attempt(round_, seed, where, recorder.columns) for seed in seeds]
                for attempt, outcome in zip(attempts, self._shared_out(attempts), strict=True):
                    recorder.adopt(attempt.journal)
                    yield attempt.seed, outcome
        finally:
            shutil.rmtree(where, ignore_errors=True)

    def _shared_out(self, attempts: Sequence[_Attempt]) -> Iterator[Outcome]:
        if self._workers is not None:
            yield from self._workers.map(_try, attempts)
            return
        for attempt in attempts:
            with acting():
                outcome = _try(self._stage, attempt)
            yield outcome


class _Stage:
    """A process's world and whoever acts in it in the present round."""

    def __init__(self, cast: Cast, env: TaskEnv) -> None:
        self.env = env
        self._cast = cast
        self._part = (0, False)
        self._actor: Actor | None = None
        self._held = ExitStack()

    def actor(self, round_: Round) -> Actor:
        """Made once in each round, and once for its rehearsal."""
        part = (round_.number, round_.alone)
        if self._actor is None or part != self._part:
            self.clear()
            if round_.alone:
                self._actor = load_policy(round_.policy_run).actor()
            else:
                self._actor = self._held.enter_context(
                    self._cast.share_control(self.env, round_.policy_run, round_.number)
                )
            self._part = part
        return self._actor

    def clear(self) -> None:
        """Let go of whatever the actor holds."""
        self._actor = None
        self._held.close()


@dataclass(frozen=True)
class _Attempt:
    """One episode, as a process is told to run it."""

    round: Round
    seed: int
    folder: Path
    columns: tuple[Column, ...]

    @property
    def journal(self) -> Path:
        return self.folder / f"seed-{self.seed}.journal"


def _take_stage(cast: Cast) -> _Stage:
    return _Stage(cast, cast.make_env())


def _try(stage: _Stage, attempt: _Attempt) -> Outcome:
    """Run an episode into its journal."""
    with closing(AttemptRecorder(attempt.journal, attempt.columns)) as recorder:
        result = rollout(
            stage.env,
            stage.actor(attempt.round),
            seed=attempt.seed,
            recorder=recorder,
            info=replace(attempt.round.info, seed=attempt.seed),
            max_steps=stage.env.unattended_limit,
        )
    return result.outcome
