"""What each button does, and that nothing lies on the same button."""

import pytest

from teleop.bindings import DIRECTIONS, END_EFFECTOR, PICTURE, VECTOR, Bindings, Control
from teleop.devices.base import AXES, BUTTONS, DeviceState, Pose
from teleop.devices.keys import BUTTON_KEYS, FINE_KEY, STICK_KEYS
from teleop.mappings.choice import ChoiceMapping

ALL = pytest.mark.parametrize("bindings", [END_EFFECTOR, PICTURE, VECTOR])


def _steering(bindings: Bindings) -> list[str]:
    return [button for pair in bindings.pairs for button in (pair.negative, pair.positive)]


@ALL
def test_no_button_does_two_things(bindings: Bindings) -> None:
    buttons = [button for button, _ in bindings.controls] + _steering(bindings)
    assert len(buttons) == len(set(buttons))
    assert set(buttons) <= {*BUTTONS, "lefttrigger", "righttrigger"}


@ALL
def test_every_control_that_means_something_is_on_the_pad_and_on_a_key(bindings: Bindings) -> None:
    meant = set(Control)
    if bindings is not END_EFFECTOR:
        meant -= {Control.GRIPPER, Control.FRAME}
    if bindings is VECTOR:
        meant -= {Control.SPEED}
    assert {control for _, control in bindings.controls} == meant
    assert all(set(bindings.buttons(control)) & set(BUTTON_KEYS.values()) for control in meant)


def test_a_task_with_choices_uses_no_button_twice() -> None:
    assert not set(ChoiceMapping.BUTTONS) & {button for button, _ in VECTOR.controls}


def test_no_key_does_two_things() -> None:
    assert not STICK_KEYS.keys() & BUTTON_KEYS.keys()
    assert FINE_KEY not in STICK_KEYS.keys() | BUTTON_KEYS.keys()


@ALL
@pytest.mark.parametrize("direction", range(len(DIRECTIONS)))
@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_a_pad_reaches_both_ways_of_all_six_directions(
    bindings: Bindings, direction: int, sign: float
) -> None:
    twist = [0.0] * len(DIRECTIONS)
    twist[direction] = sign
    pose = bindings.pose(twist)
    assert set(pose.axes) <= set(AXES)
    reached = bindings.command(DeviceState(pose.axes, pose.held)).twist
    others = [value for i, value in enumerate(reached) if i != direction]
    assert reached[direction] * sign >= 0.5
    assert others == pytest.approx([0.0] * 5)


def test_controls_come_in_the_order_of_the_presses_and_held_ones_stay() -> None:
    state = DeviceState(held=frozenset({"lefttrigger", "dpup"}), pressed=("b", "dpup", "y", "b"))
    command = END_EFFECTOR.command(state)
    assert command.controls == (Control.PAUSE, Control.NEXT_CAMERA, Control.PAUSE)
    assert command.held_controls == {Control.REWIND}
    gone = END_EFFECTOR.command(DeviceState(held=frozenset({"lefttrigger"}), connected=False))
    assert gone.held_controls == frozenset()


def test_speed_goes_round_and_slows_the_very_command_of_its_press() -> None:
    state = DeviceState(axes={"lefty": -1.0}, pressed=("leftshoulder",))
    speed, speeds = 1.0, []
    for _ in range(3):
        command = END_EFFECTOR.command(state, speed)
        speed = command.speed
        assert command.twist[0] == pytest.approx(speed)
        speeds.append(speed)
    assert speeds == [0.5, 0.25, 1.0]
    twice = DeviceState(pressed=("leftshoulder",) * 2)
    assert END_EFFECTOR.command(twice, 1.0).speed == 0.25


def test_a_tracked_pose_passes_through() -> None:
    pose = Pose((0.1, 0.2, 0.3), (1.0, 0.0, 0.0, 0.0))
    assert END_EFFECTOR.command(DeviceState(pose=pose)).pose == pose
