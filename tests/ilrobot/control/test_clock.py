"""Deadlines, on a machine whose time is made up."""

import pytest

from ilrobot.control import clock as module
from ilrobot.control.clock import RealTimeClock, SimulatedClock


class Machine:
    """`time` of a machine that sleeps too long and whose every look at the clock takes 1 µs."""

    def __init__(self, overshoot):
        self.now, self.overshoot = 100.0, overshoot

    def perf_counter(self):
        self.now += 1e-6
        return self.now

    def sleep(self, seconds):
        self.now += seconds + self.overshoot


@pytest.fixture
def machine(monkeypatch):
    made = Machine(overshoot=1e-4)
    monkeypatch.setattr(module, "time", made)
    return made


def test_overshoot_does_not_accumulate(machine):
    clock = RealTimeClock(100.0, spin=5e-4)
    clock.start()
    began = machine.now
    assert not any(clock.wait() for _ in range(1000))
    assert machine.now - began == pytest.approx(10.0, abs=1e-4)


def test_a_late_tick_is_told_and_the_next_deadline_stands(machine):
    clock = RealTimeClock(100.0)
    clock.start()
    began = machine.now
    machine.now += 0.015
    assert clock.wait()
    assert not clock.wait()
    assert machine.now - began == pytest.approx(0.02, abs=1e-4)


def test_missed_ticks_are_not_hurried_through(machine):
    clock = RealTimeClock(100.0)
    clock.start()
    machine.now += 1.0
    assert clock.wait()
    resumed = machine.now
    assert not clock.wait()
    assert machine.now - resumed == pytest.approx(0.01, abs=1e-4)


@pytest.mark.parametrize("jump", [3600.0, -3600.0])
def test_after_a_jump_of_the_clock_the_rate_is_kept(machine, jump):
    clock = RealTimeClock(100.0)
    clock.start()
    clock.wait()
    machine.now += jump
    resumed = machine.now
    clock.wait()
    assert machine.now - resumed <= 0.011
    before = machine.now
    assert not any(clock.wait() for _ in range(10))
    assert machine.now - before == pytest.approx(0.1, abs=0.011)


def test_a_jump_back_in_the_midst_of_a_wait_ends_it(machine):
    machine.overshoot = -500.0
    clock = RealTimeClock(100.0)
    clock.start()
    clock.wait()
    assert machine.now < 100.0


def test_simulated_time_goes_by_ticks():
    clock = SimulatedClock(10.0)
    clock.start()
    assert [clock.wait() for _ in range(5)] == [False] * 5
    assert clock.now() == pytest.approx(0.5)
