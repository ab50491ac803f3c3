"""Every event here goes through SDL: virtual joystick → controller API → Gamepad."""

import pytest

from teleop.devices import sdl
from teleop.devices.base import AXES, BUTTONS, STICK_AXES
from teleop.devices.gamepad import Gamepad, connected_gamepads
from teleop.devices.virtual_gamepad import VirtualGamepad


@pytest.fixture
def pad() -> VirtualGamepad:
    return VirtualGamepad()


@pytest.mark.parametrize("axis", STICK_AXES)
@pytest.mark.parametrize("value", [-1.0, -0.3, 0.0, 1e-4, 0.5, 1.0])
def test_axis_arrives_to_sixteen_bits(pad: VirtualGamepad, axis: str, value: float) -> None:
    gamepad = Gamepad(pad.name)
    pad.set_axis(axis, value)
    axes = gamepad.poll(0.0).axes
    assert axes[axis] == round(value * 32767) / 32767
    assert all(axes[other] == 0.0 for other in AXES if other != axis)


def test_every_button_has_its_name(pad: VirtualGamepad) -> None:
    gamepad = Gamepad(pad.name)
    for button in BUTTONS:
        if button == "guide":  # SDL reports it as held for at least a quarter of a second
            continue
        pad.press(button)
        state = gamepad.poll(1.5)
        assert (state.pressed, state.held, state.stamp) == ((button,), {button}, 1.5)
        pad.release(button)
        state = gamepad.poll(1.6)
        assert (state.pressed, state.held) == ((), frozenset())


def test_taps_between_two_polls_all_count_in_order(pad: VirtualGamepad) -> None:
    gamepad = Gamepad(pad.name)
    gamepad.poll(0.0)
    for button in ("a", "b", "a", "start", "a"):
        pad.tap(button)
    state = gamepad.poll(0.05)
    assert state.pressed == ("a", "b", "a", "start", "a")
    assert not state.held
    assert gamepad.poll(0.1).pressed == ()


def test_trigger_is_a_button_that_does_not_chatter(pad: VirtualGamepad) -> None:
    gamepad = Gamepad(pad.name)
    for pull in (0.5, 0.7, 0.5, 0.7, 1.0):
        pad.set_axis("righttrigger", pull)
    state = gamepad.poll(0.0)
    assert state.pressed == ("righttrigger",)
    assert state.axes["righttrigger"] == 1.0
    pad.set_axis("righttrigger", 0.0)
    assert gamepad.poll(0.1).held == frozenset()


def test_unplugging_while_engaged_disengages_and_rests(pad: VirtualGamepad) -> None:
    gamepad = Gamepad(pad.name)
    pad.press("rightshoulder")
    pad.set_axis("leftx", 0.8)
    assert "rightshoulder" in gamepad.poll(0.0).held
    pad.detach()
    state = gamepad.poll(0.1)
    assert not state.connected
    assert not state.held
    assert set(state.axes.values()) == {0.0}


def test_plugged_in_again_it_goes_on(pad: VirtualGamepad) -> None:
    gamepad = Gamepad(pad.name)
    for _ in range(5):
        pad.detach()
        assert not gamepad.poll(0.0).connected
        pad.attach()
        assert gamepad.poll(0.1).connected
        pad.set_axis("lefty", -0.5)
        pad.tap("a")
        state = gamepad.poll(0.2)
        assert state.pressed == ("a",)
        assert state.axes["lefty"] == pytest.approx(-0.5, abs=2e-5)


def test_plugged_in_with_the_stick_held_over(pad: VirtualGamepad) -> None:
    pad.detach()
    gamepad = Gamepad(pad.name)
    assert not gamepad.poll(0.0).connected
    pad.attach()
    pad.set_axis("rightx", 1.0)
    assert gamepad.poll(0.1).axes["rightx"] == 1.0


def test_two_pads_never_mix() -> None:
    one, other = VirtualGamepad(), VirtualGamepad()
    first, second = Gamepad(other.name), Gamepad()
    assert (first.name, second.name) == (other.name, one.name)
    one.set_axis("leftx", 0.25)
    one.tap("x")
    other.set_axis("leftx", -1.0)
    state, state_of_second = first.poll(0.0), second.poll(0.0)
    assert (state.axes["leftx"], state.pressed) == (-1.0, ())
    assert state_of_second.axes["leftx"] == pytest.approx(0.25, abs=2e-5)
    assert state_of_second.pressed == ("x",)


def test_a_third_reader_waits_for_a_pad_of_its_own(pad: VirtualGamepad) -> None:
    first, waiting = Gamepad(), Gamepad()
    assert not waiting.poll(0.0).connected
    first.close()
    other = VirtualGamepad()
    assert waiting.poll(0.1).connected
    assert sorted(connected_gamepads()) == sorted([pad.name, other.name])


def test_unplugging_a_pad_that_nobody_reads_loses_nothing(pad: VirtualGamepad) -> None:
    gamepad, other = Gamepad(pad.name), VirtualGamepad()
    gamepad.poll(0.0)
    pad.tap("a")
    other.detach()
    pad.tap("b")
    state = gamepad.poll(0.1)
    assert state.connected
    assert state.pressed == ("a", "b")


def test_a_closed_pad_hears_nothing(pad: VirtualGamepad) -> None:
    gamepad = Gamepad(pad.name)
    gamepad.close()
    pad.tap("a")
    sdl.pump()
    assert not gamepad.poll(0.0).connected
