"""A page that is slow to listen while it speaks is told all the same why it ends."""

from __future__ import annotations

import base64
import json
import os
import socket
import threading
import time

from teleop.bindings import END_EFFECTOR
from teleop.browser.page import Page
from teleop.browser.seat import Seat

#: A browser on a busy machine draws for so long before it reads again, in seconds.
BUSY = 2.0


def test_a_page_that_still_speaks_when_it_is_told_goodbye_reads_why() -> None:
    page = Page(Seat(), END_EFFECTOR, port=0)
    host, port = page.url.removeprefix("http://").rstrip("/").split(":")
    with socket.create_connection((host, int(port))) as link:
        key = base64.b64encode(os.urandom(16)).decode()
        link.sendall(
            f"GET /socket HTTP/1.1\r\nHost: {host}:{port}\r\nOrigin: http://{host}:{port}\r\n"
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Key: {key}\r\n\r\n".encode()
        )
        assert b" 101 " in link.recv(64)
        closing = threading.Thread(target=page.close)
        closing.start()
        until = time.monotonic() + BUSY
        while time.monotonic() < until:
            link.sendall(_frame(1, json.dumps({"type": "let_go"}).encode()))
            time.sleep(0.02)
        link.sendall(_frame(8, (1001).to_bytes(2, "big")))
        read = b""
        while more := link.recv(4096):
            read += more
        closing.join()
    assert b"the session has ended" in read


def _frame(opcode: int, payload: bytes) -> bytes:
    """A client's frame of a WebSocket, masked by zeros; RFC 6455, section 5.2."""
    return bytes([0x80 | opcode, 0x80 | len(payload), 0, 0, 0, 0]) + payload
