"""A simulated arm that is given faults, the clock of its loop, and what it did."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.fault_campaign.kinds import Fault, Measured
from benchmarks.fault_campaign.policies import SCALE, STATE, WANTED
from exports.robots.base import Capabilities, Motion, Reading, Status
from ilrobot.control.contract import Contract

#: Share of the way to its target that each of the arm's two poles goes in a tick.
_POLE = 0.4


@dataclass
class Record:
    """What happened at each tick of an episode.

    Attributes:
        commands: What was sent (None: the arm was told to stop instead).
        flags: Bits of `Activation`.
        places: Where the arm was, at the ticks with a command.
        error: What ended the episode early (None: nothing).
        stopped: Whether the arm was told to stop at last.
    """

    commands: list[NDArray[np.float64] | None] = field(default_factory=list)
    flags: list[int] = field(default_factory=list)
    places: list[NDArray[np.float64]] = field(default_factory=list)
    error: str | None = None
    stopped: bool = False


class FaultyClock:
    """Ticks without waiting; is late, and jumps, where the fault says so.

    Args:
        rate: Hz.
        fault: Of the episode.
    """

    def __init__(self, rate: float, fault: Fault) -> None:
        self.period = 1.0 / rate
        self.tick = 0
        self._fault = fault
        stale = fault.contract.stale_after
        self._jump = fault.kind.jump * stale * (1.5 + 10.0 ** (5.0 * fault.amount))

    def start(self) -> None:
        """See `ilrobot.control.clock.Clock`."""

    @property
    def true(self) -> float:
        """Seconds, without jumps."""
        return self.tick * self.period

    def now(self) -> float:
        """See `Clock`."""
        return self.true + (self._jump if self._fault.lasts(self.tick) else 0.0)

    def wait(self) -> bool:
        """See `Clock`."""
        self.tick += 1
        return self._fault.kind.late and self._fault.lasts(self.tick)


class Arm:
    """Joints that follow the commanded target as a critically damped double integrator.

    It is computed as two equal poles in series, so that its position is a mean of past targets and
    keeps every limit of velocity, acceleration and jerk that they keep. What it wants to be told is
    a wave for each joint. See `exports.robots.base.Robot`.

    Args:
        fault: Of the episode.
        clock: Of the loop.
        flags: What the guard has done at the present tick.
        press: Presses the emergency stop.
        seed: Of the waves.
    """

    def __init__(
        self,
        fault: Fault,
        clock: FaultyClock,
        flags: Callable[[], int],
        press: Callable[[], None],
        seed: int,
    ) -> None:
        contract = fault.contract
        assert contract.limits is not None
        self._spec, self._fault, self._clock = contract.spec, fault, clock
        self._flags, self._press = flags, press
        self._delta = np.array(contract.limits.mode) == "delta"
        size = contract.spec.action.size
        rng = np.random.default_rng(seed)
        span = np.array(contract.limits.high)
        self._height = span * rng.uniform(0.2, 0.6, size)
        self._speed, self._phase = rng.uniform(0.03, 0.2, size), rng.uniform(0, 6, size)
        self._target, self._between, self._place = (np.zeros(size) for _ in range(3))
        self._scale = np.ones(size, np.float32)
        self._truths: list[Measured] = []
        self._awaits_command = False
        self.record = Record()

    def connect(self) -> Capabilities:
        """What it is."""
        return Capabilities("arm", self._spec, any_rate=True, time_limit=None)

    def reset(self, seed: int) -> Motion:
        """At rest, at zero."""
        return Motion(np.zeros_like(self._place), None, np.zeros_like(self._place))

    def read(self, now: float) -> Reading:
        """What its sensors say: the truth, but for the fault."""
        clock, fault = self._clock, self._fault
        wanted = self._height * np.sin(self._speed * clock.tick + self._phase)
        observation = {
            STATE: self._place.astype(np.float32),
            WANTED: wanted.astype(np.float32),
            SCALE: self._scale,
        }
        self._truths.append(Measured(observation, clock.true))
        self._awaits_command = True
        said = self._truths[-1]
        if fault.lasts(clock.tick):
            if fault.kind.presses:
                self._press()
            if fault.kind.spoil is not None:
                said = fault.kind.spoil(self._truths, fault, clock.tick - fault.begin)
        return Reading(said.observation, said.when)

    def write(self, command: NDArray[Any]) -> Status:
        """Follow the command for a tick."""
        values = np.array(command, np.float64)
        self._target = np.where(self._delta, self._target + values, values)
        self._between = self._between + _POLE * (self._target - self._between)
        self._place = self._place + _POLE * (self._between - self._place)
        self._note(values)
        return Status()

    def stop(self) -> None:
        """Stay; the loop says so where there is no command, and at the end."""
        self.record.stopped = True
        if self._awaits_command:
            self._note(None)

    def close(self) -> None:
        """Nothing to free."""

    def _note(self, command: NDArray[np.float64] | None) -> None:
        self._awaits_command = False
        self.record.commands.append(command)
        self.record.flags.append(self._flags())
        if command is not None:  # how it brakes by itself is for those who made it
            self.record.places.append(self._place)


def greatest_share(record: Record, contract: Contract) -> tuple[float, bool]:
    """The greatest share of a limit that commands or arm used, and whether one was passed.

    Differences of doubles round: some units in the last place of a position are nothing.
    """
    limits, workspace, rate = contract.limits, contract.workspace, contract.spec.rate
    assert limits is not None
    assert workspace is not None
    if not (sent := [command for command in record.commands if command is not None]):
        return 0.0, False
    commands, places = np.array(sent), np.array(record.places)
    if not np.isfinite(commands).all():
        return math.inf, True
    delta = np.array(limits.mode) == "delta"
    start = np.zeros((1, len(delta)))
    targets = np.where(delta, np.cumsum(commands, axis=0), commands)
    steps = np.where(delta, commands, np.diff(commands, axis=0, prepend=start))
    rounding = 1e-13 * (1 + np.abs(targets).max()) * (1 + len(targets) * delta)
    pairs = [
        (np.abs(commands), np.array(limits.high)),
        (np.abs(targets), np.where(delta, workspace.high, np.inf)),
        (np.abs(targets), np.where(delta, np.inf, np.minimum(workspace.high, limits.high))),
        (np.abs(places), np.where(delta, workspace.high, np.minimum(workspace.high, limits.high))),
    ]
    for moved in (steps, np.diff(places, axis=0, prepend=start)):
        for order, most in enumerate((limits.velocity, limits.acceleration, limits.jerk), 1):
            pairs.append((np.abs(moved), np.array(most) / rate**order))
            moved = np.diff(moved, axis=0, prepend=start)
    worst = max(float(((moved - rounding) / most).max()) for moved, most in pairs)
    return worst, worst > 1.0 + 1e-9
