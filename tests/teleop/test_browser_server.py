"""The page's server over real sockets: who may in, who steers, and that the arm holds in faults."""

from __future__ import annotations

import asyncio
import itertools
import json
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import aiohttp
import numpy as np
import pytest
import simplejpeg
from test_browser_messages import BAD

from ilrobot.actors import Actor, Decision, Observation, Source
from ilrobot.env import TaskEnv, make_env
from ilrobot.errors import UserError
from ilrobot.gates.human import HumanGate
from ilrobot.shared_control import SharedControl
from teleop.actor import TeleopActor
from teleop.bindings import END_EFFECTOR
from teleop.browser.device import BrowserDevice
from teleop.browser.page import Page, hello
from teleop.browser.seat import Seat
from teleop.devices.base import Feedback
from teleop.engagement import make_engagement
from teleop.hud import HudState
from teleop.mapping import make_mapping
from teleop.web.access import Access
from teleop.web.server import MAX_PAGES

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


@pytest.fixture(scope="module")
def env() -> Iterator[TaskEnv]:
    made = make_env("ilrobot/PandaReach-v0")
    yield made
    made.close()


@pytest.fixture
def robot(env: TaskEnv) -> Iterator[Robot]:
    made = Robot(env)
    yield made
    made.page.close()


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


# Faults ------------------------------------------------------------------------------------


def test_a_page_moves_the_arm(robot: Robot) -> None:
    async def test() -> None:
        assert not robot.moves()
        async with person(robot):
            await robot.until(robot.moves)
        await robot.holds("the page was closed")

    run(test)


def test_a_silent_page_lets_the_arm_hold_until_it_speaks_again(robot: Robot) -> None:
    async def test() -> None:
        async with person(robot) as anne:
            await robot.until(robot.moves)
            anne.freeze()
            await robot.holds("the page is silent")
            anne.push()
            await robot.until(robot.moves)

    run(test)


def test_a_connection_that_breaks_lets_the_arm_hold(robot: Robot) -> None:
    async def test() -> None:
        async with person(robot) as anne:
            await robot.until(robot.moves)
            transport = anne.socket.get_extra_info("transport") or anne.socket._conn.transport
            transport.abort()
            await robot.holds("the page was closed")

    run(test)


def test_a_hidden_page_lets_the_arm_hold(robot: Robot) -> None:
    async def test() -> None:
        async with person(robot, take=False) as anne:
            await anne.take()
            await anne.say()
            await robot.until(robot.moves)
            await anne.say(present=False)
            await robot.until(lambda: not robot.moves() and "hidden" in robot.seat.trouble)

    run(test)


MESSAGES: dict[str, str | bytes] = {
    **{name: BAD[name] for name in ("no JSON", "NaN", "out of range", "deep", "a huge integer")},
    "binary": b"\x00\x01\x02",
    "10 MB": "x" * 10_000_000,
    "10 MB binary": bytes(10_000_000),
    "just too long": json.dumps({"type": "take", "x": "y" * 4096}),
}


@pytest.mark.parametrize("message", MESSAGES.values(), ids=MESSAGES.keys())
def test_garbage_shuts_the_page_out_and_the_arm_holds(robot: Robot, message: str | bytes) -> None:
    async def test() -> None:
        async with person(robot) as anne:
            await robot.until(robot.moves)
            with suppress(ConnectionError):
                if isinstance(message, bytes):
                    await anne.socket.send_bytes(message)
                else:
                    await anne.socket.send_str(message)
            await robot.holds("the page was shut out")
            await robot.until(lambda: anne.socket.closed)
        # Nothing is broken: the next page steers.
        async with person(robot):
            await robot.until(robot.moves)

    run(test)


def test_a_flood_shuts_the_page_out_and_the_arm_holds(robot: Robot) -> None:
    async def test() -> None:
        async with person(robot, take=False) as anne, person(robot, take=False) as watcher:
            await anne.take()
            with suppress(ConnectionError):
                for tick in range(5000):
                    await anne.say(axes={"lefty": -1.0}, pressed=["x"])
                    if tick % 50 == 0:
                        robot.moves()
                        await asyncio.sleep(0.001)
            await robot.holds("too many messages")
            assert anne.socket.closed or anne.socket._closing
            robot.page.show({}, HudState(connected=False))
            await robot.until(lambda: bool(watcher.packets))
            assert "too many messages" in watcher.packets[-1]["hud"]["headline"]

    run(test)


def test_of_two_controllers_one_steers_and_the_other_watches(robot: Robot) -> None:
    async def test() -> None:
        async with person(robot) as anne:
            await robot.until(robot.moves)
            async with person(robot) as bob:
                robot.page.show({}, HudState())
                await robot.until(lambda: bool(bob.packets and anne.packets))
                assert (bob.packets[-1]["mine"], bob.packets[-1]["seat"]) == (False, "taken")
                assert anne.packets[-1]["mine"]
                anne.freeze()
                await robot.holds("the page is silent")
                # Bob sent all the time; he steers when he asks again, and Anne does no more.
                await robot.until(lambda: robot.seat.standing(None)[1] == "abandoned")
                await bob.take()
                await robot.until(robot.moves)
                await anne.take()
                bob.freeze()
                anne.push()
                await robot.holds("the page is silent")

    run(test)


