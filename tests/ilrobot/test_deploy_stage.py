"""What a person sees of a robot that runs, and how they begin and end it."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from exports.runtime.loop import TickRecord
from ilrobot.actors import Decision, Source
from ilrobot.cli.deploy_stage import RobotStage
from ilrobot.spec import Feature, Spec
from teleop.mappings.making import make_mapping

SPEC = Spec(
    (
        Feature("observation.state", (2,)),
        Feature("observation.images.front", (4, 6, 3), "uint8"),
    ),
    Feature("action", (2,), low=(-1, -1), high=(1, 1), names=("dx", "dy")),
    rate=100.0,
    semantics="delta",
    task="an arm",
)


class Pad:
    """Presses what the script says, poll by poll."""

    name = "gamepad"

    def __init__(self, *polls):
        self._polls, self.polled = list(polls), 0

    def poll(self, now):
        self.polled += 1
        pressed = self._polls.pop(0) if self._polls else ()
        return SimpleNamespace(pressed=frozenset(pressed), held=frozenset(), connected=True)


class Screen:
    """Keeps what it was shown; may have been closed."""

    def __init__(self, closes_after=10**9):
        self.shown, self._closes_after = [], closes_after

    def show(self, pictures, state):
        self.shown.append((dict(pictures), state))
        if len(self.shown) > self._closes_after:
            raise KeyboardInterrupt


def stage_of(pad, screen):
    hand = SimpleNamespace(
        device=pad,
        mapping=make_mapping(SPEC),
        connected=True,
        engaged=False,
        paused=False,
        rewinding=False,
        frame="",
        speed=1.0,
        leash=0.0,
        message="",
    )
    return RobotStage(screen, hand, SPEC, 3, recording=True)


def tick(applied, *, late=False, ended=False):
    picture = np.full((4, 6, 3), 7, np.uint8)
    return TickRecord(
        {"observation.state": np.zeros(2), "observation.images.front": picture},
        Decision(np.zeros(2), Source.POLICY),
        *(None, np.zeros(2), False, ended, None, applied, applied, late),
    )


def test_the_emergency_button_is_seen_while_an_episode_is_waited_for():
    stage = stage_of(Pad((), (), ("lefttrigger",), ("start",)), Screen())
    stage.stopped = lambda: stage.stops
    stage.begin(0)
    assert stage.stops
    assert stage._hand.device.polled == 3


def test_an_episode_begins_when_the_person_is_ready():
    pad, screen = Pad(("start",), (), (), ("start",)), Screen()  # the first was pressed too early
    stage_of(pad, screen).begin(0)
    assert pad.polled == 4
    state = screen.shown[-1][1]
    assert (state.episode, state.episodes, state.source, state.recording) == (1, 3, None, False)


@pytest.mark.parametrize("how", ["closed", "stopped"])
def test_who_closes_the_window_or_stops_the_run_is_not_waited_for(how):
    stage = stage_of(Pad(), Screen(closes_after=2 if how == "closed" else 10**9))
    stage.stopped = lambda: how == "stopped"
    stage.begin(0)
    assert stage.closed == (how == "closed")


def test_the_robot_is_shown_from_time_to_time_and_at_its_end():
    screen = Screen()
    stage = stage_of(Pad((), ("a",)), screen)
    stage.begin(0)
    before = len(screen.shown)
    for number in range(1, 101):
        stage.tick(tick(10 + 0.01 * number, late=number % 2 == 0, ended=number == 100))
    shown = screen.shown[before:]
    assert 15 <= len(shown) <= 21
    pictures, state = shown[-1]
    assert pictures["observation.images.front"][0, 0, 0] == 7
    assert (state.source, state.recording, state.missed) == (Source.POLICY, True, 50)
