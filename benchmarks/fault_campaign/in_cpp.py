"""The same fault in the C++ library, through its C ABI."""

from __future__ import annotations

import threading

import numpy as np

from benchmarks.fault_campaign.arm import Arm, FaultyClock, Record
from benchmarks.fault_campaign.kinds import Fault
from benchmarks.fault_campaign.verdict import TAIL
from exports.cpp.binding import CppController
from ilrobot.control.drawing import noise_generator


class Noise:
    """What the library's thread asks for noise: the same as in Python; or it is kept waiting.

    Attributes:
        going: Cleared while predictions hang.
    """

    def __init__(self) -> None:
        self.going = threading.Event()
        self.begin(0)

    def begin(self, seed: int) -> None:
        """An episode begins."""
        self._generator = noise_generator(seed)
        self.going.set()

    def __call__(self, into: np.ndarray) -> None:
        """Fill in standard normal noise."""
        self.going.wait()
        into[:] = self._generator.standard_normal(into.shape, dtype=np.float32)


def run(fault: Fault, seed: int, cpp: CppController, noise: Noise) -> Record:
    """An episode with the fault in it.

    Args:
        fault: What befalls it; of inference it must hang for ever.
        seed: Of the arm's waves and the noise.
        cpp: Holds the fault's contract; predicts in the background where the fault is of inference.
        noise: What it was given.
    """
    clock = FaultyClock(fault.contract.spec.rate, fault)
    arm = Arm(fault, clock, lambda: cpp.flags, cpp.stop, seed)
    start = arm.reset(seed)
    cpp.release()
    noise.begin(seed)
    cpp.reset(seed, start.command, start.velocity, start.pose)
    if fault.kind.of_inference:
        cpp.observe(arm.read(clock.now()).observation, clock.true)
        if not cpp.prepare():
            arm.record.error = "the first chunk did not come"
    late = False
    for tick in range(fault.begin + fault.ticks + TAIL):
        if fault.kind.of_inference and tick == fault.begin:
            noise.going.clear()
        reading = arm.read(clock.now())
        cpp.observe(reading.observation, reading.measured)
        command = cpp.tick(clock.now(), late)
        if command is None:
            arm.stop()
        else:
            arm.write(command)
        late = clock.wait()
    noise.going.set()
    arm.stop()
    return arm.record