class Onward(Actor):
    """A policy that always goes forward."""

    def act(self, observation: Observation, now: float) -> Decision:
        action = np.array([0.02, 0, 0, 0, 0, 0, 1], np.float32)
        return Decision(action, Source.POLICY, policy_action=action)


def test_under_a_policy_a_page_that_is_gone_lets_the_arm_hold_too(robot: Robot) -> None:
    robot.hand = TeleopActor(
        robot.hand.device, robot.hand.mapping, engagement=make_engagement("hold")
    )
    shared = SharedControl(Onward(), robot.hand, HumanGate(lambda: robot.hand.engaged))
    shared.reset(0)

    def source(now: list[Source]) -> bool:
        decision = shared.act(robot._observation, time.perf_counter())
        moving = bool(np.any(decision.action[:6]))
        assert moving is (decision.source is not Source.PAUSED)
        return decision.source in now

    async def test() -> None:
        await robot.until(lambda: source([Source.PAUSED]))
        async with person(robot) as anne:
            await robot.until(lambda: source([Source.POLICY]))
            anne.freeze()
            await robot.until(lambda: source([Source.PAUSED]))
            await anne.say()
            await robot.until(lambda: source([Source.POLICY]))
            await anne.say(held=["rightshoulder"], pressed=["rightshoulder"])
            await robot.until(lambda: source([Source.HUMAN]))
        await robot.until(lambda: source([Source.PAUSED]))
        assert robot.seat.trouble == "the page was closed"

    run(test)


def test_every_key_has_its_name_in_the_browser() -> None:
    told = hello(END_EFFECTOR)
    browser = {"arrowleft", "arrowright", "arrowup", "arrowdown", " ", "enter", "shift"}
    browser |= {"backspace", "delete"}
    for name in (*told["button_keys"], *told["stick_keys"], told["fine"][0]):
        assert len(name) == 1 or name in browser
    assert told["button_keys"]["enter"] == told["controls"]["success"] == "start"
    assert told["stick_keys"]["w"] == ["lefty", -1.0]


def test_control_can_be_given_away(robot: Robot) -> None:
    async def test() -> None:
        async with person(robot) as anne, person(robot, take=False) as bob:
            await robot.until(robot.moves)
            await anne.socket.send_json({"type": "let_go"})
            await robot.holds("nobody is in control")
            await bob.take()
            bob.push()
            await robot.until(robot.moves)

    run(test)


# Frames ------------------------------------------------------------------------------------


def pictures(level: int) -> dict[str, np.ndarray]:
    return {"front": np.full((48, 64, 3), level, np.uint8)}


def test_a_slow_page_gets_the_newest_frame_and_no_queue(robot: Robot) -> None:
    async def test() -> None:
        async with person(robot, take=False) as slow:
            slow.draws = False
            robot.page.show(pictures(0), HudState())
            await robot.until(lambda: len(slow.packets) == 1)
            for level in range(1, 200):
                robot.page.show(pictures(level), HudState(episode=level))
                await asyncio.sleep(0.001)
            assert len(slow.packets) == 1
            await slow.socket.send_json({"type": "drawn", "frame": slow.packets[0]["frame"]})
            await robot.until(lambda: len(slow.packets) == 2)
            assert slow.packets[1]["hud"]["episode"] == 199
            picture = simplejpeg.decode_jpeg(slow.pictures["front"])
            assert np.abs(picture.astype(int) - 199).max() <= 2

    run(test)


def test_a_frozen_page_keeps_no_other_from_its_frames(robot: Robot) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)

    async def test() -> None:
        async with person(robot, take=False) as frozen, person(robot, take=False) as other:
            frozen.freeze()
            for level in range(1, 40):
                robot.page.show({"front": noise.copy()}, HudState(episode=level))
                await asyncio.sleep(0.002)
            await robot.until(lambda: bool(other.packets))
            await robot.until(lambda: other.packets[-1]["hud"]["episode"] == 39)

    run(test)


def test_pictures_that_stay_the_same_are_sent_once(robot: Robot) -> None:
    async def test() -> None:
        async with person(robot, take=False) as page:
            still, wrist = pictures(10)["front"], pictures(20)["front"]
            robot.page.show({"front": still, "wrist": wrist}, HudState())
            await robot.until(lambda: len(page.packets) == 1)
            robot.page.show({"front": still, "wrist": wrist.copy()}, HudState(episode=2))
            await robot.until(lambda: len(page.packets) == 2)
        first, second = page.packets
        assert [new["camera"] for new in first["new"]] == ["front", "wrist"]
        assert [new["camera"] for new in second["new"]] == ["wrist"]
        assert second["shown"] == ["front", "wrist"]
        assert second["hud"]["episode"] == 2

    run(test)


