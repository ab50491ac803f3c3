"""Copies of a task in several processes: the same as in one, and what happens when one dies."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import time
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from ilrobot import workers
from ilrobot.env import make_env
from ilrobot.errors import UserError, WorkFailed
from ilrobot.learners.reinforcement.sharing import best_share, fastest_processes, step_seconds
from ilrobot.learners.reinforcement.vector_env import TaskVectorEnv, VectorStep
from ilrobot.task_env import TaskEnv
from tests.forked import Forked
from tests.ilrobot.learner_tester import WORLDS
from tests.ilrobot.learning import line_world

COPIES = 5
MAKE = partial(make_env, line_world.TASK)
NOWHERE = np.array([0.0, np.nan], dtype=np.float32)


def _steps(processes: int) -> tuple[list[np.ndarray], list[VectorStep]]:
    draw = np.random.default_rng(0)
    with closing(TaskVectorEnv(MAKE, COPIES, seed=3, processes=processes)) as env:
        begun, steps = [env.reset()], []
        for tick in range(60):
            if tick == 30:
                env.reseed(4)
                begun.append(env.reset())
            steps.append(env.advance(draw.normal(size=(COPIES, 1)).astype(np.float32)))
        assert env.judges_success
    return begun, steps


@pytest.mark.parametrize("processes", [2, 3, 9])
def test_it_does_not_show_how_many_processes_there_are(processes: int):
    (begun, steps), (other_begun, other_steps) = _steps(1), _steps(processes)
    np.testing.assert_array_equal(begun, other_begun)
    assert sum(len(step.ended) for step in steps) > COPIES
    for one, other in zip(steps, other_steps, strict=True):
        for name in ("observations", "after", "rewards", "terminal", "timeout"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
        assert one.ended == other.ended


def test_each_copy_begins_elsewhere():
    with closing(TaskVectorEnv(MAKE, COPIES, seed=0)) as env:
        first, again = env.reset(), env.reset()
    assert len(np.unique(np.concatenate([first, again])[:, 0])) == 2 * COPIES


def test_a_cheap_task_is_not_shared_and_a_dear_one_is():
    assert best_share(1e-5, copies=8, most=16) == 1
    assert best_share(1e-2, copies=8, most=16) == 8
    assert best_share(2e-4, copies=8, most=2) == 2
    assert best_share(4e-5, copies=8, most=2) == 1
    assert best_share(4e-5, copies=8, most=2, ticks=512) == 2
    assert best_share(1e-5, copies=8, most=2, ticks=512) == 1
    assert fastest_processes(MAKE, copies=8, most=1) == 1
    assert 0 < step_seconds(MAKE) < 1


@dataclass(frozen=True)
class _OnlyHere:
    """A task that can be made in one process alone."""

    here: int

    def __call__(self) -> TaskEnv:
        if os.getpid() != self.here:
            raise UserError("it cannot be made elsewhere")
        return MAKE()


def test_what_goes_wrong_elsewhere_is_told_here():
    with (
        closing(TaskVectorEnv(_OnlyHere(os.getpid()), 2, seed=0, processes=2)) as env,
        pytest.raises(UserError, match="it cannot be made elsewhere"),
    ):
        env.reset()


class _Odd(Exception):
    """One that pickle cannot make again: it asks for more than it keeps."""

    def __init__(self, joint: str, angle: float) -> None:
        super().__init__(f"{joint} is at {angle}")


@dataclass(frozen=True)
class _Broken:
    """A task whose making fails elsewhere in its own way."""

    here: int

    def __call__(self) -> TaskEnv:
        if os.getpid() != self.here:
            raise _Odd("elbow", 7.0)
        return MAKE()


def test_what_cannot_be_sent_is_told_in_its_words_and_where_it_was_raised():
    with (
        closing(TaskVectorEnv(_Broken(os.getpid()), 2, seed=0, processes=2)) as env,
        pytest.raises(RuntimeError, match="_Odd: elbow is at 7") as told,
    ):
        env.reset()
    assert 'raise _Odd("elbow", 7.0)' in told.value.__notes__[0]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_what_ends_a_whole_group_is_left_to_the_first_process(number, monkeypatch):
    monkeypatch.setattr(workers, "CONTEXT", multiprocessing.get_context("spawn"))
    with closing(TaskVectorEnv(MAKE, 2, seed=0, processes=2)) as env:
        pid = env._elsewhere[0]._process.pid
        assert pid is not None
        assert _deaf(pid, number)  # while it starts
        env.reset()
        assert _deaf(pid, number)
        os.kill(pid, number)
        env.reset()


def test_a_process_that_was_killed_is_told():
    with closing(TaskVectorEnv(MAKE, 2, seed=0, processes=2)) as env:
        env.reset()
        pid = env._elsewhere[0]._process.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(WorkFailed, match="steps copies of the task died"):
            env.reset()


@pytest.mark.parametrize("at_reset", [True, False])
def test_a_task_that_gives_what_is_no_number_is_blamed_itself(
    at_reset: bool, monkeypatch: pytest.MonkeyPatch
):
    with closing(TaskVectorEnv(MAKE, 2, seed=0)) as env:
        seen = (lambda: env.reset()) if at_reset else (lambda: env.advance(np.zeros((2, 1))))
        env.reset()
        monkeypatch.setattr(line_world.Line, "_seen", lambda self: NOWHERE)
        with pytest.raises(WorkFailed, match=r"gave an observation that is not .* \(state\[1\]\)"):
            seen()


def _wait_with_copies(told: str) -> None:
    sys.path.insert(0, str(WORLDS))
    env = TaskVectorEnv(MAKE, 2, seed=0, processes=2)
    env.reset()
    Path(told).write_text(str(env._elsewhere[0]._process.pid))
    time.sleep(600)


def test_no_process_outlives_the_one_that_asks(tmp_path: Path):
    told = tmp_path / "pid"
    process = Forked(_wait_with_copies, str(told), errors=tmp_path / "errors")
    try:
        _until(lambda: told.exists() and bool(told.read_text()), process, tmp_path / "errors")
        other = int(told.read_text())
        assert _lives(other)
    finally:
        process.kill()
    _until(lambda: not _lives(other))


def _deaf(pid: int, number: int) -> bool:
    """Whether a signal is blocked or ignored."""
    told = dict(line.split(":\t") for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return bool((int(told["SigBlk"], 16) | int(told["SigIgn"], 16)) & 1 << number - 1)


def _lives(pid: int) -> bool:
    """Whether a process runs; one that nobody has waited for yet does not."""
    status = Path(f"/proc/{pid}/stat")
    return status.exists() and status.read_text().rsplit(")", 1)[1].split()[0] != "Z"


def _until(happened, process: Forked | None = None, errors: Path | None = None) -> None:
    end = time.monotonic() + 120
    while not happened():
        if process is not None and errors is not None:
            assert process.poll() is None, errors.read_text()
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.02)
