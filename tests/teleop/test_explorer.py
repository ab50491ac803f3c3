"""The explorer's server over real sockets and a real process: questions, faults and mistakes."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from ilrobot.errors import UserError
from ilrobot.typed_json import parse_fields
from teleop.explorer.conversation import MAX_MESSAGE
from teleop.explorer.exploration import Exploration, Step
from teleop.explorer.explorer import Explorer

PATIENCE = 60.0


@dataclass(frozen=True)
class Count:
    """Count down from a number; `until` is a file that a step waits for."""

    start: int
    until: str = ""
    slowly: float = 1.0


def begin(settings: dict[str, Any]) -> Count:
    asked = parse_fields(Count, settings)
    if asked.start < 1:
        raise UserError("there is nothing to count")
    return asked


def load() -> None:
    pass


def step(_: None, count: Count) -> Step[Count]:
    if count.start == 13:
        raise RuntimeError("a mistake of ours")
    while count.until and not Path(count.until).exists():
        time.sleep(0.01)
    rest = Count(count.start - 1, count.until) if count.start > 1 else None
    return {"left": count.start, "process": os.getpid()}, rest


COUNTING = Exploration(page="irl.html", hello={"most": 13}, begin=begin, load=load, step=step)


@pytest.fixture(scope="module")
def explorer() -> Iterator[Explorer]:
    made = Explorer(COUNTING, "127.0.0.1", 0)
    yield made
    made.close()


class Visitor:
    """A page as a program."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket

    async def ask(self, number: int, **settings: Any) -> None:
        await self.socket.send_json({"type": "ask", "number": number, "settings": settings})

    async def until(self, kind: str) -> dict[str, Any]:
        """The next message of this kind."""
        while True:
            message = await self.socket.receive_json()
            if message["type"] == kind:
                return dict(message)

    async def shut_out(self) -> str:
        """Why."""
        message = await self.socket.receive()
        while message.type is aiohttp.WSMsgType.TEXT:
            message = await self.socket.receive()
        assert message.type is aiohttp.WSMsgType.CLOSE
        return str(message.extra)


@asynccontextmanager
async def visit(explorer: Explorer) -> AsyncIterator[Visitor]:
    address = explorer.url.rstrip("/")
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(
            f"{address}/socket", headers={"Origin": address}, max_msg_size=0
        ) as socket,
    ):
        assert await socket.receive_json() == {"type": "hello", "most": 13}
        yield Visitor(socket)


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def limited() -> None:
        await asyncio.wait_for(test(), PATIENCE)

    asyncio.run(limited())


def test_each_step_is_told_and_then_the_end(explorer: Explorer) -> None:
    async def test() -> None:
        async with visit(explorer) as anne:
            await anne.ask(7, start=3)
            told = [await anne.socket.receive_json() for _ in range(4)]
        assert [one["type"] for one in told] == ["answer"] * 3 + ["done"]
        assert [one["answer"]["left"] for one in told[:3]] == [3, 2, 1]
        assert {one["number"] for one in told} == {7}
        assert told[0]["answer"]["process"] != os.getpid()

    run(test)


def test_what_a_person_sets_wrongly_is_one_line_and_nothing_ends(explorer: Explorer) -> None:
    async def test() -> None:
        async with visit(explorer) as anne:
            await anne.ask(1, start=0)
            assert await anne.until("wrong") == {
                "type": "wrong",
                "number": 1,
                "words": "there is nothing to count",
            }
            await anne.ask(2, start=1)
            assert (await anne.until("done"))["number"] == 2

    run(test)


ASK = {"type": "ask", "number": 1, "settings": {"start": 1}}
BAD: dict[str, tuple[str | bytes, str]] = {
    "no JSON": ("ask", "not JSON"),
    "deep": ("[" * 20_000, "not JSON"),
    "NaN": ('{"type": "ask", "number": NaN, "settings": {}}', "not JSON"),
    "a list": ("[1]", "no JSON object"),
    "no type": ("{}", "type is unknown"),
    "another type": ('{"type": "take"}', "type is unknown"),
    "more than that": (json.dumps({**ASK, "more": 1}), "type is unknown"),
    "no settings": ('{"type": "ask", "number": 1}', "type is unknown"),
    "settings in a list": (json.dumps({**ASK, "settings": [1]}), "settings"),
    "a number in words": (json.dumps({**ASK, "number": "1"}), "number is no count"),
    "a setting of another type": (json.dumps({**ASK, "settings": {"start": "1"}}), "'start'"),
    "a setting that is not there": (json.dumps({**ASK, "settings": {"end": 1}}), "'end'"),
    "a number beyond all": (
        json.dumps({**ASK, "settings": {"start": 1, "slowly": 10**400}}),
        "too large",
    ),
    "binary": (b"\x00\x01", "no text"),
}


@pytest.mark.parametrize(("message", "words"), BAD.values(), ids=BAD.keys())
def test_what_no_page_of_ours_sends_shuts_it_out_in_one_line(
    explorer: Explorer, message: str | bytes, words: str
) -> None:
    async def test() -> None:
        async with visit(explorer) as anne:
            if isinstance(message, bytes):
                await anne.socket.send_bytes(message)
            else:
                await anne.socket.send_str(message)
            assert words in await anne.shut_out()
        async with visit(explorer) as bob:
            await bob.ask(1, start=1)
            await bob.until("done")

    run(test)


