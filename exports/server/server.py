"""The server: one policy, computed here for robots that are elsewhere."""

from __future__ import annotations

import asyncio
import http
import logging
import socket
import sys
import time
from collections.abc import Callable

import numpy as np
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from exports.runtime.exported_policy import ExportedPolicy
from exports.server.codec import MalformedMessage
from exports.server.messages import Messages, check_actions, metadata
from ilrobot.control.histogram import TimeHistogram

#: More clients at once are refused.
MOST_CLIENTS = 32
#: Seconds in which a client may say goodbye.
_CLOSE_TIMEOUT = 1.0

_logger = logging.getLogger("ilrobot.server")
# Whoever talks something else to the port is no error of ours, and may do so as often as he likes.
_logger.addFilter(lambda record: record.msg != "opening handshake failed")


class PolicyServer:
    """Answers the requests of several clients, one at a time, in the order in which they came.

    Of a client one request is answered, then it is the others' turn, so that of n clients each gets
    every n-th chunk, whatever the others send. A request is no longer than the policy's inputs are;
    a longer one ends its connection. What cannot be read is answered by a line of text. Connections
    of pages in a browser, which state an origin, are refused: any page that somebody opens could
    make one.

    Args:
        policy: What is served.

    Attributes:
        answered: How many requests were answered with a chunk.
        refused: How many with text.
        inference: Seconds that the policy took for each chunk.
    """

    def __init__(self, policy: ExportedPolicy) -> None:
        self.answered = self.refused = 0
        self.inference = TimeHistogram()
        self._policy = policy
        self._messages = Messages(policy.contract)
        self._metadata = metadata(policy.contract)
        self._generator = np.random.default_rng()
        self._clients = 0

    async def run(
        self, host: str, port: int, stop: asyncio.Event, ready: Callable[[str, int], None]
    ) -> None:
        """Serve until `stop` is set.

        Args:
            host: Address to bind.
            port: 0 for any that is free.
            stop: Ends it: what is being computed is finished, then the clients are told.
            ready: Called with address and port once clients can connect.

        Raises:
            OSError: The address cannot be bound.
        """
        async with serve(
            self._serve_client,
            host,
            port,
            compression=None,
            max_size=self._messages.most_request_bytes,
            max_queue=1,
            close_timeout=_CLOSE_TIMEOUT,
            ping_interval=None,  # a client reads nothing but answers; see `_notice_the_dead`
            origins=[None],
            process_request=self._before_handshake,
            logger=_logger,
        ) as server:
            ready(*_bound(server))
            await stop.wait()

    def _before_handshake(self, connection: ServerConnection, request: Request) -> Response | None:
        if request.path == "/healthz":  # as openpi's server does
            return connection.respond(http.HTTPStatus.OK, "OK\n")
        if self._clients >= MOST_CLIENTS:
            return connection.respond(
                http.HTTPStatus.SERVICE_UNAVAILABLE, f"{MOST_CLIENTS} clients are connected\n"
            )
        return None

    async def _serve_client(self, connection: ServerConnection) -> None:
        self._clients += 1
        try:
            _notice_the_dead(connection)
            await connection.send(self._metadata)
            while True:
                await connection.send(self._answer(await connection.recv()))
                await asyncio.sleep(0)  # the others' turn, even where more has come already
        except ConnectionClosed:
            pass  # the client's affair
        finally:
            self._clients -= 1

    def _answer(self, data: bytes | str) -> bytes | str:
        try:
            request = self._messages.read_request(data)
            noise = request.noise
            shape = self._policy.contract.noise_shape
            if noise is None and shape is not None:
                noise = self._generator.standard_normal(shape, dtype=np.float32)
            began = time.perf_counter()
            prediction = self._policy.predict(request.history, noise, request.guide)
            ended = time.perf_counter()
            check_actions(prediction.chunk, self._policy.spec.choices)
        except MalformedMessage as error:
            self.refused += 1
            return str(error)
        except Exception as error:  # ONNX Runtime's own exceptions share no narrower base
            self.refused += 1
            _logger.error("the policy failed", exc_info=True)
            return f"the policy failed: {' '.join(str(error).split()):.300}"
        self.answered += 1
        self.inference.add(ended - began)
        timing = {"infer_ms": 1e3 * (ended - began)}
        return self._messages.answer(prediction, request.number, timing)


def _bound(server: Server) -> tuple[str, int]:
    address = next(iter(server.sockets)).getsockname()
    return str(address[0]), int(address[1])


def _notice_the_dead(connection: ServerConnection) -> None:
    """Let TCP ask whether the client is still there, within a minute."""
    client: socket.socket = connection.transport.get_extra_info("socket")
    client.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if sys.platform == "linux":
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 20)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 10)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 4)
