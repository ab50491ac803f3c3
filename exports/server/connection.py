"""A WebSocket connection in the thread that uses it, which waits for nothing beyond a deadline.

The protocol is websockets' own, without its threads: a policy's answer wakes nobody but who asked,
and nothing is read that nobody waits for, so that a flood stays in the sender's buffers.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import ssl
import time
from collections import deque

from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.uri import parse_uri

_READ_BYTES = 2**18
#: Seconds to say goodbye in.
_FAREWELL = 0.2

_logger = logging.getLogger("ilrobot.server.client")
_logger.setLevel(logging.CRITICAL)  # whatever it would say is raised, in one line


class ConnectionLost(Exception):
    """The other side has closed the connection, or broke the protocol; why, if that is known."""


class Connection:
    """A client's end.

    Deadlines are times of `time.monotonic`.

    Args:
        address: ``ws://HOST:PORT`` or ``wss://HOST:PORT``.
        deadline: To be connected by.
        most_bytes: A longer message ends the connection.

    Raises:
        OSError: Nobody listens there, or not in time (`TimeoutError`).
        websockets.exceptions.WebSocketException: It is no WebSocket, or refuses us.
    """

    def __init__(self, address: str, *, deadline: float, most_bytes: int) -> None:
        uri = parse_uri(address)
        self._messages: deque[bytes | str] = deque()
        self._fragments: list[Frame] = []
        self._protocol = ClientProtocol(uri, max_size=most_bytes, logger=_logger)
        self._socket = socket.create_connection((uri.host, uri.port), _left(deadline))
        try:
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if uri.secure:
                context = ssl.create_default_context()
                self._socket = context.wrap_socket(self._socket, server_hostname=uri.host)
            self._protocol.send_request(self._protocol.connect())
            self._flush(deadline)
            while self._protocol.state is State.CONNECTING:
                self._read(deadline)
                if self._protocol.handshake_exc is not None:
                    raise self._protocol.handshake_exc
        except BaseException:
            self._socket.close()
            raise

    def send(self, data: bytes, deadline: float) -> None:
        """Send a message.

        Raises:
            ConnectionLost: The connection has ended.
            OSError: It breaks, or the other side does not read in time.
        """
        self._check()
        self._protocol.send_binary(data)
        self._flush(deadline)

    def receive(self, deadline: float) -> bytes | str:
        """The next message.

        Raises:
            ConnectionLost: The connection has ended.
            OSError: It breaks, or none came in time.
        """
        while not self._messages:
            self._check()
            self._read(deadline)
        return self._messages.popleft()

    def close(self) -> None:
        """Say goodbye and leave, without waiting for an answer."""
        with contextlib.suppress(OSError):
            if self._protocol.state is State.OPEN:
                self._protocol.send_close()
            self._flush(time.monotonic() + _FAREWELL)
        self._socket.close()

    def _read(self, deadline: float) -> None:
        """Take in what has come, or wait for it."""
        self._socket.settimeout(_left(deadline))
        data = self._socket.recv(_READ_BYTES)
        if data:
            self._protocol.receive_data(data)
        else:
            self._protocol.receive_eof()
        for event in self._protocol.events_received():
            if isinstance(event, Frame):
                self._take(event)
        self._flush(deadline)  # what the protocol answers by itself

    def _take(self, frame: Frame) -> None:
        if frame.opcode not in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            return
        self._fragments.append(frame)
        if not frame.fin:
            return
        data = b"".join(bytes(part.data) for part in self._fragments)
        is_text = self._fragments[0].opcode is Opcode.TEXT
        self._messages.append(data.decode(errors="replace") if is_text else data)
        self._fragments.clear()

    def _flush(self, deadline: float) -> None:
        for data in self._protocol.data_to_send():
            self._socket.settimeout(_left(deadline))
            if data:
                self._socket.sendall(data)
            else:  # the protocol's sign for the end
                with contextlib.suppress(OSError):
                    self._socket.shutdown(socket.SHUT_WR)

    def _check(self) -> None:
        protocol = self._protocol
        if protocol.state is State.OPEN:
            return
        said = protocol.close_rcvd.reason if protocol.close_rcvd is not None else ""
        raise ConnectionLost(said or " ".join(str(protocol.parser_exc or "").split()))


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("timed out")
    return left
