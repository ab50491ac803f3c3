"""The server of the page as the control loop sees it, which never waits for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from teleop.browser.connection import Connection
from teleop.browser.frames import Frame
from teleop.browser.messages import MAX_MESSAGE
from teleop.browser.seat import Seat
from teleop.display import Pictures
from teleop.hud import HudState
from teleop.web.access import Access
from teleop.web.server import WebServer, static_files


class Server:
    """Serves the page until it is closed.

    Args:
        seat: Where the pages' inputs go.
        access: Who may open it, and on which address.
        port: 0 for any that is free.
        hello: What each page is told first: keys and buttons.

    Raises:
        UserError: The address cannot be listened on.
    """

    def __init__(self, seat: Seat, access: Access, port: int, hello: Mapping[str, Any]) -> None:
        self._seat, self._hello = seat, dict(hello)
        self._connections: set[Connection] = set()
        self._frame: Frame | None = None
        self._waking = False
        self._web = WebServer(access, port, static_files("teleop.browser"), self._open, MAX_MESSAGE)

    @property
    def url(self) -> str:
        """What to open."""
        return self._web.url

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._web.port

    def publish(self, pictures: Pictures, state: HudState) -> None:
        """Let every page show this as soon as it can; returns at once.

        Pictures must not be changed afterwards.
        """
        before = self._frame
        number = 1 if before is None else before.number + 1
        frame = Frame(number, pictures, state, self._seat.sequence)
        if before is not None:
            frame.keep_encodings(before)
        self._frame = frame
        if not self._waking:
            self._waking = True
            self._web.soon(self._wake)

    def close(self) -> None:
        """Tell the pages that the session has ended, and stop."""
        self._web.close()

    def _open(self, socket: web.WebSocketResponse) -> Connection:
        made = Connection(
            socket, self._seat, self._hello, lambda: self._frame, self._wake, self._left
        )
        self._connections.add(made)
        return made

    def _left(self, gone: Connection) -> None:
        self._connections.discard(gone)
        self._wake()

    def _wake(self) -> None:
        self._waking = False
        for connection in self._connections:
            connection.wake()
