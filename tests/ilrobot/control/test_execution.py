"""Each way to execute chunks against a slow, obvious one, whatever the policy predicts."""

import math
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from ilrobot.control.execution import Execution, Receding, TemporalEnsemble

#: A chunk by its number: what was predicted there is told from everything else.
Predict = Callable[[int], NDArray[Any]]


def play(execution: Execution, predict: Predict, ticks: int, flushes: set[int]) -> list[Any]:
    """The actions of some ticks, before some of which the plan is forgotten."""
    actions, asked, chunk = [], 0, predict(0)
    for tick in range(ticks):
        if tick in flushes:
            execution.forget()
        if execution.takes:
            execution.take(chunk)
        if execution.asks:
            chunk = predict(asked)
            execution.asked()
            asked += 1
            if execution.takes:
                execution.take(chunk)
        actions.append(np.array(execution.next()))
    return actions


def slow_receding(
    predict: Predict, ticks: int, flushes: set[int], execute: int, delay: int
) -> list[Any]:
    """By a table that says of each tick which chunk's action is executed, filled chunk by chunk."""
    table: dict[int, Any] = {}
    starts = sorted({0} | {t for t in flushes if t < ticks})
    number = 0
    for start, end in zip(starts, [*starts[1:], ticks], strict=True):
        for begun in range(start, end, execute):
            chunk = predict(number)
            number += 1
            ready = begun if begun == start else begun + delay
            for tick in range(ready, min(end, begun + len(chunk))):
                table[tick] = chunk[tick - begun]
    return [table[tick] for tick in range(ticks)]


def slow_ensemble(
    predict: Predict, ticks: int, flushes: set[int], decay: float, choices: int | None
) -> list[Any]:
    """Every chunk is kept, and every tick looks through all of them."""
    chunks: list[tuple[int, NDArray[Any]]] = []
    actions: list[Any] = []
    for tick in range(ticks):
        if tick in flushes:
            chunks = []
        chunks.append((tick, predict(tick)))
        voices = [chunk[tick - begun] for begun, chunk in chunks if tick - begun < len(chunk)]
        weights = [math.exp(-decay * i) for i in range(len(voices))]
        if choices is None:
            total = sum(w * np.asarray(a, float) for w, a in zip(weights, voices, strict=True))
            actions.append(total / sum(weights))
        else:
            votes = [
                sum(w for w, a in zip(weights, voices, strict=True) if a == c)
                for c in range(choices)
            ]
            actions.append(votes.index(max(votes)))
    return actions


def random_chunks(seed: int, horizon: int, *, choices: int | None = None) -> Predict:
    """Chunks in which zeros are common, since a zero is an action as any other."""

    def predict(number: int) -> NDArray[Any]:
        rng = np.random.default_rng([seed, number])
        if choices is not None:
            return rng.integers(choices, size=horizon)
        return rng.normal(size=(horizon, 2)).astype(np.float32) * rng.integers(2, size=(horizon, 1))

    return predict


flush_ticks = st.sets(st.integers(0, 39))


@given(st.data(), st.integers(0, 2**20), flush_ticks)
def test_receding_with_and_without_delay(data: Any, seed: int, flushes: set[int]) -> None:
    execute = data.draw(st.integers(1, 6))
    delay = data.draw(st.integers(0, execute))
    horizon = data.draw(st.integers(execute + delay, execute + delay + 4))
    predict = random_chunks(seed, horizon)
    expected = slow_receding(predict, 40, flushes, execute, delay)
    given_ = play(Receding(execute, delay), predict, 40, flushes)
    np.testing.assert_array_equal(np.array(given_), np.array(expected))


#: None so small that two votes differ by rounding alone.
decays = st.just(0.0) | st.floats(1e-3, 3.0)


@given(st.integers(1, 8), decays, st.integers(0, 2**20), flush_ticks, st.booleans())
def test_temporal_ensemble(
    horizon: int, decay: float, seed: int, flushes: set[int], discrete: bool
) -> None:
    choices = 3 if discrete else None
    predict = random_chunks(seed, horizon, choices=choices)
    shape = () if discrete else (2,)
    expected = slow_ensemble(predict, 40, flushes, decay, choices)
    given_ = play(TemporalEnsemble(horizon, shape, decay, choices), predict, 40, flushes)
    if discrete:
        assert given_ == expected
    else:
        np.testing.assert_allclose(np.array(given_), np.array(expected), rtol=1e-6, atol=1e-7)


def test_an_action_of_zeros_has_its_weight() -> None:
    chunks = [np.zeros((2, 1), np.float32), np.ones((2, 1), np.float32)]
    actions = play(TemporalEnsemble(2, (1,), 0.0), chunks.__getitem__, 2, set())
    assert [float(action[0]) for action in actions] == [0.0, 0.5]


def test_the_oldest_prediction_counts_most() -> None:
    chunks = [np.zeros((2, 1), np.float32), np.ones((2, 1), np.float32)]
    actions = play(TemporalEnsemble(2, (1,), math.log(3.0)), chunks.__getitem__, 2, set())
    assert float(actions[1][0]) == pytest.approx(0.25)
    votes = [np.array([0, 2]), np.array([1, 0])]
    assert play(TemporalEnsemble(2, (), 0.1, choices=3), votes.__getitem__, 2, set()) == [0, 2]


def test_what_is_planned_begins_at_the_present_tick() -> None:
    execution = Receding(2)
    assert execution.rest is None
    chunk = np.arange(3.0)[:, None]
    execution.asked()
    execution.take(chunk)
    execution.next()
    np.testing.assert_array_equal(execution.rest, chunk[1:])
    execution.next()
    execution.next()
    assert execution.rest is None
    execution.forget()
    assert execution.rest is None


def test_an_action_that_was_given_stays_as_it_is() -> None:
    predict = random_chunks(0, 4)
    for execution in (Receding(2, 1), TemporalEnsemble(4, (2,), 0.01)):
        kept, copies = [], []
        for number in range(20):
            if execution.takes:
                execution.take(predict(number))
            if execution.asks:
                execution.asked()
                if execution.takes:
                    execution.take(predict(number))
            kept.append(execution.next())
            copies.append(kept[-1].copy())
        np.testing.assert_array_equal(kept, copies)


SIZE = 4096


def grown(work: Callable[[], None]) -> int:
    """Bytes that the work holds at most beyond what there was, once it has run before."""
    work()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        work()
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


def test_between_predictions_nothing_is_allocated() -> None:
    execution = Receding(1000)
    execution.asked()
    execution.take(np.zeros((1000, SIZE), np.float32))

    def ticks() -> None:
        for _ in range(100):
            assert not execution.takes
            assert not execution.asks
            execution.next()

    assert grown(ticks) < SIZE  # no array of an action, which has 4 bytes for each element


def test_an_ensemble_allocates_only_the_action_that_it_gives() -> None:
    ensemble = TemporalEnsemble(16, (SIZE,), 0.01)
    chunk = np.ones((16, SIZE), np.float32)

    def ticks() -> None:
        for _ in range(20):
            ensemble.asked()
            ensemble.take(chunk)
            ensemble.next()

    assert grown(ticks) < 2 * 4 * SIZE  # one action, and the one before until it is let go
