"""A fault in the control loop of this package."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks._delayed import DelayedInference
from benchmarks.fault_campaign.arm import Arm, FaultyClock, Record
from benchmarks.fault_campaign.kinds import Fault
from benchmarks.fault_campaign.policies import Puppet
from benchmarks.fault_campaign.verdict import TAIL
from exports.runtime.loop import ControlLoop
from ilrobot.control.emergency import EmergencyStop
from ilrobot.control.guard import Guard

#: Usual time of a prediction in the background, in ticks.
_USUAL = 1.4


class InferenceKilled(Exception):
    """What a prediction raises whose engine is gone."""


def _delay(fault: Fault, clock: FaultyClock) -> float:
    """Seconds that a prediction takes which is asked for now."""
    kind = fault.kind
    befallen = fault.lasts(clock.tick) or (clock.tick >= fault.begin and not kind.passes)
    if befallen and kind.slower == 0.0:
        raise InferenceKilled
    return _USUAL * clock.period * (kind.slower if befallen else 1.0)


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
        actor.inference = DelayedInference(
            actor.inference, lambda: clock.true, lambda: _delay(fault, clock)
        )
        actor.thinks_ahead = True
    loop = ControlLoop(arm, actor, guard, clock)
    try:
        loop.run([seed], max_ticks=fault.begin + fault.ticks + TAIL)
    except InferenceKilled:
        arm.record.error = "inference was killed"
    return arm.record