def test_a_message_that_is_too_long_is_not_read(explorer: Explorer) -> None:
    async def test() -> None:
        async with visit(explorer) as anne:
            await anne.socket.send_str("x" * (MAX_MESSAGE + 1))
            await anne.shut_out()
            assert anne.socket.close_code == aiohttp.WSCloseCode.MESSAGE_TOO_BIG

    run(test)


def test_a_flood_is_shut_out(explorer: Explorer) -> None:
    async def test() -> None:
        async with visit(explorer) as anne:
            with suppress(ConnectionError):
                for _ in range(100):
                    await anne.socket.send_json({"type": "stop"})
            assert "too many" in await anne.shut_out()

    run(test)


def test_of_two_pages_the_second_waits_and_is_told_so(explorer: Explorer, tmp_path: Path) -> None:
    gate = tmp_path / "open"

    async def test() -> None:
        async with visit(explorer) as anne, visit(explorer) as bob:
            await anne.ask(1, start=1, until=str(gate))
            await bob.ask(1, start=2)
            # Whose message is read first is open.
            pages = {asyncio.ensure_future(one.until("waiting")) for one in (anne, bob)}
            done, waiting = await asyncio.wait(pages, return_when=asyncio.FIRST_COMPLETED)
            for task in waiting:
                task.cancel()
            assert len(done) == 1
            gate.touch()
            await asyncio.gather(anne.until("done"), bob.until("done"))

    run(test)


def test_a_new_question_replaces_the_one_before(explorer: Explorer, tmp_path: Path) -> None:
    gate = tmp_path / "open"

    async def test() -> None:
        async with visit(explorer) as anne:
            await anne.ask(1, start=5, until=str(gate))
            await anne.ask(2, start=1)
            gate.touch()
            told: list[dict[str, Any]] = []
            while not told or told[-1]["type"] != "done":
                told.append(await anne.socket.receive_json())
        assert {one["number"] for one in told} == {2}

    run(test)


def test_a_page_that_stops_or_goes_leaves_the_desk_free(explorer: Explorer, tmp_path: Path) -> None:
    gate = tmp_path / "open"

    async def test() -> None:
        async with visit(explorer) as anne:
            await anne.ask(1, start=1_000, until=str(gate))
            await anne.socket.send_json({"type": "stop"})
        async with visit(explorer) as bob:
            await bob.ask(1, start=1_000, until=str(gate))
        gate.touch()
        async with visit(explorer) as carol:
            await carol.ask(1, start=1)
            await carol.until("done")

    run(test)


def test_a_process_that_is_killed_is_told_and_replaced(explorer: Explorer, tmp_path: Path) -> None:
    async def test() -> None:
        async with visit(explorer) as anne:
            await anne.ask(1, start=1)
            killed = (await anne.until("answer"))["answer"]["process"]
            await anne.ask(2, start=1, until=str(tmp_path / "never"))
            os.kill(killed, signal.SIGKILL)
            failed = await anne.until("failed")
            assert failed["number"] == 2
            assert "run it again" in failed["words"]
            await anne.ask(3, start=1)
            assert (await anne.until("answer"))["answer"]["process"] != killed

    run(test)


def test_a_mistake_of_ours_is_told_on_both_sides(
    explorer: Explorer, capfd: pytest.CaptureFixture[str]
) -> None:
    async def test() -> None:
        async with visit(explorer) as anne:
            await anne.ask(1, start=13)
            assert "terminal" in (await anne.until("failed"))["words"]

    run(test)
    assert "a mistake of ours" in capfd.readouterr().err


def test_the_end_is_told_and_leaves_no_process(tmp_path: Path) -> None:
    explorer = Explorer(COUNTING, "127.0.0.1", 0)

    async def test() -> None:
        async with visit(explorer) as anne:
            await anne.ask(1, start=1)
            process = (await anne.until("answer"))["answer"]["process"]
            await anne.ask(2, start=1, until=str(tmp_path / "never"))
            await asyncio.to_thread(explorer.close)
            assert await anne.shut_out() == "the session has ended"
            while Path(f"/proc/{process}/stat").exists():
                if Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                    break
                await asyncio.sleep(0.01)

    run(test)


def test_only_its_own_page_and_files_are_served_and_only_to_this_machine(
    explorer: Explorer,
) -> None:
    async def test() -> None:
        async with aiohttp.ClientSession() as session:

            async def status(path: str, **headers: str) -> int:
                get = session.get(explorer.url.rstrip("/") + path, headers=headers)
                async with get as response:
                    return response.status

            assert [await status(path) for path in ("/", "/link.js", "/icon.svg")] == [200] * 3
            assert [await status(path) for path in ("/drift.html", "/../x")] == [404] * 2
            assert await status("/", Host="rebound.example") == 403
            assert await status("/socket", Origin="http://evil.example") == 403

    run(test)


def test_a_port_that_is_taken_is_one_line_and_leaves_no_process(explorer: Explorer) -> None:
    port = int(explorer.url.rstrip("/").rpartition(":")[2])
    with pytest.raises(UserError, match="--port"):
        Explorer(COUNTING, "127.0.0.1", port)


def test_the_end_of_a_session_waits_for_what_nobody_waits_for(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    explorer = Explorer(COUNTING, "127.0.0.1", 0)

    async def test() -> None:
        async with visit(explorer) as anne:
            await anne.ask(1, start=1, until=str(tmp_path / "never"))
            while not explorer._desk.busy:
                await asyncio.sleep(0.01)
            await anne.socket.send_json({"type": "stop"})

    run(test)
    explorer.close()
    gc.collect()
    assert "destroyed" not in caplog.text
    assert "never retrieved" not in caplog.text
