"""A person's answers: a virtual pad through SDL, keys in a window, and what they are shown."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import numpy as np
import pygame
import pytest

from ilrobot.data.comparisons import Answer
from ilrobot.errors import UserError
from teleop.devices.gamepad import Gamepad
from teleop.devices.virtual_gamepad import VirtualGamepad
from teleop.display import Display, Pictures
from teleop.hud import HudState, hud_lines
from teleop.judging import Judging, judging, side_by_side

DARK = [np.full((4, 6, 3), value, np.uint8) for value in (10, 20, 30)]
LIGHT = [np.full((6, 6, 3), value, np.uint8) for value in (200,)]


class Watching(Display):
    """Does something after so many pictures."""

    def __init__(self, then: Callable[[], None], after: int = 2) -> None:
        self._then, self._after = then, after
        self.shown: list[tuple[np.ndarray, HudState]] = []

    def show(self, pictures: Pictures, state: HudState) -> None:
        self.shown.append((pictures[""], state))
        if len(self.shown) == self._after:
            self._then()

    def close(self) -> None:
        pass


def ask(pad: VirtualGamepad, then: Callable[[], None]) -> tuple[Answer | None, Watching]:
    gamepad = Gamepad(pad.name)
    display = Watching(then)
    try:
        return Judging(gamepad, display).ask(DARK, LIGHT, 100.0, 3, 10), display
    finally:
        gamepad.close()


@pytest.mark.parametrize(
    ("button", "answer"),
    [
        ("dpleft", Answer.LEFT),
        ("leftshoulder", Answer.LEFT),
        ("dpright", Answer.RIGHT),
        ("rightshoulder", Answer.RIGHT),
        ("dpup", Answer.EQUAL),
        ("dpdown", Answer.SKIP),
        ("start", None),
    ],
)
def test_a_button_is_an_answer(button: str, answer: Answer | None) -> None:
    pad = VirtualGamepad()
    pad.tap("dpleft")  # before anything was shown
    found, display = ask(pad, lambda: pad.tap(button))
    assert found is answer
    state = display.shown[0][1]
    assert state.headline == "which is better, left or right?"
    assert state.counter == "pair 3 of 10"
    assert "left, right" in hud_lines(state)[2]


@pytest.mark.parametrize(("lean", "answer"), [(-1.0, Answer.LEFT), (1.0, Answer.RIGHT)])
def test_the_stick_answers_once_it_was_let_go_of(lean: float, answer: Answer) -> None:
    pad = VirtualGamepad()
    found, _ = ask(pad, lambda: pad.set_axis("leftx", lean))
    assert found is answer
    # Still pushed from the answer before, it says nothing about the next pair.
    found, _ = ask(pad, lambda: pad.tap("dpup"))
    assert found is Answer.EQUAL


def test_an_unplugged_pad_is_told_of_and_waited_for() -> None:
    pad = VirtualGamepad()

    def unplug() -> None:
        pad.detach()
        threading.Timer(0.2, plug).start()

    def plug() -> None:
        pad.attach()
        time.sleep(0.1)
        pad.tap("dpright")

    found, display = ask(pad, unplug)
    assert found is Answer.RIGHT
    assert any("nothing moves" in state.headline for _, state in display.shown)


def test_a_clip_that_is_over_shows_its_last_picture_beside_the_other() -> None:
    picture = side_by_side(DARK, LIGHT, 2)
    assert picture.shape == (6, 6 + 8 + 6, 3)
    assert (picture[:4, :6] == 30).all()
    assert (picture[4:, :6] == 0).all()  # the lower one is padded
    assert (picture[:, 6:14] == 0).all()
    assert (picture[:, 14:] == 200).all()


@pytest.mark.usefixtures("dummy_display")
def test_arrow_keys_answer_in_a_window() -> None:
    def press() -> None:
        time.sleep(0.2)
        for kind in (pygame.KEYDOWN, pygame.KEYUP):
            pygame.event.post(pygame.event.Event(kind, key=pygame.K_RIGHT))

    with judging("keyboard", "test", address=("", 0), tell=print) as asked:
        thread = threading.Thread(target=press)
        thread.start()
        assert asked.ask(DARK, LIGHT, 30.0, 1, 0) is Answer.RIGHT
        thread.join()


@pytest.mark.usefixtures("dummy_display")
def test_without_a_pad_it_says_so() -> None:
    with (
        pytest.raises(UserError, match="no gamepad is connected"),
        judging("gamepad", "test", address=("", 0), tell=print),
    ):
        pass
