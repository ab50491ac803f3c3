"""One open page: what it sends is checked, what it is sent is never more than it can draw."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import WSCloseCode, WSMessage, WSMsgType, web

from teleop.browser.frames import Frame, pack
from teleop.browser.messages import BadMessage, Drawn, Input, LetGo, Take, parse
from teleop.browser.seat import Seat
from teleop.web.allowance import Allowance

#: A page sends some 150 messages a second; one that sends more than `MAX_RATE` for longer than
#: `MAX_BURST` allows is broken or hostile.
MAX_RATE = 300.0
MAX_BURST = 400.0


class Connection:
    """A page and its WebSocket.

    The next frame is sent when the page has drawn the one before, and it is the newest then: a
    slow page gets fewer frames, never a queue of old ones.

    Args:
        socket: Prepared.
        seat: Where its inputs go while it has control.
        hello: What the page is told first.
        newest: The newest frame (None: there is none yet).
        changed: To be called when the seat has changed hands, so that every page is told.
        gone: To be called when the page has gone.
    """

    def __init__(
        self,
        socket: web.WebSocketResponse,
        seat: Seat,
        hello: Mapping[str, Any],
        newest: Callable[[], Frame | None],
        changed: Callable[[], None],
        gone: Callable[[Connection], None],
    ) -> None:
        self._socket, self._seat, self._hello = socket, seat, hello
        self._newest, self._changed, self._gone = newest, changed, gone
        self._wakeup = asyncio.Event()
        self._sent: Frame | None = None
        self._told: dict[str, Any] = {}
        self._drawing = False
        self._allowance = Allowance(MAX_RATE, MAX_BURST)

    def wake(self) -> None:
        """There may be something new to show."""
        self._wakeup.set()

    async def serve(self) -> None:
        """Talk with the page until it goes or has to go."""
        why = "the page was closed"
        sender = asyncio.ensure_future(self._send())
        try:
            why = await self._listen() or why
        finally:
            self._seat.leave(self, why)
            self._gone(self)
            sender.cancel()
            with contextlib.suppress(asyncio.CancelledError, ConnectionError):
                await sender

    async def _listen(self) -> str:
        """Why it ended, if it did not simply go."""
        async for message in self._socket:
            wrong = self._hear(message)
            if wrong:
                # At once: closing takes as long as the other side likes.
                self._seat.leave(self, f"the page was shut out ({wrong})")
                await self._socket.close(
                    code=WSCloseCode.POLICY_VIOLATION, message=wrong.encode()[:120]
                )
        if self._socket.close_code == WSCloseCode.MESSAGE_TOO_BIG:
            return "the page was shut out (its message was too long)"
        return ""

    def _hear(self, message: WSMessage) -> str:
        """Take one message; what is wrong with it, or nothing."""
        if message.type is not WSMsgType.TEXT:
            return "it sent something that is no text"
        if not self._allowance.spend():
            return "it sends too many messages"
        try:
            said = parse(message.data)
        except BadMessage as error:
            return f"bad message: {error}"
        if isinstance(said, Input):
            self._seat.put(self, said)
        elif isinstance(said, Drawn):
            self._drawing = (
                self._drawing and self._sent is not None and (said.frame != self._sent.number)
            )
            self.wake()
        elif isinstance(said, Take):
            self._seat.take(self)
            self._changed()
        elif isinstance(said, LetGo):
            self._seat.leave(self, "nobody is in control on the page")
            self._changed()
        return ""

    async def _send(self) -> None:
        await self._socket.send_json(self._hello)
        self.wake()
        while True:
            await self._wakeup.wait()
            self._wakeup.clear()
            frame = self._newest()
            told = self._news()
            if self._drawing or frame is None:
                continue
            if frame is self._sent and told == self._told:
                continue
            packet = pack(frame, self._sent, told)
            self._sent, self._told, self._drawing = frame, told, True
            await self._socket.send_bytes(packet)

    def _news(self) -> dict[str, Any]:
        mine, standing = self._seat.standing(self)
        return {
            "mine": mine,
            "seat": standing.value,
            "feedback": self._seat.feedback_counts,
        }
