"""Every event here goes through SDL: virtual joystick → controller API → Gamepad."""

import subprocess
import sys

import pytest

from teleop.bindings import END_EFFECTOR
from teleop.devices import sdl
from teleop.devices.base import AXES, BUTTONS, STICK_AXES, Feedback
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


def test_away_between_two_polls_it_is_gone_for_one(pad: VirtualGamepad) -> None:
    gamepad = Gamepad(pad.name)
    pad.press("rightshoulder")
    pad.set_axis("leftx", 0.8)
    assert gamepad.poll(0.0).held == {"rightshoulder"}
    pad.detach()
    pad.attach()
    pad.set_axis("lefty", 1.0)
    state = gamepad.poll(0.1)
    assert not state.connected
    assert not state.held
    assert set(state.axes.values()) == {0.0}
    state = gamepad.poll(0.2)
    assert state.connected
    assert state.axes["lefty"] == 1.0


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


def test_releases_come_once_each_and_in_order(pad: VirtualGamepad) -> None:
    gamepad = Gamepad(pad.name)
    pad.press("x")
    pad.tap("a")
    pad.release("x")
    state = gamepad.poll(0.0)
    assert (state.pressed, state.released) == (("x", "a"), ("a", "x"))
    assert gamepad.poll(0.1).released == ()


def test_a_tap_before_the_cable_came_out_counts_and_what_was_held_is_let_go(
    pad: VirtualGamepad,
) -> None:
    gamepad = Gamepad(pad.name)
    pad.press("rightshoulder")
    assert END_EFFECTOR.command(gamepad.poll(0.0)).engaged
    pad.tap("a")
    pad.detach()
    state = gamepad.poll(0.1)
    assert (state.pressed, state.released) == (("a",), ("a", "rightshoulder"))
    assert not END_EFFECTOR.command(state).engaged
    pad.attach()  # the finger is still on it, but this is another press
    assert not END_EFFECTOR.command(gamepad.poll(0.2)).engaged


def test_of_several_pads_the_one_that_is_taken_up_counts() -> None:
    one, other = VirtualGamepad(), VirtualGamepad()
    gamepad = Gamepad()
    assert gamepad.name == one.name
    other.tap("start")
    state = gamepad.poll(0.0)
    assert (gamepad.name, state.pressed) == (other.name, ("start",))
    one.set_axis("leftx", 1.0)
    assert gamepad.poll(0.1).axes["leftx"] == 0.0
    one.set_axis("leftx", 0.0)
    one.tap("a")
    assert (gamepad.poll(0.2).pressed, gamepad.name) == (("a",), one.name)


@pytest.mark.parametrize("used", ["button", "stick"])
def test_a_pad_in_use_is_not_taken_out_of_the_hand(used: str) -> None:
    one, other = VirtualGamepad(), VirtualGamepad()
    gamepad = Gamepad()
    if used == "button":
        one.press("rightshoulder")
    else:
        one.set_axis("lefty", 0.7)
    gamepad.poll(0.0)
    other.tap("a")
    assert gamepad.poll(0.1).pressed == ()
    assert gamepad.name == one.name


def test_a_spare_pad_follows_one_that_is_pulled_out_only_when_it_is_taken_up() -> None:
    one, other = VirtualGamepad(), VirtualGamepad()
    gamepad = Gamepad()
    other.set_axis("leftx", 0.5)
    one.detach()
    state = gamepad.poll(0.0)
    assert (state.connected, state.axes["leftx"]) == (False, 0.0)
    other.tap("a")
    state = gamepad.poll(0.1)
    assert (state.connected, state.pressed, gamepad.name) == (True, ("a",), other.name)
    assert state.axes["leftx"] == pytest.approx(0.5, abs=2e-5)


def test_each_feedback_rumbles_in_its_own_way(pad: VirtualGamepad) -> None:
    gamepad = Gamepad(pad.name)
    felt = {}
    for feedback in Feedback:
        pad.rumbles.clear()
        gamepad.feedback(feedback)
        felt[feedback] = pad.rumbles[-1]
    assert len(set(felt.values())) == len(Feedback)
    assert all(max(strengths) > 0.3 for strengths in felt.values())


def test_an_unplugged_pad_does_not_rumble(pad: VirtualGamepad) -> None:
    gamepad = Gamepad(pad.name)
    pad.detach()
    gamepad.feedback(Feedback.TAKEOVER)  # before anybody knows
    gamepad.poll(0.0)
    gamepad.feedback(Feedback.TAKEOVER)
    assert pad.rumbles == []


@pytest.mark.parametrize("ends", ["del pad", "sys.kept = pad", "sdl.stop()", "pad.close()"])
def test_a_pad_that_still_rumbles_may_go_in_any_way(ends: str) -> None:
    program = f"""if True:
        import gc, sys, time
        from teleop.devices import sdl
        from teleop.devices.base import Feedback
        from teleop.devices.gamepad import Gamepad
        from teleop.devices.virtual_gamepad import VirtualGamepad

        pad = VirtualGamepad()
        gamepad = Gamepad(pad.name)
        gamepad.feedback(Feedback.TAKEOVER)
        assert pad.rumbles
        {ends}
        gc.collect()
        time.sleep(0.2)  # SDL has it stop after 0.15 s
        if {ends!r} != "sdl.stop()":
            gamepad.poll(0.0)
            gamepad.poll(0.0)
            assert gamepad.connected == ("kept" in {ends!r})
    """
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (0, "")
