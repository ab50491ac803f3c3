"""A server of pages with a WebSocket each: its own thread and event loop; nobody waits for it."""

from __future__ import annotations

import asyncio
import importlib.resources
import logging
import threading
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from importlib.resources.abc import Traversable
from typing import Any, Protocol, TypeVar

from aiohttp import WSCloseCode, web
from aiohttp.http_exceptions import HttpProcessingError

from ilrobot.errors import UserError
from teleop.web.access import Access, Refused

Answer = TypeVar("Answer")

#: Most pages at a time.
MAX_PAGES = 16
#: Seconds that a page has to answer a goodbye. One that is cut off while it still speaks is reset,
#: and then it never reads why.
_FAREWELL = 5.0
_GOODBYE = b"the session has ended"
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


def _is_our_fault(record: logging.LogRecord) -> bool:
    """Whether a logged fault is one of our handlers, not of who sent what is no request.

    Of that the answer (400) is enough: anybody who reaches the port could else fill the terminal
    of whoever records.
    """
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


_log = logging.getLogger(__name__)
_log.addFilter(_is_our_fault)


def static_files(package: str, index: str = "index.html") -> dict[str, Traversable]:
    """The files of a package's folder `static`, and the icon that all pages have, by path.

    Args:
        package: Whose.
        index: Which of its pages is ``/``; the others are left out.
    """
    folder = importlib.resources.files(package) / "static"
    files = {f"/{file.name}": file for file in folder.iterdir() if not _is_page(file)}
    icon = importlib.resources.files("teleop.web") / "static" / "icon.svg"
    return {**files, "/icon.svg": icon, "/": folder / index}


def _is_page(file: Traversable) -> bool:
    return file.name.endswith(".html")


class OpenPage(Protocol):
    """One open page; called in the server's thread only."""

    async def serve(self) -> None:
        """Talk with it until it goes, has to go, or this is cancelled as the session ends."""


class WebServer:
    """Serves files and WebSockets until it is closed.

    Args:
        access: Who may open the pages, and on which address.
        port: 0 for any that is free.
        files: By path, ``/`` among them; each is what its ending says.
        open_page: Makes what talks with a page over its WebSocket, which is prepared.
        max_message: Longest message of a page that is read, in bytes.

    Raises:
        UserError: The address cannot be listened on.
    """

    def __init__(
        self,
        access: Access,
        port: int,
        files: Mapping[str, Traversable],
        open_page: Callable[[web.WebSocketResponse], OpenPage],
        max_message: int,
    ) -> None:
        self._access, self._files, self._open_page = access, dict(files), open_page
        self._max_message = max_message
        self._talks: dict[asyncio.Task[None], asyncio.Task[None]] = {}
        self._loop = asyncio.new_event_loop()
        self._runner = web.AppRunner(self._application(), access_log=None, logger=_log)
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

    def soon(self, call: Callable[[], None]) -> None:
        """Let the server's thread call it; returns at once."""
        self._loop.call_soon_threadsafe(call)

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
        handlers = list(self._talks.values())
        for talk in self._talks:
            talk.cancel()
        if handlers:
            await asyncio.wait(handlers)
        await self._runner.cleanup()
        # What a page asked for and did not wait for; a loop that stops before would complain of it.
        unfinished = asyncio.all_tasks() - {asyncio.current_task()}
        if unfinished:
            await asyncio.wait(unfinished, timeout=_FAREWELL)

    def _application(self) -> web.Application:
        application = web.Application(middlewares=[self._guard], client_max_size=self._max_message)
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
        if len(self._talks) >= MAX_PAGES:
            return web.Response(status=503, text=f"{MAX_PAGES} pages are open already\n")
        socket = web.WebSocketResponse(
            max_msg_size=self._max_message, heartbeat=10.0, compress=False, timeout=_FAREWELL
        )
        await socket.prepare(request)
        talk = asyncio.ensure_future(self._open_page(socket).serve())
        handler: asyncio.Task[None] | None = asyncio.current_task()
        assert handler is not None
        self._talks[talk] = handler
        try:
            await asyncio.wait([talk])
            if talk.cancelled():
                # By who read it: closed from elsewhere it would not wait for the page's answer.
                await socket.close(code=WSCloseCode.GOING_AWAY, message=_GOODBYE)
            else:
                talk.result()
        finally:
            talk.cancel()
            del self._talks[talk]
        return socket
