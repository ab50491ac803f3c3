"""From chunks of predicted actions to one action per tick."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ilrobot.actors import Action, Actor, Decision, Observation, Source
from ilrobot.spec import Spec


class ChunkPredictor(Protocol):
    """A policy as the control loop sees it: torch or ONNX behind one signature."""

    def __call__(
        self, history: Mapping[str, NDArray[Any]], noise: NDArray[np.float32] | None
    ) -> NDArray[Any]:
        """Predict a chunk.

        Args:
            history: For each observation the last ticks, oldest first: shape (n_obs, *shape).
            noise: Standard normal, shape `noise_shape` (None where the policy draws none).

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
        self._empty = True

    def reset(self) -> None:
        """Forget everything."""
        self._empty = True

    def push(self, observation: Observation) -> None:
        """Take in the newest observation."""
        for name, window in self._windows.items():
            if self._empty:
                window[:] = observation[name]
            else:
                if self.length > 1:
                    window[:-1] = window[1:]
                window[-1] = observation[name]
        self._empty = False

    @property
    def windows(self) -> dict[str, NDArray[Any]]:
        """Views, oldest first, shape (length, *shape); overwritten by the next `push`."""
        return self._windows


class ChunkActor(Actor):
    """Receding horizon: predict a chunk, execute its first steps, predict again.

    Chunk 1 with one executed step is an ordinary policy. Chi et al. 2023, "Diffusion Policy",
    section IV-C.

    Attributes:
        executed: Which action of its chunk it executed last, counted from 0.

    Args:
        predict: The policy.
        spec: What it reads and gives.
        history: How many observations it reads.
        execute: How many actions of each chunk are executed before the next prediction.
        noise_shape: Shape of the noise that it takes (None: it takes none).
    """

    def __init__(
        self,
        predict: ChunkPredictor,
        spec: Spec,
        *,
        history: int,
        execute: int,
        noise_shape: tuple[int, ...] | None = None,
    ) -> None:
        self._predict = predict
        self._execute = execute
        self._noise_shape = noise_shape
        self._history = ObservationHistory(spec, history)
        self._chunk: NDArray[Any] | None = None
        self.executed = 0
        self._generator = np.random.default_rng(0)

    def reset(self, seed: int | None = None) -> None:
        """Forget history and plan, and seed the noise."""
        self._history.reset()
        self._generator = np.random.default_rng(seed)
        self.flush()

    def flush(self) -> None:
        """Forget the planned actions, so that the next tick predicts afresh."""
        self._chunk = None

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
        """The next action of the chunk, predicting a new one where it is used up."""
        self._history.push(observation)
        self.executed += 1
        if self._chunk is None or self.executed >= self._execute:
            noise = None
            if self._noise_shape is not None:
                noise = self._generator.standard_normal(self._noise_shape, dtype=np.float32)
            self._chunk = self._predict(self._history.windows, noise)
            self.executed = 0
        action = self._chunk[self.executed]
        return Decision(action, Source.POLICY, policy_action=action)
