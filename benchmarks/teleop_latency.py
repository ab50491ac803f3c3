"""From the moment at which a device is moved to the action that it commands, device by device.

The loop here polls every 0.2 ms, so that what is measured is the way through the device: its
driver's or library's queue, bindings, clutch and mapping. A control loop adds the wait for its next
tick: half a period on average, a period at worst. What lies before is not seen: the pad's own
electronics and USB (1 to 8 ms), or the page's network. The reference is one thread asking another
and hearing back, in turns with it: what this machine, as busy as it is, makes of any such way.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import pty
import queue
import struct
import sys
import threading
import time
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import numpy as np

from benchmarks import row
from ilrobot.actors import Decision
from ilrobot.spec import Feature, Spec
from teleop.actor import TeleopActor
from teleop.devices import sdl
from teleop.devices.base import Device
from teleop.devices.gamepad import Gamepad
from teleop.devices.keyboard import Keyboard
from teleop.devices.terminal import Terminal
from teleop.devices.virtual_gamepad import VirtualGamepad
from teleop.mappings.making import make_mapping

SAMPLES = 500
#: A tenth of a tick at 20 Hz, the rate of the Panda tasks.
GOAL_MS = 5.0
ARM = Spec(
    observations=(Feature("observation.state", (1,)),),
    action=Feature("action", (7,), low=(-1.0,) * 7, high=(1.0,) * 7),
    rate=20.0,
    controller="ee_delta_gripper",
)
OBSERVATION = {"observation.state": np.zeros(1, np.float32)}
#: Moves the device to and fro: called with False, True, False, …
Move = Callable[[bool], None]


def run() -> list[dict[str, Any]]:
    """Two rows for each device."""
    devices = {
        "gamepad (SDL's virtual pad)": _gamepad,
        "keyboard (SDL's event queue)": _keyboard,
        "terminal (a pseudo-terminal)": _terminal,
        "SpaceMouse (HID reports at 1 kHz)": _spacemouse,
        "page (WebSocket on loopback)": _page,
    }
    rows = []
    for name, make in devices.items():
        with make() as (device, move):
            times = 1e3 * np.array(_measure(device, move))
        sdl.stop()
        for share, goal in ((50, None), (99, GOAL_MS)):
            what = f"{name}: moved to commanded, p{share}"
            value, reference = np.percentile(times, share, axis=0).tolist()
            rows.append(row(what, value, "ms", reference=reference, at_most=goal))
    return rows


def _measure(device: Device, move: Move) -> list[tuple[float, float]]:
    """Seconds from each move to the decision that shows it, and of asking another thread."""
    hand = TeleopActor(device, make_mapping(ARM))
    hand.reset(0)
    resting = _shown(hand.act(OBSERVATION, 0.0))
    # A second for each tick: the hand's own times, such as those of its clutch, are over then.
    ticks = itertools.count(1)
    times = []
    asked: queue.SimpleQueue[bool] = queue.SimpleQueue()
    answers: queue.SimpleQueue[bool] = queue.SimpleQueue()
    other = threading.Thread(target=_answer, args=(asked, answers), daemon=True)
    other.start()
    generator = np.random.default_rng(0)
    for sample in range(SAMPLES):
        time.sleep(float(generator.uniform(0.001, 0.004)))
        now, begun = float(next(ticks)), time.perf_counter()
        move(sample % 2 == 0)
        while (shown := _shown(hand.act(OBSERVATION, now))) == resting:
            if time.perf_counter() - begun > 5.0:
                raise TimeoutError(f"{device.name} was moved, but nothing was commanded")
            time.sleep(0.0002)  # a loop that never rests would starve the devices' threads
        moved = time.perf_counter()
        asked.put(True)
        answers.get()
        times.append((moved - begun, time.perf_counter() - moved))
        # A declaration is there for one tick, a motion until the next.
        resting = shown if shown[0] else resting
    asked.put(False)
    other.join()
    return times


def _answer(asked: queue.SimpleQueue[bool], answers: queue.SimpleQueue[bool]) -> None:
    while asked.get():
        answers.put(True)


def _shown(decision: Decision) -> tuple[bool, ...]:
    """Which way it goes, and whether something is declared."""
    direction = float(np.sign(decision.action[0]))
    return direction != 0.0, direction > 0.0, decision.event is not None


@contextmanager
def _gamepad() -> Iterator[tuple[Device, Move]]:
    pad = VirtualGamepad()
    device = Gamepad(pad.name)
    yield device, lambda forth: pad.set_axis("lefty", -1.0 if forth else 1.0)
    device.close()
    pad.close()


@contextmanager
def _keyboard() -> Iterator[tuple[Device, Move]]:
    import pygame  # teleop.devices has silenced its greeting by now

    device = Keyboard()

    def move(forth: bool) -> None:
        down, up = (pygame.K_w, pygame.K_s) if forth else (pygame.K_s, pygame.K_w)
        for kind, key in ((pygame.KEYUP, up), (pygame.KEYDOWN, down)):
            pygame.event.post(pygame.event.Event(kind, key=key))

    yield device, move
    device.close()


@contextmanager
def _terminal() -> Iterator[tuple[Device, Move]]:
    far, near = pty.openpty()
    foreground = mock.patch.object(os, "tcgetpgrp", return_value=os.getpgrp())
    with os.fdopen(near) as stdin, mock.patch.object(sys, "stdin", stdin), foreground:

        def move(forth: bool) -> None:
            os.write(far, b"\n" if forth else b"\x7f")

        device = Terminal()
        yield device, move
        device.close()
    os.close(far)


@contextmanager
def _spacemouse() -> Iterator[tuple[Device, Move]]:
    """pyspacemouse reads from a HID library that is a queue, filled a thousand times a second."""
    mouse = _Reports()
    library = types.ModuleType("easyhid")
    library.__dict__.update(
        Enumeration=lambda: types.SimpleNamespace(find=lambda: [mouse]),
        HIDException=type("HIDException", (Exception,), {}),
        Device=_Reports,
    )
    others = {name: m for name, m in sys.modules.items() if not name.startswith("pyspacemouse")}
    with mock.patch.dict(sys.modules, {**others, "easyhid": library}, clear=True):
        from teleop.devices.spacemouse import SpaceMouse

        device = SpaceMouse()
        sending = threading.Thread(target=mouse.send, daemon=True)
        sending.start()
        yield device, mouse.push
        mouse.ended = True
        sending.join()
        device.close()


class _Reports:
    """A HID device whose cap is pushed away or drawn near."""

    vendor_id, product_id, release_number = 0x46D, 0xC626, 1
    product_string = manufacturer_string = serial_number = path = "1"

    def __init__(self) -> None:
        self.ended = False
        self._value = 0
        self._reports: queue.SimpleQueue[bytes] = queue.SimpleQueue()

    def push(self, forth: bool) -> None:
        self._value = -350 if forth else 350
        self._report()

    def send(self) -> None:
        while not self.ended:
            self._report()
            time.sleep(0.001)

    def _report(self) -> None:
        self._reports.put(struct.pack("<Bhhh", 1, 0, self._value, 0))

    def open(self) -> None: ...

    def close(self) -> None: ...

    def set_nonblocking(self, _: bool) -> None: ...

    def read(self, size: int) -> bytes:
        try:
            return self._reports.get_nowait().ljust(size, b"\0")
        except queue.Empty:
            return b""


@contextmanager
def _page() -> Iterator[tuple[Device, Move]]:
    from teleop.bindings import END_EFFECTOR
    from teleop.browser.device import BrowserDevice
    from teleop.browser.page import Page
    from teleop.browser.seat import Seat

    seat = Seat()
    page = Page(seat, END_EFFECTOR, port=0)
    client = _Client(page.url)
    yield BrowserDevice(seat), client.push
    client.close()
    page.close()


class _Client:
    """What a page does, without the page: it says where its stick stands, and again at 60 Hz."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._stick = 0.0
        self._loop = asyncio.new_event_loop()
        self._sequence = itertools.count(1)
        self._connected = threading.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._run(),))
        self._thread.start()
        self._connected.wait(10.0)

    def push(self, forth: bool) -> None:
        self._stick = -1.0 if forth else 1.0
        self._loop.call_soon_threadsafe(self._moved.set)

    def close(self) -> None:
        self._stick = float("nan")
        self._loop.call_soon_threadsafe(self._moved.set)
        self._thread.join()
        self._loop.close()

    async def _run(self) -> None:
        import aiohttp

        self._moved = asyncio.Event()
        origin = {"Origin": self._url.rstrip("/")}
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(f"{self._url}socket", headers=origin) as socket,
        ):
            await socket.send_json({"type": "take"})
            while self._stick == self._stick:
                await self._say(socket)
                self._connected.set()
                try:
                    await asyncio.wait_for(self._moved.wait(), 1 / 60)
                except TimeoutError:
                    continue
                self._moved.clear()

    async def _say(self, socket: Any) -> None:
        fields = {"type": "input", "sequence": next(self._sequence), "time": time.perf_counter()}
        rest = {"held": [], "pressed": [], "released": [], "present": True}
        await socket.send_json({**fields, **rest, "axes": {"lefty": self._stick}})
