from teleop.bindings import END_EFFECTOR, Control
from teleop.devices.base import Device, DeviceState, Feedback
from teleop.devices.scripted import Scripted
from teleop.devices.together import Together

PRESS = DeviceState(held=frozenset({"a"}), axes={"leftx": 1.0}, stamp=0.1)
REST = DeviceState(stamp=0.3)


def test_states_hold_from_their_time_and_edges_follow() -> None:
    device = Scripted([PRESS, REST])
    assert device.poll(0.0).held == frozenset()
    down = device.poll(0.1)
    assert (down.pressed, down.axes["leftx"], down.stamp) == (("a",), 1.0, 0.1)
    assert (device.poll(0.2).pressed, device.poll(0.25).held) == ((), {"a"})
    up = device.poll(0.5)
    assert (up.released, up.held, up.axes) == (("a",), frozenset(), {})


def test_what_passes_between_two_polls_is_not_lost() -> None:
    device = Scripted([PRESS, DeviceState(pressed=("b",), stamp=0.2), REST])
    state = device.poll(1.0)
    assert (state.pressed, state.released, state.held) == (("a", "b"), ("a",), frozenset())
    assert device.poll(1.1).pressed == ()


def test_it_begins_anew_with_each_episode() -> None:
    device = Scripted([PRESS])
    assert [device.poll(now).pressed for now in (0.0, 0.1, 0.2, 0.0, 0.1)] == [
        (),
        ("a",),
        (),
        (),
        ("a",),
    ]


def test_a_function_of_time_may_unplug_it() -> None:
    device = Scripted(
        lambda now: DeviceState(
            held=frozenset({"rightshoulder"}) if now < 1.0 else frozenset(), connected=now < 1.0
        )
    )
    assert END_EFFECTOR.command(device.poll(0.5)).engaged
    gone = END_EFFECTOR.command(device.poll(1.5))
    assert not gone.engaged
    assert not gone.connected


def test_together_the_other_device_gives_its_buttons_and_nothing_else() -> None:
    mouse = Scripted([DeviceState(axes={"lefty": -1.0}, held=frozenset({"a"}))], "mouse")
    keys = Scripted([DeviceState(axes={"lefty": 1.0}, pressed=("b",), connected=False)], "keys")
    both: Device = Together(mouse, keys)
    state = both.poll(0.0)
    assert (both.name, state.connected, state.axes) == ("mouse", True, {"lefty": -1.0})
    command = END_EFFECTOR.command(state)
    assert command.controls == (Control.GRIPPER, Control.PAUSE)
    both.feedback(Feedback.SAVED)
    assert mouse.felt == keys.felt == [Feedback.SAVED]


def test_keys_cannot_engage_for_a_device_that_is_gone() -> None:
    mouse = Scripted([DeviceState(connected=False)])
    keys = Scripted([DeviceState(held=frozenset({"rightshoulder"}))])
    assert not END_EFFECTOR.command(Together(mouse, keys).poll(0.0)).engaged
