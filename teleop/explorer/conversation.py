"""One open page: it asks, and is told what comes of it, step by step."""

from __future__ import annotations

import asyncio
import contextlib
import json
import traceback
from typing import Any, Generic, TypeVar

from aiohttp import WSCloseCode, WSMessage, WSMsgType, web

from ilrobot.errors import UserError, WorkFailed
from teleop.explorer.desk import Desk
from teleop.explorer.exploration import Exploration
from teleop.web.allowance import Allowance
from teleop.web.message import BadMessage, count, json_object

State = TypeVar("State")

#: Longest message that is read, in bytes: some paths over a grid, written out.
MAX_MESSAGE = 2**16
#: A person presses a button; a page that asks more often than so is broken or hostile.
MAX_RATE = 10.0
MAX_BURST = 40.0


class Conversation(Generic[State]):
    """A page and its WebSocket.

    It says ``{"type": "ask", "number": N, "settings": {…}}`` and ``{"type": "stop"}``; a new
    question replaces the one before. It is told of the question N: ``waiting`` for another page,
    each ``answer``, and last ``done``, or in one line what was ``wrong`` with it or ``failed``.
    A message of another form ends the conversation.

    Args:
        socket: Prepared.
        exploration: What the page is for.
        desk: Where it is worked out.
    """

    def __init__(
        self, socket: web.WebSocketResponse, exploration: Exploration[State], desk: Desk
    ) -> None:
        self._socket, self._exploration, self._desk = socket, exploration, desk
        self._allowance = Allowance(MAX_RATE, MAX_BURST)
        self._answering: asyncio.Task[None] | None = None

    async def serve(self) -> None:
        """Talk with the page until it goes or has to go."""
        try:
            await self._socket.send_json({"type": "hello", **self._exploration.hello})
            async for message in self._socket:
                try:
                    await self._hear(message)
                except BadMessage as error:
                    await self._socket.close(
                        code=WSCloseCode.POLICY_VIOLATION,
                        message=f"bad message: {error}".encode()[:120],
                    )
        finally:
            await self._stop()

    async def _hear(self, message: WSMessage) -> None:
        if message.type is not WSMsgType.TEXT:
            raise BadMessage("it is no text")
        if not self._allowance.spend():
            raise BadMessage("there are too many of them")
        fields = json_object(message.data)
        kind = fields.pop("type", None)
        if kind == "stop" and not fields:
            await self._stop()
        elif kind == "ask" and fields.keys() == {"number", "settings"}:
            if not isinstance(fields["settings"], dict):
                raise BadMessage("settings are no JSON object")
            await self._ask(count(fields["number"], "number"), fields["settings"])
        else:
            raise BadMessage("its type is unknown")

    async def _ask(self, number: int, settings: dict[str, Any]) -> None:
        await self._stop()
        try:
            state = self._exploration.begin(settings)
        except UserError as error:
            await self._tell("wrong", number, words=str(error))
        except (ValueError, OverflowError) as error:  # an integer that no float holds
            raise BadMessage(str(error)) from error
        else:
            self._answering = asyncio.ensure_future(self._answer(number, state))

    async def _answer(self, number: int, state: State) -> None:
        step = self._exploration.step
        going: State | None = state
        try:
            while going is not None:
                if self._desk.busy:
                    await self._tell("waiting", number)
                answer, going = await self._desk.work(step, going)
                await self._tell("answer", number, answer=answer)
            await self._tell("done", number)
        except UserError as error:
            await self._tell("wrong", number, words=str(error))
        except WorkFailed as error:
            await self._tell("failed", number, words=str(error))
        except ConnectionError:
            return  # it has gone meanwhile
        except Exception:
            # A mistake of ours: the terminal has all of it, and the page must not wait for ever.
            traceback.print_exc()
            await self._tell("failed", number, words="this went wrong; the terminal says how")

    async def _tell(self, kind: str, number: int, **more: Any) -> None:
        said = {"type": kind, "number": number, **more}
        await self._socket.send_str(json.dumps(said, allow_nan=False, separators=(",", ":")))

    async def _stop(self) -> None:
        """Of the question before, nothing more is told."""
        if self._answering is not None:
            self._answering.cancel()
            with contextlib.suppress(asyncio.CancelledError, ConnectionError):
                await self._answering
            self._answering = None
