"""What is no HTTP request at a page's port: answered, and not written into anybody's terminal."""

from __future__ import annotations

import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from aiohttp import web

from teleop.web.access import Access
from teleop.web.server import OpenPage, WebServer

HOST = b"Host: localhost\r\n"
NONSENSE = {
    "overlong address": b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\n" + HOST,
    "negative length": b"GET / HTTP/1.1\r\nContent-Length: -5\r\n" + HOST,
    "overlong header": b"GET / HTTP/1.1\r\nX: " + b"a" * 20_000 + b"\r\n" + HOST,
    "two hosts": b"GET / HTTP/1.1\r\n" + HOST + HOST,
    "unknown version": b"GET / HTTP/9.9\r\n" + HOST,
    "broken address": b"GET http://[bad HTTP/1.1\r\n" + HOST,
    "no HTTP": b"\x16\x03\x01" + bytes(range(256)),
}


def _no_page(_: web.WebSocketResponse) -> OpenPage:
    raise AssertionError("nobody opens one")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[WebServer]:
    """One file that is there, and one that is not."""
    (tmp_path / "index.html").write_text("here")
    files = {"/": tmp_path / "index.html", "/gone.js": tmp_path / "gone.js"}
    with closing(WebServer(Access("127.0.0.1"), 0, files, _no_page, 4096)) as made:
        yield made


@pytest.mark.parametrize("sent", NONSENSE.values(), ids=NONSENSE.keys())
def test_nonsense_is_answered_and_prints_nothing(
    server: WebServer, sent: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as line:
        line.sendall(sent + b"\r\n")
        assert line.recv(100).startswith(b"HTTP/1.0 400 ")
    with urllib.request.urlopen(server.url, timeout=20) as answer:
        assert answer.read() == b"here"
    assert not caplog.records


def test_a_fault_of_our_own_is_told(server: WebServer, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(urllib.error.HTTPError, match="500"):
        urllib.request.urlopen(f"{server.url}gone.js", timeout=20)
    (told,) = caplog.records
    assert told.exc_info is not None
    assert told.exc_info[0] is FileNotFoundError
