"""A robot under the page in a real Chromium: what moves it, and what happens when the page goes."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from chromium import FAKE_PAD, PHONE, TouchFingers, launch

from ilrobot.env import make_env
from ilrobot.task_env import TaskEnv
from teleop.bindings import PadPose
from teleop.devices.base import Feedback
from teleop.hud import HudState
from tests.teleop.page_person import PATIENCE, Robot


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    yield from launch()


@pytest.fixture(scope="module")
def env() -> Iterator[TaskEnv]:
    made = make_env("ilrobot/PandaReach-v0")
    yield made
    made.close()


class Loop:
    """A control loop in a thread: polls, and shows what there is."""

    def __init__(self, env: TaskEnv) -> None:
        self.robot = Robot(env)
        self.moving = False
        self.state: dict[str, Any] = {}
        self._open = True
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        picture = np.full((48, 64, 3), 90, np.uint8)
        wrist = np.full((48, 64, 3), (200, 30, 30), np.uint8)
        while self._open:
            self.moving = self.robot.moves()
            state = HudState(
                source=self.robot.hand.act(self.robot._observation, time.perf_counter()).source,
                connected=self.robot.hand.connected,
                cameras=("front", "wrist"),
                camera="front",
                **self.state,
            )
            self.robot.page.show({"front": picture, "wrist": wrist}, state)
            time.sleep(0.02)

    def until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, "it never came to that"
            time.sleep(0.01)

    def until_moving(self, page: Any) -> None:
        page.bring_to_front()
        page.keyboard.down("w")
        self.until(lambda: self.moving)

    def until_still(self, why: str) -> None:
        self.until(lambda: not self.moving and why in self.robot.seat.trouble)

    def close(self) -> None:
        self._open = False
        self._thread.join()
        self.robot.page.close()


@pytest.fixture
def loop(env: TaskEnv) -> Iterator[Loop]:
    made = Loop(env)
    yield made
    made.close()


def test_a_tab_that_is_frozen_or_closed_lets_the_arm_hold(browser: Any, loop: Loop) -> None:
    page = browser.new_page()
    page.goto(loop.robot.page.url)
    page.wait_for_selector("[data-state=you]")
    loop.until_moving(page)
    cdp = page.context.new_cdp_session(page)
    # A debugger's stop is as frozen as a tab can be: no timer runs, the socket stays open.
    cdp.send("Debugger.enable")
    cdp.send("Debugger.pause")
    loop.until_still("the page is silent")
    cdp.send("Debugger.resume")
    loop.until(lambda: loop.moving)
    page.close()
    loop.until_still("the page was closed")


def test_a_pad_that_is_unplugged_lets_the_arm_hold(browser: Any, loop: Loop) -> None:
    page = browser.new_page()
    page.add_init_script(FAKE_PAD)
    page.goto(loop.robot.page.url)
    page.wait_for_selector("[data-state=you]")
    page.evaluate("window.pad.axes = [0, -1, 0, 0]")
    loop.until(lambda: loop.moving)
    page.wait_for_selector("#device:has-text('fake pad')")
    page.evaluate("window.pad.connected = false")
    loop.until_still("unplugged")
    page.wait_for_selector("[data-state=lost]")
    page.evaluate("window.pad.connected = true")
    loop.until(lambda: loop.moving)
    page.close()


@pytest.mark.parametrize(
    "unseen",
    [
        "window.dispatchEvent(new Event('blur'))",
        # macOS tells of no other key that comes up while this one is down
        "window.dispatchEvent(new KeyboardEvent('keydown', {key: 'Meta', code: 'MetaLeft'}))",
    ],
)
def test_keys_that_come_up_unseen_are_let_go_by_nobody(
    browser: Any, loop: Loop, unseen: str
) -> None:
    page = browser.new_page()
    said = _told(page)
    page.goto(loop.robot.page.url)
    page.wait_for_selector("[data-state=you]")
    page.keyboard.down("Shift")
    loop.until_moving(page)
    page.evaluate(unseen)
    loop.until(lambda: not loop.moving and loop.robot.hand.connected)
    page.keyboard.up("w")
    page.keyboard.down("s")
    loop.until(lambda: loop.moving)
    page.close()
    inputs = [one for one in said if one["type"] == "input"]
    # No message takes the button that came up for one that a hand has let go of.
    assert [one["present"] for one in inputs if one["released"]] == [False]


def test_another_window_that_comes_while_no_key_is_down_loses_nothing(
    browser: Any, loop: Loop
) -> None:
    page = browser.new_page()
    said = _told(page)
    page.goto(loop.robot.page.url)
    page.wait_for_selector("[data-state=you]")
    page.evaluate("window.dispatchEvent(new Event('blur'))")
    page.wait_for_timeout(100)
    page.close()
    assert all(one["present"] for one in said if one["type"] == "input")


def test_a_pad_that_the_browser_does_not_know_is_named(browser: Any, loop: Loop) -> None:
    page = browser.new_page()
    page.add_init_script(FAKE_PAD + "window.pad.mapping = '';")
    page.goto(loop.robot.page.url)
    page.wait_for_selector("#device:has-text('WASD')")
    page.evaluate("window.press(3, true)")
    page.wait_for_selector("#device:has-text('does not know the buttons of fake pad')")
    page.evaluate("window.press(3, false)")
    page.wait_for_selector("#device:has-text('--device gamepad')")
    page.evaluate("window.pad.connected = false")
    page.wait_for_selector("#device:has-text('WASD')")
    page.close()


def _told(page: Any) -> list[dict[str, Any]]:
    """What the page will have sent."""
    said: list[dict[str, Any]] = []
    page.on("websocket", lambda link: link.on("framesent", lambda text: said.append(_read(text))))
    return said


def _read(text: str) -> dict[str, Any]:
    message: dict[str, Any] = json.loads(text)
    return message


def test_a_pad_button_that_is_held_while_another_window_comes_is_pressed_once(
    browser: Any, loop: Loop
) -> None:
    page = browser.new_page()
    page.add_init_script(FAKE_PAD)
    said = _told(page)
    page.goto(loop.robot.page.url)
    page.wait_for_selector("[data-state=you]")
    page.keyboard.down("w")
    page.evaluate("window.press(5, true)")
    page.wait_for_timeout(100)
    page.evaluate("window.dispatchEvent(new Event('blur'))")
    page.wait_for_timeout(100)
    page.evaluate("window.press(5, false)")
    page.wait_for_timeout(100)
    page.close()
    edges = [(one["pressed"], one["released"]) for one in said if one["type"] == "input"]
    assert [edge for edge in edges if edge != ([], [])] == [
        (["rightshoulder"], []),
        ([], ["rightshoulder"]),
    ]


#: The page's links, how full they are, and a key that is pressed before anything else can happen.
FAKE_LINK = """
window.links = [];
window.WebSocket = class extends WebSocket {
  constructor(...address) { super(...address); window.links.push(this); }
  get bufferedAmount() { return window.clogged ? 1e6 : super.bufferedAmount; }
};
window.tap = (key, code) => ["keydown", "keyup"].forEach((kind) =>
  window.dispatchEvent(new KeyboardEvent(kind, { key, code })));
