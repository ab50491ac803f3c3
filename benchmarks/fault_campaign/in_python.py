"""A fault in the control loop of this package."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.fault_campaign.arm import Arm, FaultyClock, Record
from benchmarks.fault_campaign.kinds import Fault
from benchmarks.fault_campaign.policies import Puppet
from benchmarks.fault_campaign.verdict import TAIL
from exports.runtime.loop import ControlLoop
from ilrobot.control.emergency import EmergencyStop
from ilrobot.control.guard import Guard
from ilrobot.control.inference import Answer, Inference

#: Usual time of a prediction in the background, in ticks.
_USUAL = 1.4


class InferenceKilled(Exception):
    """What a prediction raises whose engine is gone."""


class SlowInference:
    """Predictions that come when a simulated clock says so; see `Inference`.

    Args:
        inner: Who predicts.
        clock: Of the loop.
        fault: Says how long they take.
    """

    thread_id: int | None = None

    def __init__(self, inner: Inference, clock: FaultyClock, fault: Fault) -> None:
        self._inner, self._clock, self._fault = inner, clock, fault
        self._due = self._took = 0.0

    def ask(
        self,
        history: Mapping[str, NDArray[Any]],
        generator: np.random.Generator,
        rest: NDArray[Any] | None,
        delay: int,
    ) -> None:
        """See `Inference`."""
        self._inner.ask(history, generator, rest, delay)
        kind, clock = self._fault.kind, self._clock
        befallen = self._fault.lasts(clock.tick) or (
            clock.tick >= self._fault.begin and not kind.passes
        )
        self._took = _USUAL * clock.period * (kind.slower if befallen else 1.0)
        self._due = clock.true + self._took

    def answer(self) -> Answer | None:
        """See `Inference`."""
        if self._took == 0.0:
            raise InferenceKilled
        if self._clock.true < self._due:
            return None
        answer = self._inner.answer()
        return None if answer is None else replace(answer, seconds=self._took)

    def forget(self) -> None:
        """See `Inference`."""
        self._inner.forget()

    def wait(self, seconds: float) -> None:
        """See `Inference`."""
        if math.isfinite(self._took):
            self._due = min(self._due, self._clock.true)


#: Made for each episode; another one, to see that the campaign can fail.
MakeGuard = Callable[..., Guard]


def run(fault: Fault, seed: int, make_guard: MakeGuard = Guard) -> Record:
    """An episode with the fault in it."""
    contract = fault.contract
    clock = FaultyClock(contract.spec.rate, fault)
    emergency = EmergencyStop()
    guard = make_guard(contract, None, emergency)
    arm = Arm(fault, clock, lambda: int(guard.flags), lambda: emergency.press("a fault"), seed)
    actor = Puppet("", contract).actor()
    if fault.kind.of_inference:
        actor.inference = SlowInference(actor.inference, clock, fault)
        actor.thinks_ahead = True
    loop = ControlLoop(arm, actor, guard, clock)
    try:
        loop.run([seed], max_ticks=fault.begin + fault.ticks + TAIL)
    except InferenceKilled:
        arm.record.error = "inference was killed"
    return arm.record
