"""Who has control, on scripted traces: one character per poll of 50 ms."""

from __future__ import annotations

import pytest

from teleop.bindings import REST, Control, Six, TeleopCommand
from teleop.devices.base import Pose
from teleop.engagement import EngageMode, make_engagement

TICK = 0.05
MODES: tuple[EngageMode, ...] = ("hold", "toggle", "motion")


def _twist(size: float) -> Six:
    return (size, *REST[1:])


def _command(sign: str, now: float) -> TeleopCommand:
    """Of a sign in a trace.

    ``.`` rests, ``E`` is pressed, ``e`` is held on, ``M`` moves, ``m`` moves a little, ``g``
    toggles the gripper, ``t`` has a thumb on a touch stick, ``x`` is unplugged, ``s`` has been
    silent for 0.2 s with everything held.
    """
    if sign == "s":
        return TeleopCommand(twist=_twist(1.0), engaged=True, stamp=now - 0.2)
    return TeleopCommand(
        twist=_twist({"M": 1.0, "m": 0.1}.get(sign, 0.0)),
        controls=(Control.ENGAGE,) if sign == "E" else (),
        toggles=int(sign == "g"),
        engaged=sign in "Eet",
        touched=sign == "t",
        stamp=now,
        connected=sign != "x",
    )


def _engaged(mode: EngageMode, trace: str) -> str:
    engagement = make_engagement(mode)
    engagement.reset()
    states = [engagement.update(_command(s, TICK * i), TICK * i) for i, s in enumerate(trace)]
    return "".join("#" if state else "." for state in states)


@pytest.mark.parametrize(
    ("mode", "trace", "expected"),
    [
        ("hold", "..Eee..MM.E.", "..###.....#."),
        ("toggle", "..Eee....E.EE", "..#######..#."),
        ("hold", ".tt.tt.", ".##.##."),
        ("toggle", ".tt.tt.", ".##.##."),
        ("toggle", "E.tt.E.tt.", "####.####."),
        ("motion", "mm.MMm" + 13 * ".", "...###" + 9 * "#" + 4 * "."),
        ("motion", "..g.", "..##"),
    ],
)
def test_traces(mode: EngageMode, trace: str, expected: str) -> None:
    assert _engaged(mode, trace) == expected


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("absent", ["x", "s"])
def test_an_unplugged_or_silent_device_disengages(mode: EngageMode, absent: str) -> None:
    begin = "MM" if mode == "motion" else "Ee"
    assert _engaged(mode, begin + absent + "..") == "##..."


def test_a_button_that_was_down_all_along_does_not_engage_a_device_that_is_back() -> None:
    assert _engaged("hold", "EexxeeE.E") == "##......#"
    assert _engaged("toggle", "E.x..E") == "##...#"
    assert _engaged("hold", "ttxtt.t") == "##....#"
    assert _engaged("toggle", "ttxtt.t") == "##....#"


@pytest.mark.parametrize("absent", ["x", "s"])
def test_a_hand_that_moved_all_along_must_rest_before_it_engages_again(absent: str) -> None:
    assert _engaged("motion", "MM" + absent + "MMmm.MM") == "##......##"


def test_a_tracked_hand_that_is_back_must_be_seen_to_rest() -> None:
    engagement = make_engagement("motion")
    states = []
    for tick, x in enumerate([0.0, 0.02, None, 0.06, 0.08, 0.1, 0.1, 0.12]):
        pose = Pose((x or 0.0, 0.0, 0.0), (1.0, 0.0, 0.0, 0.0))
        command = TeleopCommand(pose=pose, stamp=TICK * tick, connected=x is not None)
        states.append(engagement.update(command, TICK * tick))
    assert states == [False, True, False, False, False, False, False, True]


def test_small_motions_keep_control_but_do_not_take_it() -> None:
    assert "#" not in _engaged("motion", 20 * "m")
    assert _engaged("motion", "M" + 30 * "m") == 31 * "#"


def test_a_tracked_hand_engages_by_its_speed() -> None:
    engagement = make_engagement("motion")
    states = []
    for tick, x in enumerate([0.0, 0.0, 0.01, 0.02] + 12 * [0.02]):
        pose = Pose((x, 0.0, 0.0), (1.0, 0.0, 0.0, 0.0))
        states.append(engagement.update(TeleopCommand(pose=pose, stamp=TICK * tick), TICK * tick))
    assert states == [False, False] + 11 * [True] + 3 * [False]


@pytest.mark.parametrize("jump", [-100.0, 100.0])
def test_a_clock_that_jumps_ends_motion_and_leaves_buttons_alone(jump: float) -> None:
    for mode in MODES:
        engagement = make_engagement(mode)
        engagement.update(_command("M" if mode == "motion" else "E", 200.0), 200.0)
        after = _command("." if mode != "hold" else "e", 200.0 + jump)
        assert engagement.update(after, 200.0 + jump) is (mode != "motion")


def test_reset_watches_again() -> None:
    for mode in MODES:
        engagement = make_engagement(mode)
        engagement.update(_command("M" if mode == "motion" else "E", 0.0), 0.0)
        engagement.reset()
        assert not engagement.update(_command(".", TICK), TICK)
