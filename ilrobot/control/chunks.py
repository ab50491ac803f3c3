"""From chunks of predicted actions to one action per tick."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ilrobot.actors import Action, Actor, Decision, Observation, Source
from ilrobot.control.drawing import Draw, Guide, Prediction
from ilrobot.control.execution import Execution
from ilrobot.spec import Spec


class ChunkPredictor(Protocol):
    """A policy as the control loop sees it: torch or ONNX behind one signature."""

    def __call__(
        self,
        history: Mapping[str, NDArray[Any]],
        noise: NDArray[np.float32] | None,
        guide: Guide | None = None,
    ) -> NDArray[Any]:
        """Predict a chunk.

        Args:
            history: For each observation the last ticks, oldest first: shape (n_obs, *shape).
            noise: Standard normal, shape `noise_shape` (None where the policy draws none).
            guide: Where its sampler is led, if it can be (None: nowhere).

        Returns:
            The actions from this tick on, in physical units: shape (horizon, *action shape).
        """


class ObservationHistory:
    """The last `length` observations; at an episode's start the first one fills the gap."""

    def __init__(self, spec: Spec, length: int) -> None:
        self.length = length
        self._windows = {
            f.name: np.zeros((length, *f.shape), dtype=f.dtype) for f in spec.observations
        }
        # One-dimensional, because numpy moves nothing else within itself without a copy.
        self._moves = [
            (window.reshape(-1)[: -window[0].size], window.reshape(-1)[window[0].size :])
            for window in self._windows.values()
            if length > 1
        ]
        self._empty = True

    def reset(self) -> None:
        """Forget everything."""
        self._empty = True

    def push(self, observation: Observation) -> None:
        """Take in the newest observation."""
        if not self._empty:
            for older, newer in self._moves:
                np.copyto(older, newer)
        for name, window in self._windows.items():
            if self._empty:
                window[:] = observation[name]
            else:
                window[-1] = observation[name]
        self._empty = False

    @property
    def windows(self) -> dict[str, NDArray[Any]]:
        """Views, oldest first, shape (length, *shape); overwritten by the next `push`."""
        return self._windows


class ChunkActor(Actor):
    """A policy that predicts chunks, of which it executes one action per tick.

    Chunk 1 with one executed step is an ordinary policy.

    Args:
        predict: The policy.
        spec: What it reads and gives.
        history: How many observations it reads.
        execution: Which action of which chunk is executed.
        draw: How a chunk is drawn from the policy.
        background: Predict in a thread, and wait for it when the chunk is needed. It acts as it
            would without; who acts in real time gains where the execution asks ahead.
    """

    def __init__(
        self,
        predict: ChunkPredictor,
        spec: Spec,
        *,
        history: int,
        execution: Execution,
        draw: Draw,
        background: bool = False,
    ) -> None:
        self._predict = predict
        self._history = ObservationHistory(spec, history)
        self._execution, self._draw = execution, draw
        self._worker = ThreadPoolExecutor(1, "prediction") if background else None
        self._asked_for: Future[Prediction] | None = None
        self._prediction: Prediction | None = None
        self._generator = np.random.default_rng(0)

    def reset(self, seed: int | None = None) -> None:
        """Forget history and plan, and seed the noise."""
        self._history.reset()
        self._generator = np.random.default_rng(seed)
        self.flush()

    def flush(self) -> None:
        """Forget the planned actions, so that the next tick predicts afresh."""
        self._execution.forget()
        self._prediction = self._asked_for = None

    def observe(self, observation: Observation) -> None:
        """Keep the history without a gap while somebody else acts."""
        self._history.push(observation)

    def rewind(self, past: Sequence[Observation], executed: Action | None) -> None:
        """See the past as it is now, and plan afresh."""
        self._history.reset()
        for observation in past[-self._history.length :]:
            self._history.push(observation)
        self.flush()

    def act(self, observation: Observation, now: float) -> Decision:
        """The action of this tick, predicting a new chunk where one is due."""
        self._history.push(observation)
        execution = self._execution
        if execution.takes:
            self._take()
        if execution.asks:
            self._begin()
            execution.asked()
            if execution.takes:
                self._take()
        action = execution.next()
        return Decision(action, Source.POLICY, policy_action=action)

    def _begin(self) -> None:
        """Predict a chunk from what is seen now."""
        windows, rest = self._history.windows, self._execution.rest
        if self._worker is None:
            self._prediction = self._draw(self._ask, windows, self._generator, rest)
        else:
            seen = {name: window.copy() for name, window in windows.items()}
            self._asked_for = self._worker.submit(
                self._draw, self._ask, seen, self._generator, rest
            )

    def _ask(
        self,
        history: Mapping[str, NDArray[Any]],
        noise: NDArray[np.float32] | None,
        guide: Guide | None,
    ) -> Prediction:
        if guide is None:
            return Prediction(self._predict(history, noise))
        return Prediction(self._predict(history, noise, guide))

    def _take(self) -> None:
        """Execute from now on what was predicted last."""
        if self._asked_for is not None:
            self._prediction, self._asked_for = self._asked_for.result(), None
        if self._prediction is not None:
            self._execution.take(self._prediction.chunk)
