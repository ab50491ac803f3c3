"""Predictions in a thread that come late, never, or not at all: the loop goes on."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
import weakref
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ilrobot.actors import LateAnswer
from ilrobot.control.chunks import ChunkActor
from ilrobot.control.delay import REMEMBERED, DelayEstimate, InferenceTally
from ilrobot.control.drawing import Guide, Prediction, Single
from ilrobot.control.execution import Execution, Receding, TemporalEnsemble
from ilrobot.errors import WorkFailed
from ilrobot.spec import Feature, Spec

SPEC = Spec((Feature("x", (1,), "float32"),), Feature("action", (1,)), rate=10.0)
LATE = None


class Slow:
    """Predicts ``100 x + i`` for the i-th tick, each time only when it is allowed to."""

    def __init__(self, horizon: int) -> None:
        self._horizon = horizon
        self._allowed = threading.Semaphore(0)
        self.begun = threading.Semaphore(0)
        self.error: BaseException | None = None
        self.errors: list[BaseException] = []

    def __call__(
        self,
        history: Mapping[str, NDArray[Any]],
        noise: NDArray[np.float32] | None,
        guide: Guide | None = None,
    ) -> Prediction:
        x = float(history["x"][-1, 0])
        self.begun.release()
        assert self._allowed.acquire(timeout=30)
        if self.errors:
            raise self.errors.pop()
        if self.error is not None:
            raise self.error
        return Prediction(100 * x + np.arange(float(self._horizon))[:, None])

    def allow(self) -> None:
        self._allowed.release()


class Bench:
    """An actor whose predictions come when the test says so."""

    def __init__(self, execution: Execution, horizon: int) -> None:
        self.policy = Slow(horizon)
        self.actor = ChunkActor(
            self.policy, SPEC, history=1, execution=execution, draw=Single(None), background=True
        )
        self.actor.reset(0)
        self.tick = 0

    def act(self) -> float | None:
        """The action of the next tick, at which x is its number; None: there is none."""
        tick, self.tick = self.tick, self.tick + 1
        try:
            return float(self.actor.act(see(tick), 0.0).action[0])
        except LateAnswer:
            return LATE

    def answer(self) -> None:
        """The prediction that was asked for is there before the next tick."""
        self.policy.allow()
        self.actor.inference.wait(30)


def see(tick: int) -> dict[str, NDArray[np.float32]]:
    return {"x": np.array([tick], np.float32)}


def test_the_plan_goes_on_and_what_was_executed_meanwhile_is_passed_over() -> None:
    bench = Bench(Receding(4), horizon=8)
    assert bench.act() is LATE
    bench.answer()  # of tick 0, taken at tick 1 where nothing was executed meanwhile
    assert [bench.act() for _ in range(4)] == [0, 1, 2, 3]  # ticks 1 to 4
    assert [bench.act() for _ in range(3)] == [4, 5, 6]  # asked at tick 5
    bench.answer()
    assert [bench.act() for _ in range(2)] == [503, 504]
    tally = bench.actor.tally.to_json()
    assert (tally["chunks"], tally["dropped"], tally["run_out"]) == (2, 0, 1)
    assert tally["delay_ticks"]["max"] == 3


def test_where_the_plan_runs_out_there_is_no_action_until_a_chunk_comes() -> None:
    bench = Bench(Receding(2), horizon=4)
    bench.act()
    bench.answer()
    assert [bench.act() for _ in range(6)] == [0, 1, 2, 3, LATE, LATE]
    bench.answer()  # asked at tick 3, when two actions were left
    assert bench.act() is LATE  # its four ticks have passed: dropped, and asked for again
    bench.answer()
    assert bench.act() == 700
    assert bench.actor.tally.dropped == 1


def test_only_actions_count_that_were_executed_not_the_time() -> None:
    bench = Bench(Receding(3), horizon=5)
    bench.act()
    bench.answer()
    assert [bench.act() for _ in range(6)] == [0, 1, 2, 3, 4, LATE]  # asked at tick 4
    bench.answer()
    assert bench.act() == 402  # three ticks later, of which two were executed


def test_it_asks_so_early_that_the_plan_lasts_as_long_as_predictions_took() -> None:
    bench = Bench(Receding(8), horizon=8)
    bench.act()
    bench.answer()
    assert [bench.act() for _ in range(10)] == [0, 1, 2, 3, 4, 5, 6, 7, LATE, LATE]
    bench.answer()  # asked at tick 8 with one tick to go, there three ticks later
    seen: list[float | None] = []
    while len(seen) < 40:
        seen.append(bench.act())
        if bench.actor._execution.waited == 3:
            bench.answer()
    assert LATE not in seen


def test_a_prediction_that_is_led_is_not_used_before_its_delay() -> None:
    bench = Bench(Receding(4, 2), horizon=8)
    bench.act()
    bench.answer()
    assert [bench.act() for _ in range(5)] == [0, 1, 2, 3, 4]
    bench.answer()  # asked at tick 5, there at tick 6
    assert [bench.act() for _ in range(2)] == [5, 502]


def test_an_ensemble_averages_what_reaches_the_tick_when_predictions_are_late() -> None:
    bench = Bench(TemporalEnsemble(4, (1,), 0.0), horizon=4)
    assert bench.act() is LATE
    bench.answer()
    assert bench.act() == 0  # asks
    assert bench.act() == 1
    bench.answer()  # what was predicted at tick 1, two ticks later
    assert bench.act() == (2 + 102) / 2
    assert bench.act() == (3 + 103) / 2
    assert bench.act() is LATE


def test_before_an_episode_the_first_chunk_is_waited_for() -> None:
    bench = Bench(Receding(4), horizon=8)
    bench.policy.allow()
    bench.actor.prepare(see(0))
    assert bench.act() == 0
    assert bench.actor.tally.run_out == 0


def test_before_an_episode_a_chunk_that_does_not_come_is_asked_for_again() -> None:
    bench = Bench(Receding(4), horizon=8)
    bench.policy.errors = [LateAnswer(), LateAnswer()]
    for _ in range(3):
        bench.policy.allow()
    bench.actor.prepare(see(0))
    assert bench.act() == 0


def test_without_a_first_chunk_no_episode_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ilrobot.control.chunks.PREPARATION", 0.05)
    bench = Bench(Receding(4), horizon=8)
    with pytest.raises(WorkFailed, match=r"predicted nothing within 0\.05 s"):
        bench.actor.prepare(see(0))


def test_nobody_waits_for_a_first_chunk_once_the_run_is_stopped() -> None:
    bench = Bench(Receding(4), horizon=8)
    asked = iter(range(100))
    bench.actor.prepare(see(0), lambda: next(asked) > 3)
    assert bench.act() is LATE


def test_what_was_asked_before_a_flush_is_never_executed() -> None:
    bench = Bench(Receding(2), horizon=4)
    bench.act()
    assert bench.policy.begun.acquire(timeout=30)  # it is at the question of tick 0
    bench.actor.flush()
    for _ in range(5):  # more questions than there are
        assert bench.act() is LATE
        bench.actor.flush()
    assert bench.act() is LATE
    bench.policy.allow()  # tick 0's, which nobody wants any more
    assert bench.policy.begun.acquire(timeout=30)  # all between were taken back
    assert bench.act() is LATE
    bench.answer()
    assert bench.act() == 600


def test_a_prediction_that_does_not_come_is_asked_for_again() -> None:
    bench = Bench(Receding(2), horizon=4)
    bench.policy.error = LateAnswer()
    assert bench.act() is LATE
    bench.answer()
    assert bench.act() is LATE
    bench.policy.error = None
    bench.answer()
    assert bench.act() == 100
    assert bench.actor.tally.dropped == 1


def test_what_a_prediction_raises_is_raised_by_the_loop() -> None:
    bench = Bench(Receding(2), horizon=4)
    bench.policy.error = WorkFailed("no numbers")
    bench.act()
    bench.answer()
    with pytest.raises(WorkFailed, match="no numbers"):
        bench.act()


def test_a_prediction_that_never_ends_keeps_neither_the_loop_nor_the_process() -> None:
    program = """
