"""How messages travel: UDP datagrams or ZeroMQ frames, each end a `Link` that never waits to send.

An address is ``udp://HOST:PORT`` or ``zmq+tcp://HOST:PORT``. The robot's end listens, the
controller's end connects. Over ZeroMQ the robot is a ROUTER and the controller a DEALER, with one
frame to a message.
"""

from __future__ import annotations

import contextlib
import select
import socket
from typing import Any, Protocol

from exports.robots.wire import MOST_BYTES
from ilrobot.errors import UserError, WorkFailed

#: A UDP datagram over IPv4 holds no more.
MOST_DATAGRAM_BYTES = 65_507
#: What the kernel is asked to keep of arriving datagrams: a burst, and no long past.
_RECEIVE_BUFFER = 1 << 17
#: ZeroMQ drops what exceeds this number of messages, rather than keep an old queue.
_QUEUE = 32


class Link(Protocol):
    """One end of a connection.

    Attributes:
        address: Where it listens or is connected to.
        most_bytes: No longer message fits through it.
    """

    address: str
    most_bytes: int

    def receive(self) -> tuple[Any, bytes] | None:
        """The next message that has arrived and who sent it (None: there is none)."""

    def send(self, peer: Any, data: bytes) -> None:
        """Send, or drop it where that would wait.

        Args:
            peer: As `receive` gave it; a connected end has one peer only, and None will do.
            data: The message.
        """

    def wait(self, seconds: float) -> None:
        """Return when something has arrived, or after this time."""

    def close(self) -> None:
        """Free the socket."""


class UdpLink:
    """See `Link`; `connect` makes the kernel drop what others than the robot send.

    Args:
        address: ``udp://HOST:PORT``, of which port 0 lets the system choose one to listen on.
        listen: Whether this is the robot's end.

    Raises:
        UserError: The address is none, not this machine's, or taken.
    """

    most_bytes = MOST_DATAGRAM_BYTES

    def __init__(self, address: str, *, listen: bool) -> None:
        host, port = host_and_port(address)
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
            family, kind, protocol, _, place = found[0]
            self._socket = socket.socket(family, kind, protocol)
        except (OSError, UnicodeError) as error:
            raise UserError(f"{address}: {_reason(error)}; look at the address") from error
        try:
            self._socket.setblocking(False)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
            if listen:
                self._socket.bind(place)
            else:
                self._socket.connect(place)
        except OSError as error:
            self._socket.close()
            what = "cannot be listened on" if listen else "cannot be reached"
            raise UserError(f"{address} {what}: {_reason(error)}; choose another") from error
        self._listens = listen
        port = self._socket.getsockname()[1] if listen else port
        self.address = f"udp://{host}:{port}"

    def receive(self) -> tuple[Any, bytes] | None:
        """See `Link`."""
        while True:
            try:
                data, peer = self._socket.recvfrom(MOST_DATAGRAM_BYTES + 1)
            except BlockingIOError:
                return None
            except ConnectionError:
                continue  # an earlier datagram found nobody there; silence says that too
            return peer, data

    def send(self, peer: Any, data: bytes) -> None:
        """See `Link`.

        Raises:
            WorkFailed: The message does not fit a datagram.
        """
        if len(data) > MOST_DATAGRAM_BYTES:
            raise WorkFailed(
                f"{self.address}: a message of {len(data)} bytes does not fit a UDP datagram "
                f"(at most {MOST_DATAGRAM_BYTES}); use zmq+tcp:// for pictures"
            )
        # A full buffer, a network that has gone, nobody there: the message is lost, as any may be.
        with contextlib.suppress(OSError):
            if self._listens:
                self._socket.sendto(data, peer)
            else:
                self._socket.send(data)

    def wait(self, seconds: float) -> None:
        """See `Link`."""
        select.select([self._socket], [], [], max(seconds, 0.0))

    def close(self) -> None:
        """See `Link`."""
        self._socket.close()


