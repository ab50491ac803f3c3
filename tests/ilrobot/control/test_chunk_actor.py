"""A policy of chunks as an actor: in a thread it acts as without, and sees what it should."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from gymnasium.utils import seeding
from numpy.typing import NDArray

from ilrobot.control.chunks import ChunkActor, ObservationHistory
from ilrobot.control.drawing import (
    Coherent,
    Draw,
    Guide,
    Guided,
    Prediction,
    Single,
    realtime_weights,
)
from ilrobot.control.execution import Execution, Receding, TemporalEnsemble
from ilrobot.control.inference import Inference
from ilrobot.spec import Feature, Spec

SPEC = Spec((Feature("x", (3,), "float32"),), Feature("action", (1,)), rate=10.0)


def predict(
    history: Mapping[str, NDArray[Any]],
    noise: NDArray[np.float32] | None,
    guide: Guide | None = None,
) -> Prediction:
    """What it saw, what it drew and where it was led, all in one sum."""
    seen = float(np.sum(history["x"])) + np.arange(6.0, dtype=np.float32)[:, None]
    led = 0.0 if guide is None else guide.weights[0][:, None] * guide.prefix
    return Prediction(seen + (0.0 if noise is None else noise) + 0.25 * led)


def actor(execution: Execution, draw: Draw, background: bool = False) -> ChunkActor:
    return ChunkActor(
        predict, SPEC, history=2, execution=execution, draw=draw, background=background
    )


def at(tick: int) -> dict[str, NDArray[np.float32]]:
    return {"x": np.array([tick, 0.5, -tick], np.float32) ** 2}


def episode(robot: ChunkActor) -> list[Any]:
    """Two takeovers, one of them while a chunk is awaited, and a rewind."""
    robot.reset(3)
    actions = []
    for tick in range(40):
        if 12 <= tick < 15 or tick == 23:
            robot.flush()
            robot.observe(at(tick))
        elif tick == 30:
            robot.rewind([at(28), at(29)], None)
        else:
            actions.append(robot.act(at(tick), 0.1 * tick).action.copy())
    return actions


class Quick(Inference):
    """Answers before the loop goes on."""

    def __init__(self, inference: Inference) -> None:
        self._inference = inference
        self.answer, self.forget, self.wait = inference.answer, inference.forget, inference.wait

    def ask(self, *question: Any) -> None:
        self._inference.ask(*question)
        self.wait(10.0)


@pytest.mark.parametrize(
    "make",
    [
        lambda: (Receding(3), Single((6, 1))),
        lambda: (Receding(3, 2), Single((6, 1))),
        lambda: (Receding(3, 2), Guided([realtime_weights(2, 6, 3, 2)], (6, 1), (1,))),
        lambda: (Receding(2), Coherent(3, (6, 1), np.ones(1))),
        lambda: (TemporalEnsemble(6, (1,), 0.1), Single((6, 1))),
    ],
)
def test_in_a_thread_that_is_quick_it_acts_as_without_one(make: Any) -> None:
    plain, threaded = actor(*make()), actor(*make(), background=True)
    threaded.inference = Quick(threaded.inference)
    expected = episode(plain)
    np.testing.assert_array_equal(episode(threaded), expected)
    np.testing.assert_array_equal(episode(plain), expected)


def test_noise_does_not_follow_from_where_the_world_of_the_same_seed_begins() -> None:
    drawn: list[Any] = []

    def note(_: Any, noise: Any, __: Any = None) -> Prediction:
        drawn.append(np.abs(noise).ravel())
        return Prediction(np.zeros((3, 1), np.float32))

    sampler = ChunkActor(note, SPEC, history=2, execution=Receding(3), draw=Single((3, 2)))
    starts = []
    for seed in range(600):
        starts.append(seeding.np_random(seed)[0].uniform(-1, 1, 6))
        sampler.reset(seed)
        sampler.act(at(0), 0.0)
    together = np.corrcoef(np.array(starts).T, np.array(drawn).T)[:6, 6:]
    assert np.abs(together).max() < 0.2


def test_after_a_flush_nothing_that_was_planned_or_asked_for_is_executed() -> None:
    robot = actor(Receding(3, 2), Single(None))
    robot.reset(0)
    for tick in range(4):  # at tick 3 a chunk is asked for, for tick 5
        robot.act(at(tick), 0.0)
    robot.flush()
    robot.observe(at(4))
    expected = predict({"x": np.stack([at(4)["x"], at(5)["x"]])}, None).chunk
    for tick in range(5, 8):
        np.testing.assert_array_equal(robot.act(at(tick), 0.0).action, expected[tick - 5])


def test_a_history_keeps_the_newest_in_buffers_that_it_made_once() -> None:
    spec = Spec(
        (Feature("x", (3,), "float32"), Feature("n", (), "int64"), Feature("m", (2, 2), "float32")),
        Feature("action", (1,)),
        rate=10.0,
    )
    rng = np.random.default_rng(0)
    ticks = [
        {"x": rng.random(3, np.float32), "n": np.int64(t), "m": rng.random((2, 2), np.float32)}
        for t in range(7)
    ]
    for length in (1, 2, 4):
        history = ObservationHistory(spec, length)
        buffers = dict(history.windows)
        for now, tick in enumerate(ticks):
            history.push(tick)
            for name in buffers:
                expected = [ticks[max(t, 0)][name] for t in range(now - length + 1, now + 1)]
                np.testing.assert_array_equal(history.windows[name], expected)
                assert history.windows[name] is buffers[name]
