"""The server of the page: its own thread and event loop; the control loop never waits for it."""

from __future__ import annotations

import asyncio
import importlib.resources
import threading
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any, TypeVar

from aiohttp import WSCloseCode, web

from ilrobot.errors import UserError
from teleop.browser.access import Access, Refused
from teleop.browser.connection import Connection
from teleop.browser.frames import Frame
from teleop.browser.messages import MAX_MESSAGE
from teleop.browser.seat import Seat
from teleop.display import Pictures
from teleop.hud import HudState

Answer = TypeVar("Answer")

#: Most pages at a time.
MAX_PAGES = 16
_TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}
_HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "connect-src 'self' ws://{host}; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)


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
        self._seat, self._access, self._hello = seat, access, dict(hello)
        self._pages: set[Connection] = set()
        self._frame: Frame | None = None
        self._waking = False
        self._loop = asyncio.new_event_loop()
        self._files = {
            f"/{'' if file.name == 'index.html' else file.name}": file
            for file in (importlib.resources.files("teleop.browser") / "static").iterdir()
        }
        self._runner = web.AppRunner(self._application(), access_log=None)
        # Not in this thread, which may run a loop of its own, as in a notebook.
        self._thread = threading.Thread(target=self._run, name="ilrobot-page", daemon=True)
        self._thread.start()
        try:
            self.port = self._ask(self._listen(port))
        except OSError as error:
            self.close()
            raise UserError(
                f"the page cannot be served at {access.host}:{port} "
                f"({error.strerror or error}); choose another --port or --host"
            ) from error

    @property
    def url(self) -> str:
        """What to open."""
        return self._access.url(self.port)

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
            self._loop.call_soon_threadsafe(self._wake)

    def close(self) -> None:
        """Tell the pages that the session has ended, and stop."""
        if self._loop.is_closed():
            return
        self._ask(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    def _ask(self, question: Coroutine[Any, Any, Answer]) -> Answer:
        """Let the server's thread do it, and wait."""
        return asyncio.run_coroutine_threadsafe(question, self._loop).result()

    async def _listen(self, port: int) -> int:
        await self._runner.setup()
        self._site = web.TCPSite(self._runner, self._access.host, port)
        await self._site.start()
        address: tuple[Any, ...] = self._runner.addresses[0]
        return int(address[1])

    async def _end(self) -> None:
        # First, or a page that was told would connect again before all others were.
        await self._site.stop()
        ends = (page.close(WSCloseCode.GOING_AWAY, "the session has ended") for page in self._pages)
        await asyncio.gather(*ends, return_exceptions=True)
        await self._runner.cleanup()

    def _wake(self) -> None:
        self._waking = False
        for page in self._pages:
            page.wake()

    def _application(self) -> web.Application:
        application = web.Application(middlewares=[self._guard], client_max_size=MAX_MESSAGE)
        application.router.add_get("/socket", self._socket)
        application.router.add_get("/{name:.*}", self._file)
        return application

    @web.middleware
    async def _guard(
        self,
        request: web.Request,
        handler: Callable[[web.Request], Awaitable[web.StreamResponse]],
    ) -> web.StreamResponse:
        try:
            self._access.check_host(request.headers.get("Host", ""))
            if request.path in ("/", "/socket"):
                self._access.check_token(request.query.get("token"))
            if request.path == "/socket":
                self._access.check_origin(request.headers.get("Origin"), request.headers["Host"])
        except Refused as refused:
            return web.Response(status=403, text=f"{refused}\n", headers=_HEADERS)
        return await handler(request)

    async def _file(self, request: web.Request) -> web.Response:
        file = self._files.get(request.path)
        if file is None:
            raise web.HTTPNotFound(text="there is no such page\n")
        kind = _TYPES["." + file.name.rpartition(".")[2]]
        policy = _POLICY.format(host=request.headers["Host"])
        return web.Response(
            text=file.read_text(encoding="utf-8"),
            content_type=kind,
            headers={**_HEADERS, "Content-Security-Policy": policy},
        )

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        if len(self._pages) >= MAX_PAGES:
            return web.Response(status=503, text=f"{MAX_PAGES} pages are open already\n")
        socket = web.WebSocketResponse(
            max_msg_size=MAX_MESSAGE, heartbeat=10.0, compress=False, timeout=1.0
        )
        await socket.prepare(request)
        page = Connection(socket, self._seat, lambda: self._frame, self._wake)
        self._pages.add(page)
        try:
            await page.serve(self._hello)
        finally:
            self._pages.discard(page)
            self._wake()
        return socket
