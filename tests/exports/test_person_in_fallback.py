"""A person at a robot is heard while the guard acts in everybody's place."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from exports.recording import RobotRecording
from exports.robots.base import Reading
from exports.runtime.loop import ControlLoop
from exports.runtime.shadow import ShadowActor
from ilrobot.control.clock import SimulatedClock
from ilrobot.control.contract_guards import FallbackAfter
from ilrobot.control.contract_parts import Range
from ilrobot.control.emergency import EmergencyStop
from ilrobot.control.guard import Guard
from ilrobot.data.episode import EpisodeInfo, MemoryRecorder, Outcome
from ilrobot.gates.gate import Gate
from ilrobot.gates.human import HumanGate
from ilrobot.shared_control import SharedControl
from teleop.devices.base import DeviceState
from teleop.devices.scripted import Scripted
from teleop.hands import make_hand
from tests.exports.looping import Constant, FakeRobot
from tests.ilrobot.control.contracts import ABSOLUTE, ABSOLUTE_CONTRACT, RATE
from tests.still import Still

STALE_FROM, PRESSED_AT = 5, 10
RETREATS = replace(ABSOLUTE_CONTRACT, fallback="retreat", retreat=(0.9, 0.9))


def run(button, *, tapped=False, shadow=False):
    """Observations are stale from a tick on, and later the person holds a button, or taps it."""
    presses = [()] * PRESSED_AT + [(button,)]

    def script(now):
        if tapped:
            tap = presses.pop(0) if presses else ()
            return DeviceState(stamp=now, pressed=tap, released=tap)
        held = {button} if now >= PRESSED_AT / RATE else set()
        return DeviceState(stamp=now, held=frozenset(held))

    hand = make_hand(Scripted(script), ABSOLUTE, engage="hold")
    actor = SharedControl(Still(2), hand, HumanGate(lambda: hand.engaged), on_decision=hand.watch)
    if shadow:
        actor = ShadowActor(Still(2), hand)
    emergency = EmergencyStop(button=lambda: hand.rewinding)
    guard = Guard(RETREATS, RATE, emergency)
    robot = FakeRobot(lambda tick: {"age": 9.0} if tick >= STALE_FROM else {}, length=60)
    recorder = MemoryRecorder(ABSOLUTE)
    recording = RobotRecording(recorder, actor, ABSOLUTE, EpisodeInfo("carry", RATE))
    loop = ControlLoop(
        *(robot, actor, guard, SimulatedClock(RATE)),
        stopped=lambda: guard.has_stopped,
        watchers=[recording],
    )
    report = loop.run([0], max_ticks=60).episodes[0]
    return robot, emergency, report, recorder, hand


@pytest.mark.parametrize("tapped", [False, True])
@pytest.mark.parametrize("shadow", [False, True])
def test_the_emergency_stop_is_heard(tapped, shadow):
    """A tap may be over before the next tick looks."""
    robot, emergency, report, _, _ = run("lefttrigger", tapped=tapped, shadow=shadow)
    assert emergency.reason == "button"
    assert report.ticks < 60
    moved = np.abs(np.diff(np.array(robot.written), axis=0)).max(axis=1)
    assert moved[STALE_FROM:PRESSED_AT].max() > 0  # it was on its retreat
    assert moved[-1] == 0


@pytest.mark.parametrize(
    ("button", "outcome"), [("start", Outcome.SUCCESS), ("back", Outcome.FAILURE)]
)
def test_what_is_declared_ends_the_episode(button, outcome):
    _, _, report, recorder, _ = run(button)
    assert report.ticks == PRESSED_AT + 1
    assert report.success is (outcome is Outcome.SUCCESS)
    assert recorder.episodes[0].info.outcome is outcome


class Calls(Gate):
    """The robot's own: it calls from a tick on."""

    asks_novice, asks_expert = True, False

    def __init__(self, since):
        self._since = since

    def decide(self, context):
        return context.now * RATE >= self._since


def far_out(script, policy=None, gate=None, *, shadow=False):
    """The policy never was beyond 0.3 and retreats to -0.9; what is commanded of x, by tick."""
    contract = replace(
        RETREATS,
        retreat=(-0.9, -0.9),
        training_range={"observation.state": Range((-0.3, -0.3), (0.3, 0.3))},
        fallback_after=FallbackAfter(out_of_range=0.5),
    )

    class Measured(FakeRobot):
        def read(self, now):
            at = self.written[-1] if self.written else np.zeros(2)
            return Reading({"observation.state": np.float32(at)}, now)

    hand = make_hand(Scripted(script), ABSOLUTE, engage="hold")
    decides = HumanGate(lambda: hand.engaged) if gate is None else gate
    actor = SharedControl(policy or Still(2), hand, decides, on_decision=hand.watch)
    if shadow:
        actor = ShadowActor(Still(2), hand)
    guard, robot = Guard(contract, RATE), Measured(length=40)
    ControlLoop(robot, actor, guard, SimulatedClock(RATE)).run([0], max_ticks=40)
    return hand, guard, np.array(robot.written)[:, 0]


