"""One steers, others watch; who is silent steers no more."""

from typing import Any

import pytest

from teleop.bindings import END_EFFECTOR
from teleop.browser.device import BrowserDevice
from teleop.browser.messages import Input
from teleop.browser.seat import ABANDONED, MAX_WAITING, SILENCE, Seat, Standing
from teleop.devices.base import Feedback
from teleop.engagement import HoldToEngage

ANNE, BOB = object(), object()


class Time:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def seat(time: Time) -> Seat:
    made = Seat(time)
    assert made.take(ANNE)
    return made


def push(seat: Seat, clock: Time, page: object = ANNE, **fields: Any) -> None:
    seat.put(page, Input(**{"sequence": 1, "time": clock.now, "axes": {"lefty": -1.0}, **fields}))


def test_the_newest_counts_and_no_press_is_lost(seat: Seat, time: Time) -> None:
    push(seat, time, sequence=1, pressed=("a",), held=frozenset({"a"}))
    push(seat, time, sequence=2, released=("a",), axes={"lefty": -0.5})
    push(seat, time, sequence=3, pressed=("start",), axes={"lefty": 0.25})
    state = BrowserDevice(seat).poll(7.0)
    assert state.axes == {"lefty": 0.25}
    assert (state.pressed, state.released) == (("a", "start"), ("a",))
    assert (state.held, state.stamp, state.connected) == (frozenset(), 7.0, True)
    assert seat.sequence == 3
    assert seat.poll(8.0).pressed == ()


def test_silence_disconnects_and_drops_what_was_pressed(seat: Seat, time: Time) -> None:
    push(seat, time)
    time.now += SILENCE - 0.01
    assert seat.poll(0.0).connected
    push(seat, time, pressed=("a",), held=frozenset({"rightshoulder"}))
    time.now += SILENCE + 0.01
    state = seat.poll(0.0)
    assert (state.connected, state.axes, state.held, state.pressed) == (False, {}, frozenset(), ())
    assert seat.trouble == "the page is silent"
    push(seat, time)
    assert seat.poll(0.0).pressed == ()
    assert seat.poll(0.0).connected
    assert seat.trouble == ""


def test_a_burst_of_old_messages_does_not_move_the_robot(seat: Seat, time: Time) -> None:
    push(seat, time)
    began = time.now
    time.now += 5.0
    for late in range(60):
        push(seat, time, time=began + 0.016 * late, pressed=("a",))
    assert not seat.poll(0.0).connected


def test_a_link_that_became_slower_holds_says_so_and_must_engage_anew(
    seat: Seat, time: Time
) -> None:
    engagement = HoldToEngage()
    told, engaged = [], []
    for tick in range(120):
        time.now += 1 / 60
        slower = 1.0 if tick >= 30 else 0.0
        push(seat, time, time=time.now - slower, held=frozenset({"rightshoulder"}))
        command = END_EFFECTOR.command(seat.poll(time.now))
        engaged.append(engagement.update(command, time.now))
        told.append(seat.trouble)
    assert engaged == [True] * engaged.index(False) + [False] * (120 - engaged.index(False))
    assert "the page is heard 1.0 s late: the robot holds until that is steady" in told
    assert "the page is silent" not in told
    assert seat.poll(time.now).connected
    push(seat, time, time=time.now - 1.0)
    assert not engagement.update(END_EFFECTOR.command(seat.poll(time.now)), time.now)
    push(seat, time, time=time.now - 1.0, held=frozenset({"rightshoulder"}))
    assert engagement.update(END_EFFECTOR.command(seat.poll(time.now)), time.now)


def test_a_hidden_page_rests_at_once(seat: Seat, time: Time) -> None:
    push(seat, time, present=False, pressed=("a",))
    state = seat.poll(0.0)
    assert (state.connected, state.axes, state.pressed) == (False, {}, ())
    assert "hidden" in seat.trouble


def test_a_page_that_was_away_between_two_polls_is_gone_for_one(seat: Seat, time: Time) -> None:
    held = HoldToEngage()
    push(seat, time, held=frozenset({"rightshoulder"}))
    assert held.update(END_EFFECTOR.command(seat.poll(0.0)), 0.0)
    push(seat, time, present=False, axes={}, released=("rightshoulder",))
    push(seat, time, axes={"lefty": 1.0}, pressed=("a",))
    state = seat.poll(0.1)
    assert (state.connected, state.axes, state.pressed) == (False, {}, ())
    states = [seat.poll(0.2) for _ in range(2)]
    assert [state.pressed for state in states] == [(), ("a",)]
    assert all((state.connected, state.axes) == (True, {"lefty": 1.0}) for state in states)


