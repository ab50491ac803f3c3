"""Shadow mode: the policy thinks, somebody else drives, and their disagreement is counted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ilrobot.actors import Action, Actor, Decision, LateAnswer, Observation, WrappedActor
from ilrobot.control.contract import Contract
from ilrobot.control.histogram import TimeHistogram
from ilrobot.control.turns import nearest_rows
from ilrobot.errors import UserError


class ShadowActor(WrappedActor):
    """Does what the driver wants, and notes what the policy wanted at each tick.

    A policy that is late, or whose answer is not finite, keeps nobody from driving.

    Args:
        policy: Only thinks.
        driver: Drives.
    """

    def __init__(self, policy: Actor, driver: Actor) -> None:
        super().__init__(driver)
        self._policy, self._thinking = policy, Thinking(policy)
        self.thinks_ahead = policy.thinks_ahead

    def reset(self, seed: int | None = None) -> None:
        """Both begin."""
        self._policy.reset(seed)
        self._thinking.begin()
        self._actor.reset(seed)

    def prepare(
        self, observation: Observation, stopped: Callable[[], bool] = lambda: False
    ) -> None:
        """The policy thinks ahead."""
        self._policy.prepare(observation, stopped)

    def act(self, observation: Observation, now: float) -> Decision:
        """The driver's action, beside it the policy's."""
        driven = self._actor.act(observation, now)
        return replace(driven, policy_action=self._thinking(observation, now))

    def observe(self, observation: Observation) -> None:
        """Both see it."""
        self._policy.observe(observation)
        self._actor.observe(observation)

    def flush(self) -> None:
        """Both forget what they planned."""
        self._policy.flush()
        self._actor.flush()


class Thinking:
    """What a policy wants at each tick while somebody else drives.

    It is asked afresh each time, for what it planned before was not done; but not while an answer
    of a prediction in the background is awaited, which would never come then.

    Args:
        policy: Only thinks.
    """

    def __init__(self, policy: Actor) -> None:
        self._policy = policy
        self._awaited = False

    def begin(self) -> None:
        """An episode has begun; what the policy thought ahead of it, the robot has left behind."""
        self._awaited = False

    def __call__(self, observation: Observation, now: float) -> Action | None:
        """What it wants (None: it has no answer, or none that is finite)."""
        if not self._awaited:
            self._policy.flush()
        try:
            wanted = self._policy.glance(observation, now).action
        except LateAnswer:
            self._awaited = True
            return None
        self._awaited = False
        return wanted if np.isfinite(wanted).all() else None


class MeasuredCommand:
    """What drives a robot whose commands somebody else sends, as it is measured.

    An absolute target is measured as the position that the robot has reached a tick later: the
    element of the observations that has the same name.

    Args:
        contract: Of the policy.

    Raises:
        UserError: An element of the action is a step, or is measured nowhere.
    """

    def __init__(self, contract: Contract) -> None:
        spec = contract.spec
        modes: Sequence[str] = () if contract.limits is None else contract.limits.mode
        places = {
            name: (feature.name, index)
            for feature in spec.observations
            if not feature.is_image
            for index, name in enumerate(feature.element_names)
        }
        self._shape = spec.action.shape
        self._places: list[tuple[str, int]] = []
        for index, name in enumerate(spec.action.element_names):
            if modes[index : index + 1] not in (("absolute",), ("velocity",)) or name not in places:
                raise UserError(
                    f"--shadow: what drives '{name}' cannot be told from the observations, which "
                    "takes an absolute target or a velocity, and an observation of the same name; "
                    "let a person drive: --device"
                )
            self._places.append(places[name])

    def __call__(self, observation: Observation) -> NDArray[np.float64]:
        """The command that led here."""
        values = [observation[name].reshape(-1)[index] for name, index in self._places]
        return np.array(values, np.float64).reshape(self._shape)


class Disagreement:
    """How far what the policy wanted was from what was done, as a share of the command range.

    Args:
        contract: Of the policy. Of choices each that differs counts 1, of angles the shorter way
            between them, of rotations that of their equal answers which is nearest.
    """

    def __init__(self, contract: Contract) -> None:
        spec = contract.spec
        self._scale = contract.scale
        self._names = spec.action.element_names if self._scale is not None else ("choice",)
        self._angles, self._rotations = list(spec.action.angles), spec.target_rotations
        self._sums = np.zeros(len(self._names))
        self._greatest = TimeHistogram()

    def add(self, wanted: Action, done: Action) -> None:
        """Count a tick at which both are known."""
        if self._scale is None:
            apart = np.array([float(np.any(wanted != done))])
        else:
            row = np.reshape(wanted, (1, -1))
            same = nearest_rows(np.reshape(done, (1, -1)), row, self._rotations)
            difference = np.subtract(row, same, dtype=np.float64)[0]
            angles = difference[self._angles]
            difference[self._angles] = np.remainder(angles + np.pi, 2 * np.pi) - np.pi
            apart = np.abs(difference) / self._scale
        self._sums += apart
        self._greatest.add(float(apart.max()))

    def to_json(self) -> dict[str, Any]:
        """Ticks; percentiles of the greatest over the elements; the mean of each element."""
        greatest, count = self._greatest, self._greatest.count
        return {
            "ticks": count,
            "p50": greatest.percentile(0.5),
            "p99": greatest.percentile(0.99),
            "max": greatest.greatest,
            "mean": {
                name: float(total) / count if count else None
                for name, total in zip(self._names, self._sums, strict=True)
            },
        }
