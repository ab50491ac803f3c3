"""The page in a headless Chromium on this machine: from an input to the picture that shows it.

The control loop here does nothing but wait for an input and show a picture that is drawn already,
so that what is measured is the way there and back: WebSocket, JPEG, decoding and drawing onto the
canvas. A real loop adds the wait for its next tick and its renderer's time.
"""

from __future__ import annotations

import shutil
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import row
from ilrobot.actors import Source
from ilrobot.env import make_env
from teleop.bindings import END_EFFECTOR
from teleop.browser.frames import Frame, pack
from teleop.browser.page import Page
from teleop.browser.seat import Seat
from teleop.hud import HudState

TASK = "ilrobot/PandaLift-v0"
INPUTS, FRAMES, ENCODINGS = 300, 300, 100
#: Of the loop that answers inputs, Hz.
RATE = 30.0
#: Until Chromium has come to rest, s.
WARM_UP = 2.0

#: The delays, in ms, of so many frames that show an input of this page.
_DELAYS = """
count => new Promise(resolve => {
  const delays = [];
  document.addEventListener("drawn", ({ detail }) => {
    if (detail.delay !== null && delays.push(detail.delay) === count) resolve(delays);
  });
})
"""
#: Frames drawn in a second.
_RATE = """
count => new Promise(resolve => {
  const times = [];
  document.addEventListener("drawn", () => {
    if (times.push(performance.now()) < count) return;
    resolve(1000 * (count - 1) / (times.at(-1) - times[0]));
  });
})
"""


def run() -> list[dict[str, Any]]:
    """Rows of the page: its pictures, what reaches the program and what comes back."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        return [{**row("not measured: no Chromium (apt install chromium)", 0.0, ""), "value": None}]
    from playwright.sync_api import sync_playwright

    pictures = _pictures()
    seat = Seat()
    display = Page(seat, END_EFFECTOR, port=0)
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            page = browser.new_page(viewport={"width": 1280, "height": 800})
            page.goto(display.url)
            with _loop(seat, display, pictures, on_input=True):
                page.wait_for_selector("[data-state=you]")
                page.wait_for_timeout(1000 * WARM_UP)
                delays = page.evaluate(_DELAYS, INPUTS)
            with _loop(seat, display, pictures, on_input=False):
                rate = page.evaluate(_RATE, FRAMES)
            browser.close()
        encoding, size = _encoding(pictures)
    finally:
        display.close()
    shape = "640×480"
    p50, p95 = (float(np.quantile(delays, q)) for q in (0.5, 0.95))
    return [
        row(f"input sent to frame drawn, {shape}, median", p50, "ms"),
        row(f"input sent to frame drawn, {shape}, 95th percentile", p95, "ms", at_most=10.0),
        row(f"frames drawn, {shape}, as many as the page takes", rate, "1/s", at_least=30.0),
        row(f"encoding and packing a frame, {shape}", encoding, "ms"),
        row(f"a frame, {shape}", size, "kB"),
    ]


def _pictures() -> list[NDArray[np.uint8]]:
    """Two moments of the task, at twice the size that it draws."""
    env = make_env(TASK, render_mode="rgb_array")
    try:
        drawn = []
        for seed in range(2):
            env.reset(seed)
            picture = env.render()
            scale = 480 // picture.shape[0]
            drawn.append(picture.repeat(scale, axis=0).repeat(scale, axis=1))
        return drawn
    finally:
        env.close()


@contextmanager
def _loop(
    seat: Seat, display: Page, pictures: list[NDArray[np.uint8]], *, on_input: bool
) -> Iterator[None]:
    """A loop that shows another picture at an input, at most at `RATE`, or as often as it can."""
    ends = threading.Event()

    def run() -> None:
        moment = 0
        while not ends.is_set():
            seen = seat.sequence
            while on_input and seat.sequence == seen and not ends.is_set():
                time.sleep(0.0002)
                seat.poll(time.perf_counter())
            moment += 1
            # A picture of its own each time: the page is not sent what it has already.
            picture = pictures[moment % 2].view()
            state = HudState(source=Source.DEMO, rate=RATE, task=TASK)
            display.show({"front": picture}, state)
            time.sleep(1.0 / RATE if on_input else 0.004)
            seat.poll(time.perf_counter())

    thread = threading.Thread(target=run)
    thread.start()
    yield
    ends.set()
    thread.join()


def _encoding(pictures: list[NDArray[np.uint8]]) -> tuple[float, float]:
    """Milliseconds and kilobytes."""
    seconds, sizes = [], []
    for number in range(ENCODINGS):
        frame = Frame(number, {"front": pictures[number % 2]}, HudState(), 0)
        began = time.perf_counter()
        sizes.append(len(pack(frame, None, {})))
        seconds.append(time.perf_counter() - began)
    return 1e3 * statistics.median(seconds), statistics.mean(sizes) / 1e3
