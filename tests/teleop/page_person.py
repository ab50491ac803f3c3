"""An arm with its page, and a person at the page, over real sockets."""

from __future__ import annotations

import asyncio
import itertools
import json
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import aiohttp
import numpy as np

from ilrobot.actors import Source
from ilrobot.task_env import TaskEnv
from teleop.actor import TeleopActor
from teleop.bindings import END_EFFECTOR
from teleop.browser.device import BrowserDevice
from teleop.browser.page import Page
from teleop.browser.seat import Seat
from teleop.mappings.making import make_mapping

PATIENCE = 20.0


class Robot:
    """An arm, a hand and a page; the tests are its control loop."""

    def __init__(self, env: TaskEnv) -> None:
        self.seat = Seat()
        self.hand = TeleopActor(BrowserDevice(self.seat), make_mapping(env.spec))
        self.page = Page(self.seat, END_EFFECTOR, port=0)
        self._observation = env.reset(0)
        self.hand.reset(0)

    @property
    def address(self) -> str:
        return self.page.url.removeprefix("http://").rstrip("/")

    def moves(self) -> bool:
        """One tick; whether it commands motion."""
        decision = self.hand.act(self._observation, time.perf_counter())
        moving = bool(np.any(decision.action[:6]))
        assert decision.source is (Source.DEMO if self.hand.connected else Source.PAUSED)
        assert self.hand.connected or not moving
        # Nothing here toggles the gripper: in every fault it stays as it was.
        assert decision.action[6] == 1.0
        return moving

    async def until(self, condition: Callable[[], bool]) -> None:
        """Tick until it holds."""
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, "it never came to that"
            await asyncio.sleep(0.005)

    async def holds(self, why: str) -> None:
        """The arm comes to hold, the person is told why, and it holds on."""
        await self.until(lambda: not self.moves())
        await self.until(lambda: not self.moves() and why in self.seat.trouble)
        for _ in range(20):
            await asyncio.sleep(0.005)
            assert not self.moves()


class Person:
    """A page as a program: pushes the left stick forward, 60 times a second, and draws."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.packets: list[dict[str, Any]] = []
        self.pictures: dict[str, bytes] = {}
        self.draws = True
        self._sequence = itertools.count(1)
        self._tasks = [asyncio.ensure_future(self._read())]

    async def take(self) -> None:
        await self.socket.send_json({"type": "take"})

    async def say(self, **fields: Any) -> None:
        message = {
            "type": "input",
            "sequence": next(self._sequence),
            "time": time.perf_counter(),
            "axes": {"lefty": -1.0},
            "held": [],
            "pressed": [],
            "released": [],
            "present": True,
        }
        await self.socket.send_json({**message, **fields})

    def push(self) -> None:
        """From now on."""
        self._tasks.append(asyncio.ensure_future(self._push()))

    def freeze(self) -> None:
        """From now on it neither sends nor draws, but its socket stays open."""
        for task in self._tasks:
            task.cancel()

    async def _push(self) -> None:
        while not self.socket.closed:
            with suppress(ConnectionError):
                await self.say()
            await asyncio.sleep(1 / 60)

    async def _read(self) -> None:
        async for message in self.socket:
            if message.type is aiohttp.WSMsgType.BINARY:
                header = unpack(message.data, self.pictures)
                self.packets.append(header)
                if self.draws:
                    await self.socket.send_json({"type": "drawn", "frame": header["frame"]})


def unpack(packet: bytes, pictures: dict[str, bytes]) -> dict[str, Any]:
    (length,) = struct.unpack_from("<I", packet)
    header: dict[str, Any] = json.loads(packet[4 : 4 + length])
    start = 4 + length
    for new in header["new"]:
        pictures[new["camera"]] = packet[start : start + new["size"]]
        start += new["size"]
    assert start == len(packet)
    return header


@asynccontextmanager
async def person(robot: Robot, *, take: bool = True) -> AsyncIterator[Person]:
    headers = {"Origin": f"http://{robot.address}"}
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"ws://{robot.address}/socket", headers=headers) as socket,
    ):
        hello = await socket.receive_json()
        assert hello["type"] == "hello"
        made = Person(socket)
        if take:
            await made.take()
            made.push()
        yield made
        made.freeze()


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def limited() -> None:
        await asyncio.wait_for(test(), 2 * PATIENCE)

    asyncio.run(limited())
