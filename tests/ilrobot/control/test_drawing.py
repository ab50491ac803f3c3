"""The sample that keeps to the plan, against looking through all of them."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from ilrobot.control.drawing import Coherent, Prediction, Single


def chunk_of(noise: NDArray[np.float32] | None) -> NDArray[Any]:
    """The policy: as its noise has it."""
    assert noise is not None
    return noise * 3.0


def ask(history: Mapping[str, NDArray[Any]], noise: NDArray[np.float32] | None) -> Prediction:
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
    chosen = draw(lambda _, __: Prediction(next(chunks)), {}, np.random.default_rng(0), plan)
    np.testing.assert_array_equal(chosen.chunk, [2, 1, 0])


def test_without_a_plan_one_sample_is_drawn() -> None:
    coherent = Coherent(5, (3, 1), np.ones(1))(ask, {}, np.random.default_rng(4), None)
    single = Single((3, 1))(ask, {}, np.random.default_rng(4), None)
    np.testing.assert_array_equal(coherent.chunk, single.chunk)
