"""A policy that is computed by a server elsewhere, as the robot's end sees it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray
from websockets.exceptions import InvalidURI, WebSocketException
from websockets.uri import parse_uri

from exports.runtime.exported_policy import ExportedPolicy
from exports.server.codec import MalformedMessage
from exports.server.connection import Connection, ConnectionLost
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
#: Seconds without a chunk after which nobody hopes for another.
PATIENCE = 20.0


class PredictionFailed(LateAnswer, WorkFailed):
    """The server gave no chunk this time. The next prediction connects again."""


class RemotePolicy(ExportedPolicy):
    """A policy on a server that ``ilrobot serve`` started.

    The contract comes from the server when it connects; whoever runs the policy keeps its limits at
    the robot's end, as with a file. A prediction that fails says so at once or when its time is up
    and never hands on what it doubts: an answer of another shape, to another request, not finite.
    After that it connects again, to the same policy only. Once no prediction has come for
    `PATIENCE` it gives up.

    Args:
        address: ``ws://HOST:PORT``, or ``wss://…`` where a proxy before the server speaks TLS.
        tell: Called with a line when predictions begin to fail, and when they come again.

    Raises:
        UserError: Nobody answers there, or no policy server of the same version, or its contract is
            refused.
    """

    def __init__(self, address: str, tell: Callable[[str], None] = lambda _: None) -> None:
        try:
            parse_uri(address)
        except (InvalidURI, ValueError) as error:
            raise UserError(f"{address} is no address of a server; give ws://HOST:PORT") from error
        try:
            connection, contract = _connect(address, CONNECT_TIMEOUT)
        except PredictionFailed as error:
            raise UserError(
                f"{error}; start it with: ilrobot serve --policy FILE.onnx --port PORT"
            ) from error
        super().__init__(address, contract)
        self._connection: Connection | None = connection
        self._messages = Messages(contract)
        self._timeout = max(LEAST_TIMEOUT, contract.horizon / contract.spec.rate)
        self._number = 0
        self._retry_at = 0.0
        self._tell = tell
        self._failing_since: float | None = None

    def predict(
        self,
        history: Mapping[str, NDArray[Any]],
        noise: NDArray[np.float32] | None,
        guide: Guide | None = None,
    ) -> Prediction:
        """Predict a chunk; see `ilrobot.control.chunks.ChunkPredictor`.

        Raises:
            PredictionFailed: The server is gone, too slow or talks nonsense.
            WorkFailed: It has been so for too long, or came back with another policy.
        """
        try:
            prediction = self._ask(history, noise, guide)
        except PredictionFailed as error:
            self.close()
            now = time.monotonic()
            if self._failing_since is None:
                self._tell(f"no chunk: {error}; asking again for {PATIENCE:g} s")
                self._failing_since = now
            if now - self._failing_since >= PATIENCE:
                raise WorkFailed(
                    f"no chunk for {PATIENCE:g} s: {error}; look at the server and deploy again"
                ) from error
            raise
        if self._failing_since is not None:
            self._tell(f"chunks again from {self.where}")
        self._failing_since = None
        return prediction

    def close(self) -> None:
        """Leave the server."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _ask(
        self,
        history: Mapping[str, NDArray[Any]],
        noise: NDArray[np.float32] | None,
        guide: Guide | None,
    ) -> Prediction:
        connection = self._reconnected()
        self._number += 1
        request = self._messages.request(history, noise, guide, self._number)
        deadline = time.monotonic() + self._timeout
        with _explained(self.where, self._timeout):
            connection.send(request, deadline)
            return self._messages.read_answer(connection.receive(deadline), self._number)

    def _reconnected(self) -> Connection:
        """The open connection, or a new one.

        Raises:
            PredictionFailed: It cannot be had now.
            WorkFailed: The server is another one.
        """
        if self._connection is None:
            if (wait := self._retry_at - time.monotonic()) > 0:
                time.sleep(wait)
            self._retry_at = time.monotonic() + RECONNECT_AFTER
            try:
                connection, contract = _connect(self.where, self._timeout)
            except UserError as error:
                raise WorkFailed(f"the server is not what it was: {error}") from error
            if contract.to_json() != self.contract.to_json():
                connection.close()
                raise WorkFailed(f"{self.where} serves another policy than before; deploy again")
            self._connection = connection
        return self._connection


def _connect(address: str, timeout: float) -> tuple[Connection, Contract]:
    """A connection, and the contract that came over it."""
    deadline = time.monotonic() + timeout
    with _explained(address, timeout), ExitStack() as stack:
        connection = Connection(address, deadline=deadline, most_bytes=MOST_METADATA_BYTES)
        stack.callback(connection.close)
        contract = read_metadata(connection.receive(deadline), address)
        stack.pop_all()
    return connection, contract


@contextmanager
def _explained(where: str, timeout: float) -> Iterator[None]:
    """Turn what goes wrong between us and a server into one line.

    Raises:
        PredictionFailed: The server is gone, too slow or talks nonsense.
    """
    try:
        yield
    except TimeoutError as error:
        raise PredictionFailed(f"{where} did not answer within {timeout:.3g} s") from error
    except ConnectionLost as error:
        why = f" ({error})" if str(error) else ""
        raise PredictionFailed(f"{where} ended the connection{why}") from error
    except MalformedMessage as error:
        raise PredictionFailed(f"{where}: {error}") from error
    except (OSError, WebSocketException) as error:
        words = " ".join(str(error).split()) or type(error).__name__
        raise PredictionFailed(f"no policy server at {where} ({words:.200})") from error
