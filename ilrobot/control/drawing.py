"""How a chunk is drawn from a policy: freely, or so that it keeps to what is planned already."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from ilrobot.control.signals import Signals
from ilrobot.control.turns import nearest_rows
from ilrobot.rotation_units import Rotation

History = Mapping[str, NDArray[Any]]


class Prediction(NamedTuple):
    """What a policy predicted.

    Attributes:
        chunk: Shape (horizon, *action shape), in physical units.
        signals: What it says beside them.
    """

    chunk: NDArray[Any]
    signals: Signals = MappingProxyType({})


@dataclass(frozen=True)
class Guide:
    """Where a sampler is led that refines its sample step by step.

    At step n the clean chunk that its sample means, x̂, is moved at tick i to

        x̂_i + w_ni (y_i - x̂_i)

    before the step goes on from there.

    Attributes:
        prefix: y, shape (horizon, *action shape), physical units; where w is 0 it does not count.
        weights: w, shape (steps, horizon), each within 0 and 1.
    """

    prefix: NDArray[np.float32]
    weights: NDArray[np.float32]


#: Asks the policy: the history, the noise where it takes any, and where its sampler is led.
Ask = Callable[[History, NDArray[np.float32] | None, Guide | None], Prediction]


class Draw(Protocol):
    """Draws one chunk."""

    def __call__(
        self,
        ask: Ask,
        history: History,
        generator: np.random.Generator,
        rest: NDArray[Any] | None,
        delay: int = 0,
    ) -> Prediction:
        """Draw a chunk.

        Args:
            ask: The policy.
            history: What it has seen, see `ilrobot.control.chunks.ChunkPredictor`.
            generator: What noise is drawn from.
            rest: What is planned from this tick on, (n, *action shape); None: nothing.
            delay: How many of those are expected to be executed before the chunk is there.
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
        delay: int = 0,
    ) -> Prediction:
        """See `Draw`."""
        return ask(history, standard_normal(generator, self._noise_shape), None)


class Coherent:
    """Of several samples the one that is nearest to what is planned already.

    With the plan â and a candidate a, both from the present tick on,

        loss = Σ_τ ρ^τ ‖(a_τ - â_τ) / scale‖₂,    ρ = 0.5

    over the ticks that the plan reaches, of a rotation by that of its equal answers a_τ that is
    nearest to â_τ: the backward coherence of Liu et al. 2024, "Bidirectional
    decoding", without its forward contrast, which wants a second, weaker policy. Of
    choices each that differs counts 1. Where nothing is planned, one sample.

    Args:
        samples: How many; each costs a prediction.
        noise_shape: Shape of the noise that the policy takes.
        scale: What each element of an action is measured by, in its units, of the action's shape;
            None where actions are choices.
        rotations: Of an action that is a target.
    """

    def __init__(
        self,
        samples: int,
        noise_shape: tuple[int, ...],
        scale: NDArray[np.float64] | None,
        rotations: Sequence[Rotation] = (),
    ) -> None:
        self._samples, self._noise_shape, self._scale = samples, noise_shape, scale
        self._rotations = rotations

    def __call__(
        self,
        ask: Ask,
        history: History,
        generator: np.random.Generator,
        rest: NDArray[Any] | None,
        delay: int = 0,
    ) -> Prediction:
        """See `Draw`."""
        count = 1 if rest is None else self._samples
        candidates = [
            ask(history, standard_normal(generator, self._noise_shape), None) for _ in range(count)
        ]
        if rest is None:
            return candidates[0]
        losses = [self._loss(candidate.chunk[: len(rest)], rest) for candidate in candidates]
        return candidates[int(np.argmin(losses))]

    def _loss(self, chunk: NDArray[Any], plan: NDArray[Any]) -> float:
        if self._scale is None:
            apart = (chunk != plan).astype(np.float64)
        else:
            chunk = nearest_rows(chunk, plan, self._rotations)
            apart = np.linalg.norm(((chunk - plan) / self._scale).reshape(len(plan), -1), axis=1)
        return float(apart @ COHERENCE_DECAY ** np.arange(len(plan)))


