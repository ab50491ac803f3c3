"""Who may open the page."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest

from ilrobot.errors import UserError
from ilrobot.task_env import TaskEnv
from teleop.bindings import END_EFFECTOR
from teleop.browser.page import Page
from teleop.browser.seat import Seat
from teleop.web.access import Access
from teleop.web.server import MAX_PAGES
from tests.teleop.page_person import Robot, run


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
            "http://[bad",
        ):
            assert await status(robot, "/socket", **UPGRADE, Origin=origin) == 403

    run(test)


def test_beyond_this_machine_a_token_is_needed(reach: TaskEnv) -> None:
    robot = Robot(reach)
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
