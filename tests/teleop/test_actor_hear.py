"""What a person does at a tick at which a robot's guard acts."""

import numpy as np
import pytest

from ilrobot.env import make_env
from teleop.actor import BRIEF
from teleop.devices.base import DeviceState
from teleop.devices.scripted import Scripted
from teleop.hands import make_hand

RATE, PRESSED_AT = 20, 5


@pytest.fixture(scope="module")
def env():
    made = make_env("ilrobot/PandaLift-v0")
    yield made
    made.close()


@pytest.mark.parametrize(
    ("refused", "toggles"), [(0, True), (1, True), (BRIEF, True), (BRIEF + 1, False)]
)
def test_a_press_of_the_grippers_button_waits_for_a_tick_or_two(env, refused, toggles):
    def script(now):
        pressed = ("a",) if round(now * RATE) == PRESSED_AT else ()
        return DeviceState(stamp=now, held=frozenset({"rightshoulder"}), pressed=pressed)

    observation = env.reset(0)
    hand = make_hand(Scripted(script), env.spec, engage="hold")
    hand.reset(0)
    gripper = []
    for tick in range(2 * PRESSED_AT):
        if PRESSED_AT <= tick < PRESSED_AT + refused:
            hand.hear(tick / RATE)
        else:
            gripper.append(float(hand.act(observation, tick / RATE).action[-1]))
    assert len(set(gripper)) == 1 + toggles
    np.testing.assert_array_equal(gripper[:PRESSED_AT], gripper[0])
    np.testing.assert_array_equal(gripper[PRESSED_AT:], gripper[-1])
