"""How a chunk is drawn from a policy: once, or as the one of several that keeps to the plan."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

History = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Prediction:
    """What a policy predicted.

    Attributes:
        chunk: Shape (horizon, *action shape), in physical units.
        members: Each member's chunk, with one axis more (None: it is no ensemble).
    """

    chunk: NDArray[Any]
    members: NDArray[Any] | None = None


#: Asks the policy: the history, and the noise where it takes any.
Ask = Callable[[History, NDArray[np.float32] | None], Prediction]


class Draw(Protocol):
    """Draws one chunk."""

    def __call__(
        self,
        ask: Ask,
        history: History,
        generator: np.random.Generator,
        rest: NDArray[Any] | None,
    ) -> Prediction:
        """Draw a chunk.

        Args:
            ask: The policy.
            history: What it has seen, see `ilrobot.control.chunks.ChunkPredictor`.
            generator: What noise is drawn from.
            rest: What is planned from this tick on, (n, *action shape); None: nothing.
        """


class Single:
    """One sample.

    Args:
        noise_shape: Shape of the noise that the policy takes (None: it takes none).
    """

    def __init__(self, noise_shape: tuple[int, ...] | None) -> None:
        self._noise_shape = noise_shape

    def __call__(
        self,
        ask: Ask,
        history: History,
        generator: np.random.Generator,
        rest: NDArray[Any] | None,
    ) -> Prediction:
        """See `Draw`."""
        return ask(history, standard_normal(generator, self._noise_shape))


class Coherent:
    """Of several samples the one that is nearest to what is planned already.

    With the plan â and a candidate a, both from the present tick on,

        loss = Σ_τ ρ^τ ‖(a_τ - â_τ) / scale‖₂,    ρ = 0.5

    over the ticks that the plan reaches: the backward coherence of Liu et al. 2024, "Bidirectional
    decoding", without its forward contrast, which wants a second, weaker policy. Of
    choices each that differs counts 1. Where nothing is planned, one sample.

    Args:
        samples: How many; each costs a prediction.
        noise_shape: Shape of the noise that the policy takes.
        scale: What each element of an action is measured by, in its units, of the action's shape;
            None where actions are choices.
    """

    def __init__(
        self, samples: int, noise_shape: tuple[int, ...], scale: NDArray[np.float64] | None
    ) -> None:
        self._samples, self._noise_shape, self._scale = samples, noise_shape, scale

    def __call__(
        self,
        ask: Ask,
        history: History,
        generator: np.random.Generator,
        rest: NDArray[Any] | None,
    ) -> Prediction:
        """See `Draw`."""
        count = 1 if rest is None else self._samples
        candidates = [
            ask(history, standard_normal(generator, self._noise_shape)) for _ in range(count)
        ]
        if rest is None:
            return candidates[0]
        losses = [self._loss(candidate.chunk[: len(rest)], rest) for candidate in candidates]
        return candidates[int(np.argmin(losses))]

    def _loss(self, chunk: NDArray[Any], plan: NDArray[Any]) -> float:
        if self._scale is None:
            apart = (chunk != plan).astype(np.float64)
        else:
            apart = np.linalg.norm(((chunk - plan) / self._scale).reshape(len(plan), -1), axis=1)
        return float(apart @ COHERENCE_DECAY ** np.arange(len(plan)))


#: ρ of `Coherent`.
COHERENCE_DECAY = 0.5


def standard_normal(
    generator: np.random.Generator, shape: tuple[int, ...] | None
) -> NDArray[np.float32] | None:
    """Noise of that shape (None: none)."""
    return None if shape is None else generator.standard_normal(shape, dtype=np.float32)
