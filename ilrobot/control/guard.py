"""Between robot and policy: what is checked at every tick, in a fixed order.

1. Is the observation finite?  2. Is it fresh?  3. Is it in the training range (a warning, until it
has lasted)?  4. Is the emergency stop not pressed?  5. Were deadlines kept (counted, until too many
in a row were not)?  6. Does the policy not call for help (a warning, until it has lasted)?  7. Is
the action finite?  8. Does it keep the position, workspace, velocity, acceleration and jerk limits
(clipped, see `ilrobot.control.limiter` and, of rotations, `ilrobot.control.rotation_limiter`)?

Where one of 1 to 7 says no, the fallback of the contract acts in the policy's place, within the
limits of 8: hold (brake as fast as they allow, and stay), damp (let the velocity decay) or retreat
(go to the stated pose). 1, 4 and 5 are looked at in every tick, whatever those before them said,
and after an emergency stop the fallback is always hold.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ilrobot.actors import Observation
from ilrobot.control.activation import NOTHING, Activation
from ilrobot.control.choice_limiter import ChoiceLimiter
from ilrobot.control.contract import Contract
from ilrobot.control.contract_guards import DAMP, RETREAT
from ilrobot.control.emergency import EmergencyStop
from ilrobot.control.limiter import CommandLimiter
from ilrobot.control.observation_watch import LateWatch, ObservationWatch, Outside, ticks
from ilrobot.control.rotation_limiter import RotationLimiter, command_limiter


class Guard:
    """Stands between robot and policy for a whole run, and counts what it did.

    Per tick: `admit` the observation; if that holds, `limit` the policy's action; where either
    says no, send what `hold` gives. `flags` tells what happened since the last `admit`.

    Args:
        contract: Limits, ranges, timeout and fallback of the policy.
        rate: Control rate in Hz of the loop (None: the contract's).
        emergency: Asked at every tick (None: there is none).
    """

    def __init__(
        self,
        contract: Contract,
        rate: float | None = None,
        emergency: EmergencyStop | None = None,
    ) -> None:
        spec = contract.spec
        rate = rate or spec.rate
        self._watch = ObservationWatch(contract, rate)
        self._late_watch = LateWatch(contract.fallback_after)
        self._emergency = emergency
        self._limiter: CommandLimiter | RotationLimiter | ChoiceLimiter
        if contract.limits is None:
            self._limiter = ChoiceLimiter(spec.choices or 1)
        else:
            self._limiter = command_limiter(
                contract.limits, rate, contract.workspace, spec.action.rotations
            )
        self._fallback = contract.fallback
        self._most_calling = ticks(contract.fallback_after.calling, rate)
        self._calling = 0
        self._retreat = None if contract.retreat is None else np.array(contract.retreat)
        self._counts = dict.fromkeys(Activation, 0)
        self.flags = NOTHING

    def reset(
        self,
        present: NDArray[Any] | None = None,
        velocity: NDArray[Any] | None = None,
        pose: NDArray[Any] | None = None,
    ) -> None:
        """Begin an episode; the counts go on, and so does an emergency stop.

        Args:
            present: The command that the robot holds now (None: not known).
            velocity: How fast that command moves, in the action's units per second (None: it is at
                rest).
            pose: Where the target of each delta element is, see `CommandLimiter.reset`.
        """
        self._watch.reset()
        self._late_watch.reset()
        self._calling = 0
        self._limiter.reset(present, velocity, pose)

    def locate(self, pose: NDArray[Any]) -> None:
        """Say where the target of each delta element is now, see `CommandLimiter.locate`."""
        self._limiter.locate(pose)

    @property
    def counts(self) -> dict[str, int]:
        """How many ticks each kind of activation happened at, by its name in lower case."""
        return {kind.name.lower(): n for kind, n in self._counts.items() if kind.name is not None}

    @property
    def outside(self) -> list[Outside]:
        """The elements of observations that were outside their training range."""
        return self._watch.outside

    @property
    def workspace_unknown(self) -> bool:
        """Whether the contract's workspace cannot be kept: nobody said where the target is."""
        limiter = self._limiter
        return not isinstance(limiter, ChoiceLimiter) and limiter.workspace_unknown

    @property
    def emergency(self) -> bool:
        """Whether the emergency stop is pressed."""
        return self._emergency is not None and self._emergency.pressed

    @property
    def has_stopped(self) -> bool:
        """Whether the emergency stop is pressed and the commanded target has come to rest."""
        return self.emergency and not self.moving

    @property
    def moving(self) -> bool:
        """Whether the commanded target moved at the last tick, or began or ceased to."""
        return self._limiter.moving

    def admit(
        self,
        observation: Observation,
        age: float,
        late: bool = False,
        measured: float | None = None,
        *,
        driven: bool = False,
    ) -> bool:
        """Begin a tick: whether the policy, or a person, may act on this observation.

        Args:
            observation: Column name to array of its feature's shape.
            age: Seconds since it was measured.
            late: Whether this tick began after its deadline.
            measured: When it was measured, on a clock that does not go back (None: not known; then
                an order that is not kept goes unnoticed).
            driven: Whether a person is to act, who knows what to do where the policy never was, or
                has the robot hold.
        """
        self.flags = NOTHING
        moved = self._watch.watches_bits and self.moving
        found, admitted = self._watch.look(observation, age, measured, moved, driven)
        if found is not NOTHING:
            self._raise(found)
        if self._emergency is not None and self._emergency.pressed:
            self._raise(Activation.EMERGENCY_STOP)
            admitted = False
        if late:
            self._raise(Activation.DEADLINE_MISSED)
        if self._late_watch.look(late):
            self._raise(Activation.OVERRUN)
            admitted = False
        return admitted

    def limit(self, action: NDArray[Any], calling: bool = False) -> NDArray[Any] | None:
        """The command for the policy's action: clipped to the limits, or the fallback.

        Args:
            action: What the policy wants.
            calling: Whether it calls for help, see `ilrobot.control.signals`.

        Returns:
            A buffer that the next call overwrites; None where there is nothing to hold either.
        """
        if not calling:
            self._calling = 0
        else:
            self._calling += 1
            self._raise(Activation.CALLS_FOR_HELP)
            if self._calling >= self._most_calling:
                return self.hold()
        command, activation = self._limiter.limit(action)
        if activation is not NOTHING:
            if Activation.ACTION_NOT_FINITE in activation:
                return self.hold(Activation.ACTION_NOT_FINITE)
            self._raise(activation)
        return command

    def hold(self, cause: Activation = NOTHING) -> NDArray[Any] | None:
        """The command of the fallback for this tick.

        Args:
            cause: Why, where that is not among the flags yet.

        Returns:
            A buffer that the next call overwrites; None where nothing was commanded yet, so that
            only the robot itself can know what it holds.
        """
        self._raise(cause | Activation.FALLBACK)
        limiter = self._limiter
        if not isinstance(limiter, ChoiceLimiter) and Activation.EMERGENCY_STOP not in self.flags:
            if self._fallback == DAMP:
                return limiter.damp()
            if self._fallback == RETREAT and self._retreat is not None:
                return limiter.retreat(self._retreat)
        return limiter.hold()

    def brake(self) -> NDArray[Any] | None:
        """The next command on the way to rest, of an episode that is over.

        Returns:
            As `hold` does; None where the commanded target is at rest already.
        """
        self.flags = NOTHING
        if not self.moving:
            return None
        self._raise(Activation.COMING_TO_REST)
        return self._limiter.hold()

    def _raise(self, kinds: Activation) -> None:
        for kind in kinds & ~self.flags:
            self._counts[kind] += 1
        self.flags |= kinds