def test_feedback_and_the_newest_input_that_was_read_reach_the_page(robot: Robot) -> None:
    async def test() -> None:
        async with person(robot, take=False) as page:
            await page.take()
            await page.say(sequence=41)
            await robot.until(robot.moves)
            robot.hand.device.feedback(Feedback.SAVED)
            robot.page.show({}, HudState())
            await robot.until(lambda: bool(page.packets))
        assert page.packets[-1]["sequence"] == 41
        assert page.packets[-1]["feedback"]["saved"] == 1

    run(test)


def test_the_end_of_the_session_is_told(robot: Robot) -> None:
    async def test() -> None:
        async with person(robot) as anne:
            await asyncio.to_thread(robot.page.close)
            await robot.until(lambda: anne.socket.closed)
            assert anne.socket.close_code == aiohttp.WSCloseCode.GOING_AWAY

    run(test)


# Access ------------------------------------------------------------------------------------


async def status(robot: Robot, path: str, **headers: str) -> int:
    async with aiohttp.ClientSession() as session:
        get = session.get(f"http://{robot.address}{path}", headers=headers)
        async with get as response:
            return response.status


UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
}


def test_other_names_and_other_sites_are_turned_away(robot: Robot) -> None:
    async def test() -> None:
        own = f"http://{robot.address}"
        assert await status(robot, "/") == 200
        assert await status(robot, "/page.js") == 200
        assert await status(robot, "/nothing") == 404
        assert await status(robot, "/../page.py") == 404
        assert await status(robot, "/", Host="rebound.example") == 403
        assert await status(robot, "/", Host="192.0.2.7:8765") == 403
        assert await status(robot, "/socket", **UPGRADE, Origin=own) == 101
        assert await status(robot, "/socket", **UPGRADE) == 403
        for origin in (
            "http://evil.example",
            "null",
            "http://127.0.0.1:1",
            "",
            own + ".evil.example",
        ):
            assert await status(robot, "/socket", **UPGRADE, Origin=origin) == 403

    run(test)


def test_beyond_this_machine_a_token_is_needed(env: TaskEnv) -> None:
    robot = Robot(env)
    robot.page.close()
    robot.page = Page(robot.seat, END_EFFECTOR, "0.0.0.0", 0)
    token = robot.page.url.partition("?token=")[2]
    port = robot.page._server.port
    address = f"127.0.0.1:{port}"

    async def get(path: str, **headers: str) -> int:
        async with aiohttp.ClientSession() as session:
            get = session.get(f"http://{address}{path}", headers=headers)
            async with get as response:
                return response.status

    async def test() -> None:
        own = f"http://{address}"
        assert len(token) >= 20
        for wrong in ("", "?token=", "?token=guess", f"?token={token[:-1]}", f"?token={token}x"):
            assert await get("/" + wrong) == 403
            assert await get("/socket" + wrong, **UPGRADE, Origin=own) == 403
        assert await get(f"/?token={token}") == 200
        assert await get(f"/?token={token}", Host="rebound.example") == 403
        assert await get(f"/socket?token={token}", **UPGRADE, Origin="http://evil.example") == 403
        assert await get(f"/socket?token={token}", **UPGRADE, Origin=own) == 101

    try:
        run(test)
    finally:
        robot.page.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "[::1]"])
def test_this_machine_needs_no_token(host: str) -> None:
    assert Access.for_host(host).token == ""


def test_tokens_are_not_printed_with_their_owner() -> None:
    access = Access.for_host("0.0.0.0")
    assert access.token
    assert access.token not in repr(access)
    assert access.token != Access.for_host("0.0.0.0").token


@pytest.mark.parametrize("host", ["no such host.example", "", "1.2.3.4.5"])
def test_a_host_that_is_none_is_one_line(host: str) -> None:
    with pytest.raises(UserError, match="--host"):
        Page(Seat(), END_EFFECTOR, host, 0)


def test_a_port_that_is_taken_is_one_line(robot: Robot) -> None:
    port = int(robot.address.partition(":")[2])
    with pytest.raises(UserError, match="--port"):
        Page(Seat(), END_EFFECTOR, port=port)


def test_pages_are_limited(robot: Robot) -> None:
    async def test() -> None:
        async with aiohttp.ClientSession() as session:
            headers = {"Origin": f"http://{robot.address}"}
            url = f"ws://{robot.address}/socket"
            sockets = [await session.ws_connect(url, headers=headers) for _ in range(MAX_PAGES)]
            with pytest.raises(aiohttp.WSServerHandshakeError, match="503"):
                await session.ws_connect(url, headers=headers)
            await asyncio.gather(*(socket.close() for socket in sockets))

    run(test)
