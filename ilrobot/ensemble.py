"""How much a policy of several members doubts itself: the spread of what they would do.

Members that were trained apart agree where there was data and part where there was none. With σ²_j
the variance over the members of element j of the action, measured by the element's range,

    doubt = ‖(σ²_1, …, σ²_D)‖₂        novelty = 1/D Σ_j σ²_j

are ‖diag(Cov)‖₂ of Kelly et al. 2019, "HG-DAgger", section III, and the novelty of Hoque et al.
2021, "ThriftyDAgger", section IV. An action that is a choice counts as the vector of zeros with a
one at the choice, and an angle, or a rotation that is a target, as that of its equal answers which
is nearest to the first member's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ilrobot.actors import Action, Decision, Observation
from ilrobot.control.chunks import ChunkActor
from ilrobot.control.drawing import Prediction
from ilrobot.control.signals import DOUBT, NOVELTY, OF_ENSEMBLE
from ilrobot.control.turns import nearest_rows
from ilrobot.spec import NO_LIMIT, Spec


def spread(actions: ArrayLike, spec: Spec, scale: ArrayLike) -> NDArray[np.float64]:
    """Variance over the members of each element of an action.

    Args:
        actions: What each member would do, shape (members, ..., *action shape), physical units.
        spec: The task's.
        scale: What each element is measured by, in its units, `disagreement_scale`.

    Returns:
        Shape (..., elements), or (..., choices).
    """
    given = np.asarray(actions)
    if spec.choices is not None:
        measured = (given[..., None] == np.arange(spec.choices)).astype(np.float64)
    else:
        lead = given.shape[: given.ndim - len(spec.action.shape)]
        rows = given.reshape(-1, spec.action.size)
        first = np.tile(rows[: len(rows) // len(given)], (len(given), 1))
        rows = nearest_rows(rows, first, spec.target_rotations, spec.action.angles)
        measured = rows.reshape(*lead, spec.action.size).astype(np.float64) / np.asarray(scale)
    return np.var(measured, axis=0)


def doubt(spread: NDArray[np.float64]) -> NDArray[np.float64]:
    """‖diag(Cov)‖₂ of each row: shape (..., elements) to (...)."""
    norms: NDArray[np.float64] = np.linalg.norm(spread, axis=-1)
    return norms


def novelty(spread: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean variance of each row: shape (..., elements) to (...)."""
    means: NDArray[np.float64] = spread.mean(axis=-1)
    return means


def disagreement_scale(
    spec: Spec, trained: tuple[NDArray[np.floating[Any]], NDArray[np.floating[Any]]]
) -> NDArray[np.float64]:
    """Range of each element of the action by its limits, without limits by the training data.

    Args:
        spec: The task's, of continuous actions.
        trained: Least and greatest label of each element, shape (size,) each.

    Returns:
        Shape (size,), above 0; 1 where an element neither has limits nor ever moved.
    """
    action = spec.action
    scale = np.subtract(trained[1], trained[0], dtype=np.float64)
    if action.low is not None and action.high is not None:
        bounds = np.abs((action.low, action.high)).max(axis=0) < NO_LIMIT
        limits = np.subtract(action.high, action.low, dtype=np.float64).reshape(-1)
        scale = np.where(bounds & (limits > 0.0), limits, scale)
    return np.where(scale > 0.0, scale, 1.0)


def opinion(chunk: NDArray[Any], members: NDArray[Any], spec: Spec, scale: ArrayLike) -> Prediction:
    """A chunk with what its members' disagreement says of it.

    Args:
        chunk: To act by, shape (horizon, *action shape), physical units.
        members: Each member's, with one axis more in front.
        spec: The task's.
        scale: What each element is measured by, in its units, `disagreement_scale`.
    """
    apart = spread(members, spec, scale)
    return Prediction(chunk, {DOUBT: doubt(apart), NOVELTY: novelty(apart)})


class EnsembleActor(ChunkActor):
    """A `ChunkActor` that knows how much its members differ.

    `doubt` and `novelty` are about the observation on which it acted last, as under a gate with
    `asks_novice`. About any other they are infinite: it is not known. In the middle of a chunk they
    are those of the element of the chunk that it executed there: how far the members were apart,
    when the chunk was predicted, about what to do now. Nobody is asked again for them. Of a mean
    over several chunks they are those of the newest one.
    """

    _seen: Observation | None = None
    _doubt = _novelty = math.inf

    def reset(self, seed: int | None = None) -> None:
        """Begin an episode."""
        super().reset(seed)
        self._seen = None

    def rewind(self, past: Sequence[Observation], executed: Action | None) -> None:
        """See the past as it is now, and plan afresh."""
        super().rewind(past, executed)
        self._seen = None

    def act(self, observation: Observation, now: float) -> Decision:
        """The next action that the members decide on."""
        decision = super().act(observation, now)
        signals, executed = self.signals, self._execution.executed
        self._doubt, self._novelty = (
            float(signals[name][executed]) if name in signals else math.inf for name in OF_ENSEMBLE
        )
        self._seen = observation
        return replace(decision, doubt=self._doubt if math.isfinite(self._doubt) else None)

    def doubt(self, observation: Observation) -> float:
        """‖diag(Cov)‖₂ of the members' actions; infinite where it is not known."""
        return self._doubt if observation is self._seen else math.inf

    def novelty(self, observation: Observation) -> float:
        """Mean of the variances of the action's elements; infinite where it is not known."""
        return self._novelty if observation is self._seen else math.inf