class ZmqLink:
    """See `Link`; a message that exceeds `MOST_BYTES` ends the connection that brought it.

    Args:
        address: ``zmq+tcp://HOST:PORT``, of which port 0 lets the system choose one to listen on.
        listen: Whether this is the robot's end.

    Raises:
        UserError: pyzmq is missing, or the address is none, not this machine's, or taken.
    """

    most_bytes = MOST_BYTES

    def __init__(self, address: str, *, listen: bool) -> None:
        try:
            import zmq
        except ModuleNotFoundError as error:
            raise UserError(f"{address} needs pyzmq: pip install 'ilrobot[robot]'") from error
        self._zmq: Any = zmq
        host, port = host_and_port(address)
        self._listens = listen
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.ROUTER if listen else zmq.DEALER)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.setsockopt(zmq.MAXMSGSIZE, MOST_BYTES)
        self._socket.setsockopt(zmq.SNDHWM, _QUEUE)
        # Nothing is kept for a robot that is not there: it would get old commands when it comes.
        self._socket.setsockopt(zmq.IMMEDIATE, 1)
        place = f"tcp://{'*' if listen and host == '0.0.0.0' else host}:{port}"
        try:
            if listen:
                self._socket.bind(f"tcp://{host}:*" if port == 0 else place)
                bound = self._socket.getsockopt_string(zmq.LAST_ENDPOINT)
                port = int(bound.rsplit(":", 1)[1])
            else:
                self._socket.connect(place)
        except zmq.ZMQError as error:
            self.close()
            what = "cannot be listened on" if listen else "cannot be reached"
            raise UserError(f"{address} {what}: {error.strerror}; choose another") from error
        self.address = f"zmq+tcp://{host}:{port}"

    def receive(self) -> tuple[Any, bytes] | None:
        """See `Link`."""
        while True:
            try:
                frames = self._socket.recv_multipart(self._zmq.NOBLOCK)
            except self._zmq.Again:
                return None
            if len(frames) == (2 if self._listens else 1):
                return (frames[0] if self._listens else None), frames[-1]

    def send(self, peer: Any, data: bytes) -> None:
        """See `Link`."""
        # Again: the queue is full or nobody is connected. EHOSTUNREACH: that peer has gone.
        with contextlib.suppress(self._zmq.Again):
            self._socket.send_multipart(
                [peer, data] if self._listens else [data], self._zmq.NOBLOCK
            )

    def wait(self, seconds: float) -> None:
        """See `Link`."""
        # Its descriptor tells of changes only, so what is there already is asked for first.
        if not self._socket.getsockopt(self._zmq.EVENTS) & self._zmq.POLLIN:
            select.select([self._socket.fileno()], [], [], max(seconds, 0.0))

    def close(self) -> None:
        """See `Link`."""
        self._socket.close()
        self._context.term()


_LINKS: dict[str, type[UdpLink] | type[ZmqLink]] = {"udp": UdpLink, "zmq+tcp": ZmqLink}


def is_address(text: str) -> bool:
    """Whether it looks like ``SCHEME://...``, be the rest right or wrong."""
    return "://" in text


def open_link(address: str, *, listen: bool) -> Link:
    """The link of an address.

    Args:
        address: ``udp://HOST:PORT`` or ``zmq+tcp://HOST:PORT``.
        listen: Whether this is the robot's end, which others connect to.

    Raises:
        UserError: No such kind of address, or it cannot be opened.
    """
    kind = _LINKS.get(address.partition("://")[0]) if is_address(address) else None
    if kind is None:
        raise UserError(f"'{address}' is no address: udp://HOST:PORT or zmq+tcp://HOST:PORT")
    return kind(address, listen=listen)


def host_and_port(address: str) -> tuple[str, int]:
    """What follows ``://``.

    Raises:
        UserError: It is not HOST:PORT.
    """
    host, _, port = address.partition("://")[2].rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or int(port) > 65_535:
        raise UserError(f"'{address}' is no address: after :// comes HOST:PORT, port 0 to 65535")
    return host.strip("[]"), int(port)


def _reason(error: OSError | UnicodeError) -> str:
    return getattr(error, "strerror", None) or str(error)
