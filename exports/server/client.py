"""A policy that is computed by a server elsewhere, as the robot's end sees it."""

from __future__ import annotations

import logging
import socket
import struct
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from websockets.exceptions import ConnectionClosed, InvalidURI, WebSocketException
from websockets.sync.client import ClientConnection, connect
from websockets.uri import parse_uri

from exports.runtime.exported_policy import ExportedPolicy
from exports.server.codec import MalformedMessage
from exports.server.messages import MOST_METADATA_BYTES, Messages, read_metadata
from ilrobot.actors import LateAnswer
from ilrobot.control.contract import Contract
from ilrobot.control.drawing import Guide, Prediction
from ilrobot.errors import UserError, WorkFailed

#: Seconds to connect and to be told the contract.
CONNECT_TIMEOUT = 5.0
#: No answer is waited for longer than the chunk that it would bring, or than this, in seconds.
LEAST_TIMEOUT = 1.0
#: Seconds between two attempts to connect again.
RECONNECT_AFTER = 0.2
_CLOSE_TIMEOUT = 0.2

_logger = logging.getLogger("ilrobot.server.client")
_logger.setLevel(logging.CRITICAL)  # whatever it would say is raised here, in one line

_Said = TypeVar("_Said")


class PredictionFailed(LateAnswer, WorkFailed):
    """The server gave no chunk this time. The next prediction connects again."""


class RemotePolicy(ExportedPolicy):
    """A policy on a server that ``ilrobot serve`` started.

    The contract comes from the server when it connects; whoever runs the policy keeps its limits at
    the robot's end, as with a file. A prediction that fails says so at once or when its time is up
    and never hands on what it doubts: an answer of another shape, to another request, not finite.
    After that it connects again, to the same policy only.

    Args:
        address: ``ws://HOST:PORT``, or ``wss://…`` where a proxy before the server speaks TLS.
        tell: Called with a line when predictions begin to fail, and when they come again.

    Raises:
        UserError: Nobody answers there, or no policy server of the same version, or its contract is
            refused.
    """

    def __init__(self, address: str, tell: Callable[[str], None] = lambda _: None) -> None:
        self._open: tuple[ExitStack, ClientConnection] | None = None
        try:
            parse_uri(address)
        except (InvalidURI, ValueError) as error:
            raise UserError(f"{address} is no address of a server; give ws://HOST:PORT") from error
        try:
            stack, connection, contract = _connect(address, CONNECT_TIMEOUT)
        except PredictionFailed as error:
            raise UserError(
                f"{error}; start it with: ilrobot serve --policy FILE.onnx --port PORT"
            ) from error
        super().__init__(address, contract)
        self._open = stack, connection
        self._messages = Messages(contract)
        self._timeout = max(LEAST_TIMEOUT, contract.horizon / contract.spec.rate)
        self._number = 0
        self._retry_at = 0.0
        self._tell, self._failing = tell, False
        self._set_timeout(connection)

    def __call__(
        self,
        history: Mapping[str, NDArray[Any]],
        noise: NDArray[np.float32] | None,
        guide: Guide | None = None,
    ) -> NDArray[Any]:
        """Predict a chunk; see `ilrobot.control.chunks.ChunkPredictor`.

        Raises:
            PredictionFailed: The server is gone, too slow or talks nonsense.
            WorkFailed: It came back with another policy.
        """
        return self.predict(history, noise, guide).chunk

    def predict(
        self,
        history: Mapping[str, NDArray[Any]],
        noise: NDArray[np.float32] | None,
        guide: Guide | None = None,
    ) -> Prediction:
        """See `ExportedPolicy`; raises as `__call__` does."""
        try:
            prediction = self._ask(history, noise, guide)
        except PredictionFailed as error:
            self.close()
            if not self._failing:
                self._tell(f"no chunk: {error}")
            self._failing = True
            raise
        if self._failing:
            self._tell(f"chunks again from {self.where}")
        self._failing = False
        return prediction

    def close(self) -> None:
        """Leave the server."""
        if self._open is not None:
            self._open[0].close()
            self._open = None

    def _ask(
        self,
        history: Mapping[str, NDArray[Any]],
        noise: NDArray[np.float32] | None,
        guide: Guide | None,
    ) -> Prediction:
        connection = self._connection()
        self._number += 1
        request = self._messages.request(history, noise, guide, self._number)

        def exchange() -> Prediction:
            connection.send(request)
            return self._messages.read_answer(connection.recv(self._timeout), self._number)

        return _said(self.where, self._timeout, exchange)

    def _connection(self) -> ClientConnection:
        """The open connection, or a new one."""
        if self._open is None:
            if (wait := self._retry_at - time.monotonic()) > 0:
                time.sleep(wait)
            self._retry_at = time.monotonic() + RECONNECT_AFTER
            try:
                stack, connection, contract = _connect(self.where, self._timeout)
            except UserError as error:
                raise WorkFailed(f"the server is not what it was: {error}") from error
            if contract.to_json() != self.contract.to_json():
                stack.close()
                raise WorkFailed(f"{self.where} serves another policy than before; deploy again")
            self._open = stack, connection
            self._set_timeout(connection)
        return self._open[1]

    def _set_timeout(self, connection: ClientConnection) -> None:
        """So that a server that reads nothing cannot hold a request for ever."""
        seconds = int(self._timeout)
        fraction = int(1e6 * (self._timeout - seconds))
        connection.socket.setsockopt(
            socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("@ll", seconds, fraction)
        )


def _connect(address: str, timeout: float) -> tuple[ExitStack, ClientConnection, Contract]:
    """A connection, what closes it, and the contract that came over it."""

    def hear() -> tuple[ExitStack, ClientConnection, Contract]:
        with ExitStack() as stack:
            connection = stack.enter_context(
                connect(
                    address,
                    compression=None,
                    proxy=None,
                    open_timeout=timeout,
                    close_timeout=_CLOSE_TIMEOUT,
                    ping_interval=None,  # a request has its time limit
                    max_size=MOST_METADATA_BYTES,
                    max_queue=1,
                    logger=_logger,
                )
            )
            contract = read_metadata(connection.recv(timeout), address)
            return stack.pop_all(), connection, contract

    return _said(address, timeout, hear)


def _said(where: str, timeout: float, exchange: Callable[[], _Said]) -> _Said:
    """What an exchange with the server came to.

    Raises:
        PredictionFailed: The server is gone, too slow or talks nonsense.
    """
    try:
        return exchange()
    except TimeoutError as error:
        raise PredictionFailed(f"{where} did not answer within {timeout:.3g} s") from error
    except ConnectionClosed as error:
        reason = error.rcvd.reason if error.rcvd is not None else ""
        raise PredictionFailed(
            f"{where} ended the connection{f' ({reason})' if reason else ''}"
        ) from error
    except MalformedMessage as error:
        raise PredictionFailed(f"{where}: {error}") from error
    except (OSError, WebSocketException, UnicodeDecodeError) as error:
        words = " ".join(str(error).split()) or type(error).__name__
        raise PredictionFailed(f"no policy server at {where} ({words:.200})") from error
