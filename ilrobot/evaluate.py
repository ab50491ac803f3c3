"""How good a policy is: success with its confidence interval over fresh seeds."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ilrobot.actors import Actor
from ilrobot.data.episode import Outcome
from ilrobot.errors import explained
from ilrobot.intervals import t_interval, wilson_interval
from ilrobot.rollout import EpisodeResult, rollout
from ilrobot.task_env import TaskEnv
from ilrobot.workers import Workers

#: Makes the world and the actor inside each worker process; must be picklable.
Setup = Callable[[], tuple[TaskEnv, Actor]]


@dataclass(frozen=True)
class Evaluation:
    """The episodes of one evaluation, in the order of their seeds."""

    results: tuple[EpisodeResult, ...]

    @property
    def successes(self) -> int:
        """Number of episodes in which the task was done at some step."""
        return sum(result.success for result in self.results)

    @property
    def judged(self) -> bool:
        """Whether anybody said of any episode whether the task was done."""
        return any(result.outcome is not Outcome.UNKNOWN for result in self.results)

    @property
    def success_rate(self) -> float:
        """Share of successful episodes; 0 where nobody judged."""
        return self.successes / len(self.results)

    @property
    def success_interval(self) -> tuple[float, float]:
        """95 % Wilson interval of `success_rate`."""
        return wilson_interval(self.successes, len(self.results))

    @property
    def max_reward_interval(self) -> tuple[float, float] | None:
        """95 % interval of the mean greatest reward, by Student's t; None of one episode."""
        if len(self.results) == 1:
            return None
        return t_interval([r.max_reward for r in self.results])

    def to_json(self) -> dict[str, Any]:
        """Plain JSON, the summary first and then each episode."""
        max_rewards = [r.max_reward for r in self.results]
        interval = self.max_reward_interval
        return {
            "success_rate": self.success_rate if self.judged else None,
            "success_interval": list(self.success_interval) if self.judged else None,
            "episodes": len(self.results),
            "max_reward_mean": float(np.mean(max_rewards)),
            "max_reward_interval": None if interval is None else list(interval),
            "return_mean": float(np.mean([r.total_reward for r in self.results])),
            "length_mean": float(np.mean([r.length for r in self.results])),
            "seeds": [r.seed for r in self.results],
            "successes": [r.success for r in self.results],
            "max_rewards": max_rewards,
            "lengths": [r.length for r in self.results],
        }


def evaluate(
    setup: Setup,
    seeds: Sequence[int],
    *,
    workers: int = 1,
    video: Path | None = None,
    on_episode: Callable[[EpisodeResult], None] | None = None,
) -> Evaluation:
    """Run one episode per seed.

    An episode depends on its seed alone, so the result is the same for any number of workers.

    Args:
        setup: Makes the world and the actor; called once in each process.
        seeds: Seeds of the episodes.
        workers: Processes; 1 runs in this one.
        video: Folder for one ``seed-N.mp4`` per episode; the world must render ``rgb_array``.
        on_episode: Called with each episode in the order of the seeds, for a progress bar.

    Raises:
        UserError: The world cannot be drawn, or the folder of the films cannot be written to.
        WorkFailed: A worker process died, an action was not finite, or the disk is full.
    """
    if not seeds:
        raise ValueError("evaluate() needs at least one seed")
    work = [(0, seed) for seed in seeds]
    results: dict[int, EpisodeResult] = {}
    with closing(episodes_of([setup], work, workers=workers, video=video)) as episodes:
        for result in episodes:
            assert result.seed is not None
            results[result.seed] = result
            if on_episode is not None:
                on_episode(result)
    return Evaluation(tuple(results[seed] for seed in seeds))


def episodes_of(
    setups: Sequence[Setup],
    work: Sequence[tuple[int, int]],
    *,
    workers: int = 1,
    video: Path | None = None,
) -> Generator[EpisodeResult, None, None]:
    """Run episodes of several policies in the same processes; closing it ends them.

    Args:
        setups: Make the worlds and the actors; each process has one of them at a time.
        work: For each episode which of the setups and the seed, those of one setup together.
        workers: Processes; 1 runs in this one.
        video: As in `evaluate`.

    Yields:
        The episodes in the order of `work`.

    Raises:
        UserError: The world cannot be drawn, or the folder of the films cannot be written to.
        WorkFailed: A worker process died, an action was not finite, or the disk is full.
    """
    workers = min(workers, len(work))
    begin = partial(_Bench, setups)
    if workers == 1:
        with closing(begin()) as bench:
            for setup, seed in work:
                yield _episode(*bench.made(setup), seed, video)
    elif workers > 1:
        cure = "try fewer --workers"
        with Workers(workers, begin, purpose="the evaluation", cure=cure) as processes:
            yield from processes.map(partial(_worker_episode, video), work)


class _Bench:
    """What a process acts with at present."""

    def __init__(self, setups: Sequence[Setup]) -> None:
        self._setups = setups
        self._number: int | None = None
        self._made: tuple[TaskEnv, Actor] | None = None

    def made(self, number: int) -> tuple[TaskEnv, Actor]:
        """World and actor of a setup; those of another are given up."""
        if self._made is None or number != self._number:
            self.close()
            self._made, self._number = self._setups[number](), number
        return self._made

    def close(self) -> None:
        """Give up the world."""
        if self._made is not None:
            self._made[0].close()
            self._made = None


def _worker_episode(video: Path | None, bench: _Bench, item: tuple[int, int]) -> EpisodeResult:
    setup, seed = item
    return _episode(*bench.made(setup), seed, video)


def _episode(env: TaskEnv, actor: Actor, seed: int, video: Path | None) -> EpisodeResult:
    limit = env.unattended_limit
    if video is None:
        return rollout(env, actor, seed=seed, max_steps=limit)
    frames: list[Any] = []
    result = rollout(
        env, actor, seed=seed, max_steps=limit, on_tick=lambda *_: frames.append(env.render())
    )
    _write_video(video / f"seed-{seed}.mp4", frames, env.spec.rate)
    return result


def _write_video(path: Path, frames: Iterable[Any], rate: float) -> None:
    from ilrobot.report.video import write_video

    with explained(path, "the films before it are whole", "evaluate again"):
        write_video(path, frames, rate)