def test_what_is_pressed_by_a_page_that_comes_back_counts(seat: Seat, time: Time) -> None:
    push(seat, time)
    push(seat, time, present=False, pressed=("b",))
    assert not seat.poll(0.0).connected
    push(seat, time, present=False)
    push(seat, time, pressed=("a",))
    assert [seat.poll(0.1).pressed for _ in range(3)] == [(), ("a",), ()]


@pytest.mark.parametrize("away", ["unplugged", "silent"])
@pytest.mark.parametrize("anew", [True, False])
def test_what_brings_a_page_back_takes_over_unless_it_was_down_all_along(
    seat: Seat, time: Time, away: str, anew: bool
) -> None:
    hold, button = HoldToEngage(), frozenset({"rightshoulder"})

    def engaged() -> bool:
        return hold.update(END_EFFECTOR.command(seat.poll(0.0)), 0.0)

    push(seat, time, held=button)
    assert engaged()
    if away == "unplugged":
        push(seat, time, present=False)
    else:
        time.now += 2 * SILENCE
    assert not engaged()
    push(seat, time, held=button, pressed=tuple(button) if anew else ())
    assert not engaged()
    push(seat, time, held=button)
    assert engaged() is anew


def test_who_holds_on_anew_after_another_window_came_is_in_control_at_once(
    seat: Seat, time: Time
) -> None:
    held, button = HoldToEngage(), frozenset({"rightshoulder"})

    def engaged() -> bool:
        return held.update(END_EFFECTOR.command(seat.poll(0.0)), 0.0)

    push(seat, time, held=button)
    assert engaged()
    push(seat, time, present=False, released=("rightshoulder",))
    push(seat, time)
    assert not engaged()
    push(seat, time)
    assert not engaged()
    push(seat, time, held=button, pressed=("rightshoulder",))
    assert engaged()


def test_a_page_that_says_so_late_was_away_all_the_same(seat: Seat, time: Time) -> None:
    push(seat, time)
    assert seat.poll(0.0).connected
    sent, time.now = time.now, time.now + 2 * SILENCE
    push(seat, time, time=sent, present=False)
    push(seat, time)
    assert not seat.poll(0.1).connected
    assert seat.poll(0.2).connected


def test_one_steers_and_others_watch(seat: Seat, time: Time) -> None:
    assert not seat.take(BOB)
    push(seat, time, BOB)
    assert not seat.poll(0.0).connected
    push(seat, time)
    assert seat.poll(0.0).connected
    assert seat.standing(ANNE) == (True, Standing.TAKEN)
    assert seat.standing(BOB) == (False, Standing.TAKEN)


def test_a_seat_can_be_taken_when_it_is_free_or_abandoned(seat: Seat, time: Time) -> None:
    push(seat, time, pressed=("a",))
    seat.leave(BOB, "not his")
    assert seat.standing(ANNE) == (True, Standing.TAKEN)
    seat.leave(ANNE, "the page was closed")
    assert seat.trouble == "the page was closed"
    assert seat.standing(BOB) == (False, Standing.FREE)
    assert seat.take(BOB)
    assert seat.poll(0.0).pressed == ()

    time.now += ABANDONED + 0.01
    assert seat.standing(ANNE) == (False, Standing.ABANDONED)
    assert seat.take(ANNE)
    push(seat, time, BOB)
    assert not seat.poll(0.0).connected


def test_a_page_that_nobody_is_at_gives_its_seat_away_though_it_speaks(
    seat: Seat, time: Time
) -> None:
    for _ in range(3):
        push(seat, time, present=False)
        assert seat.standing(BOB) == (False, Standing.TAKEN)
        time.now += 0.3 * ABANDONED
    push(seat, time)
    for _ in range(4):
        time.now += 0.3 * ABANDONED
        push(seat, time, present=False)
    assert seat.standing(BOB) == (False, Standing.ABANDONED)
    push(seat, time)
    assert seat.standing(BOB) == (False, Standing.TAKEN)


def test_presses_that_nobody_polls_do_not_pile_up(seat: Seat, time: Time) -> None:
    for _ in range(1000):
        push(seat, time, pressed=("b", "a"))
    assert len(seat.poll(0.0).pressed) == MAX_WAITING


def test_feedback_is_counted(seat: Seat) -> None:
    device = BrowserDevice(seat)
    device.feedback(Feedback.LEASH)
    device.feedback(Feedback.LEASH)
    device.feedback(Feedback.SAVED)
    assert seat.feedback_counts == {"leash": 2, "takeover": 0, "saved": 1, "call": 0}
