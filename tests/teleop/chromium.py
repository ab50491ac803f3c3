"""A real Chromium that tests drive, and a person at it who knows what the expert knows."""

from __future__ import annotations

import itertools
import shutil
import time
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import numpy as np
import pytest
from numpy.typing import NDArray

from ilrobot.task_env import TaskEnv
from teleop.bindings import PadPose
from teleop.devices.keys import FINE, STICK_KEYS
from teleop.mappings.making import make_mapping

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")

#: A standard pad for `navigator.getGamepads`; tests move it by `window.pad`.
FAKE_PAD = """
window.pad = {
  id: "fake pad", index: 0, connected: true, mapping: "standard", axes: [0, 0, 0, 0],
  buttons: Array.from({ length: 17 }, () => ({ pressed: false, value: 0 })),
};
navigator.getGamepads = () => [window.pad.connected ? window.pad : null];
window.press = (button, down) => { window.pad.buttons[button] = { pressed: down, value: +down }; };
"""
#: By the page's own clock: however busy the machine, the page has read its pads after it.
A_WHILE = "() => new Promise((done) => setTimeout(done, 60))"
#: A phone that is held across.
PHONE = {"viewport": {"width": 844, "height": 390}, "has_touch": True, "is_mobile": True}
PAD_BUTTONS = {"a": 0, "start": 9, "back": 8, "rightshoulder": 5}


def launch() -> Iterator[Any]:
    """A headless browser; skips where there is none."""
    if CHROMIUM is None:
        pytest.skip("no Chromium here: apt install chromium")
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


class Fingers(Protocol):
    """One way to work the page."""

    def begin(self) -> None:
        """Begin the episode."""

    def hold(self, pose: PadPose) -> None:
        """Push the sticks so."""

    def grip(self) -> None:
        """Toggle the gripper."""


class PadFingers:
    """A pad that the page finds by the Gamepad API."""

    def __init__(self, page: Any) -> None:
        self._page = page

    def begin(self) -> None:
        self._tap("start")

    def hold(self, pose: PadPose) -> None:
        names = ("leftx", "lefty", "rightx", "righty")
        axes = [pose.axes.get(name, 0.0) for name in names]
        self._page.evaluate("axes => { window.pad.axes = axes; }", axes)

    def grip(self) -> None:
        self._tap("a")

    def _tap(self, button: str) -> None:
        index = PAD_BUTTONS[button]
        for down in ("true", "false"):
            self._page.evaluate(f"window.press({index}, {down})")
            self._page.evaluate(A_WHILE)


class KeyFingers:
    """Keys, which push a stick fully or not at all: what is in between is given in pulses."""

    def __init__(self, page: Any) -> None:
        self._page = page
        self._down: set[str] = set()
        self._owed: dict[str, float] = {}

    def begin(self) -> None:
        self._page.keyboard.press("Enter")
        self._page.keyboard.down("c")

    def hold(self, pose: PadPose) -> None:
        wanted = set()
        for axis in ("leftx", "lefty", "rightx", "righty"):
            owed = self._owed.get(axis, 0.0) + float(np.clip(pose.axes.get(axis, 0.0), -FINE, FINE))
            sign = float(np.sign(owed)) if abs(owed) >= 0.5 * FINE else 0.0
            self._owed[axis] = owed - FINE * sign
            wanted |= {key for key, does in STICK_KEYS.items() if does == (axis, sign)}
        for key in self._down - wanted:
            self._page.keyboard.up(key)
        for key in wanted - self._down:
            self._page.keyboard.down(key)
        self._down = wanted

    def grip(self) -> None:
        self._page.keyboard.press("Space")


class TouchFingers:
    """Two thumbs on the sticks of a phone and a finger for the buttons, as CDP touch events."""

    def __init__(self, page: Any) -> None:
        self._page = page
        self._cdp = page.context.new_cdp_session(page)
        self._thumbs: list[dict[str, float]] = []
        boxes = [page.locator(name).bounding_box() for name in ("#left", "#right")]
        self._centres = [(b["x"] + b["width"] / 2, b["y"] + b["height"] / 2) for b in boxes]
        self._radius = 0.36 * boxes[0]["width"]

    def begin(self) -> None:
        self._page.tap("[data-control=success]")

    def hold(self, pose: PadPose) -> None:
        before = len(self._thumbs)
        self._thumbs = [
            {
                "x": x + self._radius * pose.axes.get(f"{side}x", 0.0),
                "y": y + self._radius * pose.axes.get(f"{side}y", 0.0),
                "id": index,
            }
            for index, (side, (x, y)) in enumerate(
                zip(("left", "right"), self._centres, strict=True)
            )
        ]
        self._send("touchMove" if before else "touchStart", self._thumbs)

    def release(self) -> None:
        """Lift both thumbs."""
        self._thumbs = []
        self._send("touchEnd", [])

    def grip(self) -> None:
        box = self._page.locator("[data-control=gripper]").bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        self._send("touchStart", [*self._thumbs, {"x": x, "y": y, "id": 2}])
        self._send("touchEnd", self._thumbs)

    def _send(self, kind: str, points: list[dict[str, float]]) -> None:
        self._cdp.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})


def demonstrate(
    fingers: Fingers,
    env: TaskEnv,
    expert: Callable[[Any], NDArray[np.float32]],
    done: Callable[[], bool],
    patience: float,
) -> None:
    """Do what the expert would, as far as the fingers can, until the episode has ended."""
    mapping = make_mapping(env.spec)
    opened = True
    deadline = time.monotonic() + patience
    for _ in itertools.count():
        if done():
            return
        assert time.monotonic() < deadline, "the task was not done in time"
        raw = env.raw_observation
        action = expert(raw)
        observation = {f"observation.{key}": value for key, value in raw.items()}
        twist = 0.7 * np.asarray(mapping.intent(action, observation).twist)
        fingers.hold(mapping.bindings.pose(twist.tolist()))
        if (float(action[6]) > 0.5) is not opened:
            opened = not opened
            fingers.grip()
        time.sleep(0.03)
