"""The sample that keeps to the plan, against looking through all of them."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from ilrobot.control.drawing import (
    Coherent,
    Guide,
    Guided,
    Prediction,
    Single,
    realtime_weights,
    warm_weights,
)


def chunk_of(noise: NDArray[np.float32] | None) -> NDArray[Any]:
    """The policy: as its noise has it."""
    assert noise is not None
    return noise * 3.0


def ask(
    history: Mapping[str, NDArray[Any]], noise: NDArray[np.float32] | None, guide: Guide | None
) -> Prediction:
    return Prediction(chunk_of(noise))


@given(st.integers(1, 8), st.integers(1, 5), st.integers(0, 2**20))
def test_of_several_samples_the_nearest_to_the_plan(samples: int, planned: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    plan, scale = rng.normal(size=(planned, 2)), np.array([0.5, 4.0])
    draw = Coherent(samples, (5, 2), scale)
    chosen = draw(ask, {}, np.random.default_rng(seed), plan).chunk

    again, best = np.random.default_rng(seed), None
    for _ in range(samples):
        chunk = chunk_of(again.standard_normal((5, 2), dtype=np.float32))
        loss = 0.0
        for tick in range(planned):
            apart = (chunk[tick] - plan[tick]) / scale
            loss += 0.5**tick * float(np.sqrt(apart[0] ** 2 + apart[1] ** 2))
        if best is None or loss < best[0]:
            best = loss, chunk
    assert best is not None
    np.testing.assert_array_equal(chosen, best[1])


def test_choices_that_differ_count_alike_and_the_nearest_ticks_most() -> None:
    plan = np.array([2, 0, 1])
    chunks = iter(np.array([[2, 1, 0], [1, 0, 1], [0, 0, 1]]))
    draw = Coherent(3, (1,), None)
    chosen = draw(lambda *_: Prediction(next(chunks)), {}, np.random.default_rng(0), plan)
    np.testing.assert_array_equal(chosen.chunk, [2, 1, 0])


def test_without_a_plan_one_sample_is_drawn() -> None:
    coherent = Coherent(5, (3, 1), np.ones(1))(ask, {}, np.random.default_rng(4), None)
    single = Single((3, 1))(ask, {}, np.random.default_rng(4), None)
    np.testing.assert_array_equal(coherent.chunk, single.chunk)


@given(st.data())
def test_the_weights_of_real_time_chunking(data: Any) -> None:
    execute = data.draw(st.integers(1, 8))
    delay = data.draw(st.integers(0, execute))
    horizon = data.draw(st.integers(execute + delay, 20))
    expected = []
    for i in range(horizon):
        c = (horizon - execute - i) / (horizon - execute - delay + 1)
        soft = c * (math.exp(c) - 1) / (math.e - 1)
        expected.append(1.0 if i < delay else soft if i < horizon - execute else 0.0)
    weights = realtime_weights(3, horizon, execute, delay)
    np.testing.assert_allclose(weights, [expected] * 3, rtol=1e-6)
    assert (np.diff(weights[0]) <= 0).all()


def test_the_weights_of_a_warm_start() -> None:
    expected = [[1, 1, 1, 0, 0], [1, 1, 1, 0, 0], [0, 0, 0, 0, 0]]
    np.testing.assert_array_equal(warm_weights(3, 5, 2, 2), expected)


def test_a_sampler_is_led_to_what_is_planned_from_now_on() -> None:
    guides: list[Guide | None] = []

    def note(
        history: Mapping[str, NDArray[Any]],
        noise: NDArray[np.float32] | None,
        guide: Guide | None,
    ) -> Prediction:
        guides.append(guide)
        return Prediction(chunk_of(noise))

    draw = Guided([realtime_weights(2, 4, 2, 1)], (4, 1), (1,))
    free = draw(note, {}, np.random.default_rng(0), None)
    again = Single((4, 1))(note, {}, np.random.default_rng(0), None)
    np.testing.assert_array_equal(free.chunk, again.chunk)
    draw(note, {}, np.random.default_rng(0), np.array([[5.0], [6.0]]))
    assert guides[:2] == [None, None]
    assert guides[2] is not None
    np.testing.assert_array_equal(guides[2].prefix, [[5.0], [6.0], [0.0], [0.0]])
    np.testing.assert_array_equal(guides[2].weights[:, 2:], np.zeros((2, 2)))


def test_a_sampler_is_led_by_the_delay_that_is_expected_and_no_farther_than_the_plan() -> None:
    led: list[NDArray[np.float32]] = []

    def note(
        history: Mapping[str, NDArray[Any]],
        noise: NDArray[np.float32] | None,
        guide: Guide | None,
    ) -> Prediction:
        assert guide is not None
        led.append(guide.weights)
        return Prediction(chunk_of(noise))

    weights = [realtime_weights(1, 8, 3, delay) for delay in range(4)]
    draw = Guided(weights, (8, 1), (1,))
    for delay in (0, 2, 9):
        draw(note, {}, np.random.default_rng(0), np.ones((5, 1)), delay)
    for seen, delay in zip(led, (0, 2, 3), strict=True):
        np.testing.assert_array_equal(seen, weights[delay])
    draw(note, {}, np.random.default_rng(0), np.ones((2, 1)), 2)
    np.testing.assert_array_equal(led[-1][0, :2], weights[2][0, :2])
    np.testing.assert_array_equal(led[-1][0, 2:], np.zeros(6))
    assert weights[2][0, 2:].any()