@pytest.mark.parametrize("shadow", [False, True])
def test_a_person_who_drives_is_not_stopped_where_the_policy_never_was(shadow):
    """They drive out of its range for longer than it would be borne, and back again."""

    def script(now):
        way = 1.0 if now < 1.5 else -1.0
        axes = {"leftx": way, "lefty": -way}
        return DeviceState(axes=axes, stamp=now, held=frozenset({"rightshoulder"}))

    _, guard, x = far_out(script, shadow=shadow)
    assert x.max() > 0.6
    assert x[-1] < 0
    assert guard.counts["observation_out_of_range"] > 0
    assert guard.counts["fallback"] == 0


def test_a_hand_that_the_robots_gate_did_not_call_drives_nothing():
    """They hold on, but the policy acts, and is stopped where it never was."""

    def script(now):
        return DeviceState(stamp=now, held=frozenset({"rightshoulder"}))

    _, guard, x = far_out(script, Constant(0.6, 0.0), Calls(99))
    assert guard.counts["fallback"] > 0
    assert x[-1] < 0


HALTED_AT = 12


@pytest.mark.parametrize("how", ["pauses", "loses the pad"])
def test_a_robot_that_a_person_halts_holds_where_the_policy_never_was(how):
    """They drive out of its range, halt the robot there, and touch nothing afterwards."""

    def script(now):
        if (tick := round(now * RATE)) < HALTED_AT:
            held = frozenset({"rightshoulder"})
            return DeviceState(axes={"leftx": 1.0, "lefty": -1.0}, stamp=now, held=held)
        if how == "pauses":
            return DeviceState(stamp=now, pressed=("b",) if tick == HALTED_AT else ())
        return DeviceState(stamp=now, connected=False)

    hand, guard, x = far_out(script)
    assert hand.paused
    assert x[HALTED_AT] > 0.4
    np.testing.assert_allclose(x[HALTED_AT + 2 :], x[HALTED_AT + 2])
    assert guard.counts["fallback"] == 0


def test_a_robot_that_calls_holds_until_they_take_hold():
    policy = Constant(0.35, 0.0)
    _, guard, x = far_out(lambda now: DeviceState(stamp=now), policy, Calls(4))
    assert x[-1] > 0.3
    np.testing.assert_allclose(x[6:], x[6])
    assert guard.counts["observation_out_of_range"] > 30
    assert guard.counts["fallback"] == 0


@pytest.mark.parametrize("gate", [None, Calls(99)], ids=["the person's", "the robot's"])
def test_a_pause_ends_the_retreat_from_where_the_policy_never_was(gate):
    """Nobody takes over out there, and they pause in the midst of the way."""
    paused_at = 7

    def script(now):
        return DeviceState(stamp=now, pressed=("b",) if round(now * RATE) == paused_at else ())

    hand, _, x = far_out(script, Constant(0.6, 0.0), gate)
    assert hand.paused
    assert x[paused_at] < x[paused_at - 1] < x[paused_at - 2]
    assert x[-1] > -0.8
    np.testing.assert_allclose(x[paused_at + 5 :], x[-1])


class Slow(FakeRobot):
    """Goes to its start until somebody ends that."""

    def __init__(self):
        super().__init__()
        self._stopped = lambda: False

    def heed(self, stopped):
        self._stopped = stopped

    def reset(self, seed):
        for _ in range(1_000):
            if self._stopped():
                return None
        return super().reset(seed)


def test_the_emergency_stop_ends_the_way_to_the_start():
    held = frozenset({"lefttrigger"})
    hand = make_hand(Scripted([DeviceState(stamp=0.0, held=held)]), ABSOLUTE, engage="hold")
    emergency = EmergencyStop(button=lambda: hand.rewinding)
    guard, robot = Guard(ABSOLUTE_CONTRACT, RATE, emergency), Slow()
    actor = SharedControl(Still(2), hand, HumanGate(lambda: hand.engaged))
    report = ControlLoop(robot, actor, guard, SimulatedClock(RATE)).run([0, 1], max_ticks=9)
    assert emergency.reason == "button"
    assert [(episode.ticks, episode.ended) for episode in report.episodes] == [(0, False)]
    assert (robot.resets, robot.written) == ([], [])
    assert robot.stops == 1


def test_the_emergency_stop_ends_what_a_policy_thinks_ahead():
    held = frozenset({"lefttrigger"})
    hand = make_hand(Scripted([DeviceState(stamp=0.0, held=held)]), ABSOLUTE, engage="hold")
    emergency = EmergencyStop(button=lambda: hand.rewinding)

    class Ponders(Still):
        thinks_ahead = True

        def prepare(self, observation, stopped=lambda: False):
            self.asked = next((asked for asked in range(1_000) if stopped()), None)

    policy, robot = Ponders(), FakeRobot()
    actor = SharedControl(policy, hand, HumanGate(lambda: hand.engaged))
    guard = Guard(ABSOLUTE_CONTRACT, RATE, emergency)
    ControlLoop(robot, actor, guard, SimulatedClock(RATE)).run([0], max_ticks=3)
    assert policy.asked is not None
    assert emergency.reason == "button"


def test_a_pause_and_a_takeover_count_from_there_on():
    *_, hand = run("b")
    assert hand.paused
    *_, hand = run("rightshoulder")
    assert hand.engaged