class Guided:
    """One sample, led towards what is planned; where nothing is, a free one.

    Args:
        weights: How far, see `Guide`, by the delay in ticks: `realtime_weights` or `warm_weights`.
            A greater delay than there are takes the last ones.
        noise_shape: Shape of the noise that the policy takes (None: it takes none).
        shape: Of an action.
    """

    def __init__(
        self,
        weights: Sequence[NDArray[np.float32]],
        noise_shape: tuple[int, ...] | None,
        shape: tuple[int, ...],
    ) -> None:
        self._noise_shape = noise_shape
        self._prefix = np.zeros((weights[0].shape[1], *shape), np.float32)
        self._weights = weights

    def __call__(
        self,
        ask: Ask,
        history: History,
        generator: np.random.Generator,
        rest: NDArray[Any] | None,
        delay: int = 0,
    ) -> Prediction:
        """See `Draw`."""
        noise = standard_normal(generator, self._noise_shape)
        return ask(history, noise, None if rest is None else self.guide(rest, delay))

    def guide(self, rest: NDArray[Any], delay: int) -> Guide:
        """Where the sampler is led, see `Draw`; the next one overwrites its prefix."""
        weights = self._weights[min(delay, len(self._weights) - 1)]
        if weights[:, len(rest) :].any():  # a late prediction left less of the plan than usual
            weights = weights.copy()
            weights[:, len(rest) :] = 0.0
        self._prefix[: len(rest)] = rest
        return Guide(self._prefix, weights)


def realtime_weights(steps: int, horizon: int, execute: int, delay: int) -> NDArray[np.float32]:
    """Real-time chunking: what is executed meanwhile is kept, what comes after it less and less.

    Of H actions, s executed from one prediction to the next, and a delay of d ticks,

        W_i = 1                            i < d
        W_i = c_i (exp(c_i) - 1)/(e - 1)   d ≤ i < H - s,   c_i = (H - s - i)/(H - s - d + 1)
        W_i = 0                            H - s ≤ i

    Black et al. 2025, "Real-time execution of action chunking flow policies", eq. 5. They move the
    velocity at time τ by min(β, (1-τ)/(τ r²)) Jᵀ W (y - x̂), r² = (1-τ)²/(τ² + (1-τ)²), with J the
    derivative of x̂ by the sample. With the identity for J, which asks for no derivative of the
    network, that moves x̂ by k W (y - x̂), k = (τ² + (1-τ)²)/τ where β does not bound it: between
    0.83 and 1 from τ = ½ on, and too far before. Here k = 1: frozen actions are kept exactly.

    Returns:
        Shape (steps, horizon), all rows alike.
    """
    i = np.arange(horizon)
    c = np.clip((horizon - execute - i) / (horizon - execute - delay + 1), 0.0, 1.0)
    weights = np.where(i < delay, 1.0, c * np.expm1(c) / np.expm1(1.0))
    return np.tile(weights.astype(np.float32), (steps, 1))


def warm_weights(steps: int, horizon: int, execute: int, kept: int) -> NDArray[np.float32]:
    """Warm start: the first steps take the plan for the clean chunk, the others are free.

    So these leave the plan with as much noise on it as the sampler has come down to, and the rest
    refines that: the warm start of Janner et al. 2022, "Planning with diffusion for flexible
    behavior synthesis". They leave those steps out; here ticks that the plan does not reach need
    them, so that it saves no call of the network.

    Args:
        steps: Of the sampler.
        horizon: Actions in a chunk.
        execute: Those executed before the next prediction, by which the plan is shorter.
        kept: How many steps are the plan's.

    Returns:
        Shape (steps, horizon).
    """
    weights = np.zeros((steps, horizon), np.float32)
    weights[:kept, : horizon - execute] = 1.0
    return weights


#: ρ of `Coherent`.
COHERENCE_DECAY = 0.5
#: Tells the draws of a policy from others of the same seed.
_NOISE = 8


def noise_generator(seed: int | None) -> np.random.Generator:
    """What the noise of an episode is drawn from; of the same seed the same.

    Args:
        seed: Of the episode (None: nobody knows what comes).
    """
    # A key of our own, or what begins at random would say what noise there is: Gymnasium seeds the
    # world's generator by the same number.
    return np.random.default_rng(None if seed is None else [seed, _NOISE])


def standard_normal(
    generator: np.random.Generator, shape: tuple[int, ...] | None
) -> NDArray[np.float32] | None:
    """Noise of that shape (None: none)."""
    return None if shape is None else generator.standard_normal(shape, dtype=np.float32)
