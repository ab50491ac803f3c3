"""From chunks of predicted actions to one action per tick."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ilrobot.actors import Action, Actor, Decision, LateAnswer, Observation, Source
from ilrobot.control.delay import DelayEstimate, InferenceTally
from ilrobot.control.drawing import Draw, Guide, Prediction, noise_generator
from ilrobot.control.execution import Execution
from ilrobot.control.inference import Inference, Inline, Threaded
from ilrobot.control.signals import Signals, calls_for_help
from ilrobot.errors import WorkFailed
from ilrobot.observed import check_pictures
from ilrobot.spec import Spec


class ChunkPredictor(Protocol):
    """A policy as the control loop sees it: torch or ONNX behind one signature."""

    def __call__(
        self,
        history: Mapping[str, NDArray[Any]],
        noise: NDArray[np.float32] | None,
        guide: Guide | None = None,
    ) -> Prediction:
        """Predict a chunk.

        Args:
            history: For each observation the last ticks, oldest first: shape (n_obs, *shape).
            noise: Standard normal, shape `noise_shape` (None where the policy draws none).
            guide: Where its sampler is led, if it can be (None: nowhere).

        Returns:
            The actions from this tick on.
        """


class ObservationHistory:
    """The last `length` observations; at an episode's start the first one fills the gap.

    Attributes:
        windows: Views, oldest first, shape (length, *shape); overwritten by the next `push`.
    """

    def __init__(self, spec: Spec, length: int) -> None:
        self.length = length
        self.windows: dict[str, NDArray[Any]] = {
            f.name: np.zeros((length, *f.shape), f.seen_dtype) for f in spec.observations
        }
        # One-dimensional, because numpy moves nothing else within itself without a copy.
        self._moves = [
            (window.reshape(-1)[: -window[0].size], window.reshape(-1)[window[0].size :])
            for window in self.windows.values()
            if length > 1
        ]
        self._cameras = [f for f in spec.observations if f.is_image]
        self._newest = [(name, window[-1:]) for name, window in self.windows.items()]
        self._empty = True

    def reset(self) -> None:
        """Forget everything."""
        self._empty = True

    def push(self, observation: Observation) -> None:
        """Take in the newest observation.

        Raises:
            UserError: The first after a reset has pictures that are not as the spec says.
        """
        if self._empty:
            for camera in self._cameras:
                check_pictures(camera, observation[camera.name])
            for name, window in self.windows.items():
                window[...] = observation[name]
            self._empty = False
            return
        for older, newer in self._moves:
            np.copyto(older, newer)
        for name, newest in self._newest:
            newest[...] = observation[name]


#: Asking the enumeration at every tick costs more than the rest of a decision's fields.
_POLICY = Source.POLICY
#: Longest that an episode's first tick is thought about before its clock starts, s.
PREPARATION = 30.0


class ChunkActor(Actor):
    """A policy that predicts chunks, of which it executes one action per tick.

    Chunk 1 with one executed step is an ordinary policy.

    In the background it never waits for a prediction. The plan goes on meanwhile; where it runs
    out there is no action until a chunk has come. Each chunk is asked for so early that the plan
    lasts as long as predictions took of late, and of a chunk that comes as many actions are passed
    over as others were executed since it was asked for. One that comes so late that all its ticks
    have passed is dropped, and another asked for.

    Args:
        predict: The policy.
        spec: What it reads and gives.
        history: How many observations it reads.
        execution: Which action of which chunk is executed.
        draw: How a chunk is drawn from the policy.
        background: Predict in a thread.
        thresholds: Of the policy's signals, above which it calls for help.
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
        thresholds: Mapping[str, float] = MappingProxyType({}),
    ) -> None:
        self._predict, self._thresholds = predict, thresholds
        self._rate = spec.rate
        self._history = ObservationHistory(spec, history)
        self._execution, self._draw = execution, draw
        self.thinks_ahead = background
        self.inference: Inference = (
            Threaded(self._drawn, self._history.windows) if background else Inline(self._drawn)
        )
        self._delays = DelayEstimate(execution.ahead)
        self.tally = InferenceTally()
        """How predictions in the background went since it was made."""
        self._prediction: Prediction | None = None
        self._generator = noise_generator(0)

    def reset(self, seed: int | None = None) -> None:
        """Forget history and plan, and seed the noise."""
        self._history.reset()
        self._generator = noise_generator(seed)
        self.flush()

    def prepare(
        self, observation: Observation, stopped: Callable[[], bool] = lambda: False
    ) -> None:
        """Predict the first chunk in the background, and learn how long that takes.

        Where none comes it is asked for again.

        Raises:
            WorkFailed: None has come within `PREPARATION`.
        """
        self._history.push(observation)
        until = time.perf_counter() + PREPARATION
        self._begin()
        while not self.inference.wait(until - time.perf_counter(), stopped):
            if stopped():
                return
            if time.perf_counter() >= until:
                raise WorkFailed(
                    f"the policy has predicted nothing within {PREPARATION:g} s, so no episode "
                    "begins; try it with ilrobot verify"
                )
            self._begin()

    def flush(self) -> None:
        """Forget the planned actions, so that the next tick predicts afresh."""
        self._execution.forget()
        self.inference.forget()
        self._prediction = None

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
        """The action of this tick, asking for a new chunk where one is due.

        Raises:
            LateAnswer: The plan has run out, and the next chunk is not there yet.
        """
        self._history.push(observation)
        execution = self._execution
        if execution.takes:
            self._take()
        if execution.asks:
            self._begin()
            if execution.takes:
                self._take()
        action = execution.next()
        if action is None:
            self.tally.run_out += 1
            raise LateAnswer
        calls = False
        if self._thresholds:
            calls = calls_for_help(self.signals, execution.executed, self._thresholds)
        return Decision(action, _POLICY, action, calls_for_help=calls)

    def glance(self, observation: Observation, now: float) -> Decision:
        """The same while somebody else drives: a chunk that is late begins further on."""
        try:
            return self.act(observation, now)
        except LateAnswer:
            self._execution.passed()
            raise

    @property
    def signals(self) -> Signals:
        """What the policy said beside the newest chunk that it acts by."""
        return {} if self._prediction is None else self._prediction.signals

    def said(self, signal: str) -> float:
        """What a signal says of the action that was chosen last (NaN: nothing)."""
        values = self.signals.get(signal)
        return math.nan if values is None else float(values[self._execution.executed])

    def _begin(self) -> None:
        """Ask for a chunk from what is seen now."""
        execution = self._execution
        self.inference.ask(self._history.windows, self._generator, execution.rest, execution.ahead)
        execution.asked()

    def _drawn(
        self,
        history: Mapping[str, NDArray[Any]],
        generator: np.random.Generator,
        rest: NDArray[Any] | None,
        delay: int,
    ) -> Prediction:
        return self._draw(self._ask, history, generator, rest, delay)

    def _ask(
        self,
        history: Mapping[str, NDArray[Any]],
        noise: NDArray[np.float32] | None,
        guide: Guide | None,
    ) -> Prediction:
        if guide is None:
            return self._predict(history, noise)
        return self._predict(history, noise, guide)

    def _take(self) -> None:
        """Execute from now on what was predicted last, if it is there."""
        answer, execution = self.inference.answer(), self._execution
        if answer is None:
            return
        prediction = answer.prediction
        if prediction is not None and self.thinks_ahead:
            # The first one of an episode came while the clock stood still.
            waited = execution.waited or math.ceil(answer.seconds * self._rate)
            self.tally.count(answer.seconds, execution.waited)
            execution.ahead = self._delays.after(waited)
        if prediction is None or execution.waited >= len(prediction.chunk):
            self.tally.dropped += 1
            execution.drop()
            return
        self._prediction = prediction
        execution.take(prediction.chunk)