"""


@pytest.mark.parametrize(
    ("cut", "mended"),
    [("window.links.at(-1).close()", ""), ("window.clogged = true", "window.clogged = false")],
)
def test_what_is_pressed_while_the_page_is_not_heard_is_forgotten(
    browser: Any, loop: Loop, cut: str, mended: str
) -> None:
    page = browser.new_page()
    page.add_init_script(FAKE_LINK)
    said = _told(page)
    page.goto(loop.robot.page.url)
    page.wait_for_selector("[data-state=you]")
    page.evaluate("window.tap('Shift', 'ShiftLeft')")
    page.wait_for_timeout(100)
    page.evaluate(f"{cut}; window.tap(' ', 'Space'); window.tap('Delete', 'Delete'); {mended}")
    loop.until_moving(page)
    page.wait_for_timeout(100)
    page.close()
    pressed = [name for one in said if one["type"] == "input" for name in one["pressed"]]
    assert pressed == ["rightshoulder"]


def test_a_thumb_on_a_touch_stick_presses_no_button(browser: Any, loop: Loop) -> None:
    page = browser.new_context(**PHONE).new_page()
    said = _told(page)
    page.goto(loop.robot.page.url)
    page.wait_for_selector("[data-state=you]")
    fingers = TouchFingers(page)
    fingers.hold(PadPose({"lefty": -1.0}))
    loop.until(lambda: loop.moving)
    fingers.release()
    loop.until(lambda: not loop.moving)
    page.wait_for_timeout(100)
    page.context.close()
    inputs = [one for one in said if one["type"] == "input"]
    assert {name for one in inputs for name in one["held"]} == {"touch"}
    assert {name for one in inputs for name in one["pressed"]} == {"touch"}
    assert inputs[-1]["held"] == []


def test_a_second_page_watches_and_takes_over_when_the_first_lets_go(
    browser: Any, loop: Loop
) -> None:
    first, second = browser.new_page(), browser.new_page()
    first.goto(loop.robot.page.url)
    first.wait_for_selector("#let_go:visible")
    second.goto(loop.robot.page.url)
    second.wait_for_selector("text=You are watching")
    assert second.is_hidden("#take")
    loop.until_moving(first)
    first.click("#let_go")
    loop.until_still("nobody is in control")
    second.click("#take")
    loop.until_moving(second)
    first.wait_for_selector("text=You are watching")
    first.close()
    second.close()


def test_the_page_shows_cameras_gauges_and_flashes(browser: Any, loop: Loop) -> None:
    page = browser.new_page()
    loop.state = {"speed": 0.25, "frame": "tool", "doubt": 0.125, "recording": True}
    page.goto(loop.robot.page.url)
    page.wait_for_selector("text=tool frame")
    gauges = page.inner_text("#gauges")
    assert "speed 25 %" in gauges
    meters = "Array.from(document.querySelectorAll('meter'), (meter) => meter.value)"
    assert page.evaluate(meters) == [0.125]
    assert "leash" not in gauges
    assert page.is_visible("#recording")
    pixel = "document.querySelector('#large').getContext('2d').getImageData(5, 5, 1, 1).data[0]"
    assert abs(page.evaluate(pixel) - 90) < 4
    page.click("#small figure:visible")
    assert abs(page.evaluate(pixel) - 200) < 4
    loop.robot.hand.device.feedback(Feedback.SAVED)
    page.wait_for_selector("main[data-flash=saved]")
    page.close()


def test_a_page_whose_session_hangs_says_so(browser: Any, env: TaskEnv) -> None:
    robot = Robot(env)
    try:
        page = browser.new_page()
        robot.page.show({}, HudState())
        page.goto(robot.page.url)
        page.wait_for_selector("text=no picture comes")
        page.close()
    finally:
        robot.page.close()