import threading
from tests.ilrobot.control.test_inference import *
robot = ChunkActor(lambda *_: threading.Event().wait(), SPEC, history=1, execution=Receding(1),
                   draw=Single(None), background=True)
robot.reset(0)
late = 0
for tick in range(1000):
    try:
        robot.act(see(tick), 0.0)
    except LateAnswer:
        late += 1
print(late, robot.tally.run_out)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["1000", "1000"]


def test_the_thread_ends_with_its_actor() -> None:
    bench = Bench(Receding(2), horizon=4)
    bench.act()
    bench.answer()
    bench.act()
    number = bench.actor.inference.thread_id
    thread = next(thread for thread in threading.enumerate() if thread.native_id == number)
    gone = weakref.ref(bench.actor)
    del bench
    gc.collect()
    assert gone() is None
    thread.join(timeout=30)
    assert not thread.is_alive()


def test_an_estimate_expects_the_worst_of_late_and_forgets() -> None:
    estimate = DelayEstimate(least=2)
    assert [estimate.after(delay) for delay in (1, 5, 3)] == [2, 5, 5]
    after = [estimate.after(1) for _ in range(REMEMBERED)]
    assert after[-1] == 2
    assert after[REMEMBERED - 3] == 5


def test_a_tally_has_percentiles_of_ticks() -> None:
    tally = InferenceTally()
    assert tally.to_json()["delay_ticks"] == {"p50": None, "p99": None, "max": None}
    for delay in (1, 1, 1, 2, 9):
        tally.count(0.01, delay)
    result = tally.to_json()
    assert result["delay_ticks"] == {"p50": 1, "p99": 9, "max": 9}
    assert result["inference_ms"]["max"] == pytest.approx(10.0)
