"""What a policy server and its clients say to one another: openpi's messages, and our contract.

On connecting the server sends one map, the metadata. Then the client sends a request and the server
answers it, again and again. A request is a map from the names of the policy's inputs to arrays
without a batch axis; of an observation of which the policy reads one tick, the axis of the history
may be left out, too. An answer is a map with ``actions``, or text: one line that says what was
wrong. So openpi's own client (``openpi_client.websocket_client_policy``) is understood as it is.

docs/serving.md has the tables.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from exports.runtime.session import NOISE, PREFIX, PREFIX_WEIGHTS
from exports.server.codec import MalformedMessage, pack, unpack
from ilrobot.control.contract import Contract
from ilrobot.control.drawing import Guide, Prediction
from ilrobot.errors import UserError

#: Of what is said here beyond openpi's protocol; a client refuses any other.
VERSION = 1
ACTIONS = "actions"
#: Numbers a request, and comes back with its answer.
ID = "id"

#: Of the metadata; the golden vectors of a policy with cameras are long.
MOST_METADATA_BYTES = 64 * 2**20
#: Beside an array's elements: its name, type and shape.
_BYTES_PER_ARRAY = 256


@dataclass(frozen=True)
class Request:
    """What a policy is asked.

    Attributes:
        history: For each observation shape (n_obs, *shape), float32, finite; pictures uint8.
        noise: Of the contract's noise shape (None: it takes none, or none was sent).
        guide: Where its sampler is led (None: nowhere).
        number: Comes back with the answer (None: the client does not count).
    """

    history: dict[str, NDArray[Any]]
    noise: NDArray[np.float32] | None
    guide: Guide | None
    number: int | None


class Messages:
    """Requests and answers for one policy.

    Args:
        contract: The policy's; it gives names and shapes.
    """

    def __init__(self, contract: Contract) -> None:
        spec, horizon = contract.spec, contract.horizon
        self._observations = {f.name: (contract.n_obs, *f.shape) for f in spec.observations}
        self._pictures = frozenset(camera.name for camera in spec.cameras)
        self._chunk = (horizon, *spec.action.shape)
        self._choices = spec.choices
        self._signals = contract.signals
        self._horizon = horizon
        self._optional: dict[str, tuple[int, ...]] = {}
        if contract.noise_shape is not None:
            self._optional[NOISE] = contract.noise_shape
        if contract.sampler_steps is not None:
            self._optional[PREFIX] = self._chunk
            self._optional[PREFIX_WEIGHTS] = (contract.sampler_steps, horizon)

    @property
    def most_request_bytes(self) -> int:
        """No request is longer, its elements being of eight bytes."""
        shapes = [*self._observations.values(), *self._optional.values(), ()]
        return sum(8 * math.prod(shape) + _BYTES_PER_ARRAY for shape in shapes)

    def request(
        self,
        history: Mapping[str, NDArray[Any]],
        noise: NDArray[np.float32] | None,
        guide: Guide | None,
        number: int,
    ) -> bytes:
        """A request; see `ilrobot.control.chunks.ChunkPredictor` for the arguments."""
        message: dict[str, Any] = {ID: number}
        for name in self._observations:
            message[name] = history[name]
        if noise is not None:
            message[NOISE] = noise
        if guide is not None:
            message |= {PREFIX: guide.prefix, PREFIX_WEIGHTS: guide.weights}
        return pack(message)

    def read_request(self, data: bytes | str) -> Request:
        """Inverse of `request`.

        Raises:
            MalformedMessage: It is none, or lacks an input, has one too many, or one of another
                shape, or one that is not finite.
        """
        message = _map(data)
        number = message.pop(ID, None)
        if number is not None and type(number) is not int:
            raise MalformedMessage(f"'{ID}' is no whole number")
        known = {**self._observations, **self._optional}
        if unknown := sorted(message.keys() - known.keys()):
            raise MalformedMessage(
                f"this policy takes no {unknown[0]!r:.100}; it takes {', '.join(known)}"
            )
        history = {
            name: (_bytes if name in self._pictures else _floats)(
                message, name, shape, one_tick=shape[0] == 1
            )
            for name, shape in self._observations.items()
        }
        given = {
            name: _floats(message, name, shape)
            for name, shape in self._optional.items()
            if name in message
        }
        if (PREFIX in given) != (PREFIX_WEIGHTS in given):
            raise MalformedMessage(f"'{PREFIX}' and '{PREFIX_WEIGHTS}' come together or not at all")
        guide = Guide(given[PREFIX], given[PREFIX_WEIGHTS]) if PREFIX in given else None
        return Request(history, given.get(NOISE), guide, number)

    def answer(self, prediction: Prediction, number: int | None, timing: dict[str, float]) -> bytes:
        """An answer.

        Args:
            prediction: What the policy said.
            number: Of the request.
            timing: Milliseconds, by openpi's names.
        """
        message: dict[str, Any] = {ACTIONS: prediction.chunk, "server_timing": timing}
        message |= prediction.signals
        if number is not None:
            message[ID] = number
        return pack(message)

    def read_answer(self, data: bytes | str, number: int) -> Prediction:
        """Inverse of `answer`, to the request of that number.

        Raises:
            MalformedMessage: It is text, answers another request, or holds no chunk of this policy.
        """
        if isinstance(data, str):
            raise MalformedMessage(f"it refused: {data:.300}")
        message = _map(data)
        if message.get(ID) != number:
            raise MalformedMessage(f"an answer to request {message.get(ID)!r:.40}, not {number}")
        chunk = message.get(ACTIONS)
        wanted = np.dtype(np.float32 if self._choices is None else np.int64)
        if not (isinstance(chunk, np.ndarray) and chunk.dtype == wanted):
            raise MalformedMessage(f"'{ACTIONS}' is no array of {wanted}")
        if chunk.shape != self._chunk:
            raise MalformedMessage(
                f"'{ACTIONS}' has shape {list(chunk.shape)} instead of {list(self._chunk)}"
            )
        check_actions(chunk, self._choices)
        if not self._signals:
            return Prediction(chunk)
        return Prediction(
            chunk, {name: _floats(message, name, (self._horizon,)) for name in self._signals}
        )


def metadata(contract: Contract) -> bytes:
    """What the server says first."""
    text = json.dumps(contract.to_json(), allow_nan=False)
    return pack({"v": VERSION, "type": "policy", "contract": text})


def read_metadata(data: bytes | str, where: str) -> Contract:
    """The contract of the policy that a server offers.

    Args:
        data: The first message.
        where: The server's address, for the message.

    Raises:
        UserError: It is no such server, of another version, or the contract is refused.
    """
    try:
        message = _map(data)
    except MalformedMessage as error:
        raise UserError(f"{where} is no policy server of ilrobot: it sent {error}") from error
    if message.get("type") != "policy" or not isinstance(message.get("contract"), str):
        raise UserError(
            f"{where} serves no policy with a contract, so nothing says what its inputs mean or "
            "what its actions may be; start it with ilrobot serve"
        )
    if message.get("v") != VERSION:
        raise UserError(
            f"{where} speaks version {message.get('v')!r:.40} of the messages, this side "
            f"{VERSION}; install the same ilrobot on both"
        )
    return Contract.from_text(message["contract"], where)


def check_actions(chunk: NDArray[Any], choices: int | None) -> None:
    """Whether a chunk can be acted by at all.

    Raises:
        MalformedMessage: An action is not finite, or none of the choices.
    """
    if choices is None and not np.isfinite(chunk).all():
        raise MalformedMessage("an action is not finite")
    if choices is not None and not ((chunk >= 0) & (chunk < choices)).all():
        raise MalformedMessage(f"an action is none of the {choices} choices")


def _map(data: bytes | str) -> dict[str, Any]:
    if isinstance(data, str):
        raise MalformedMessage("text, not bytes")
    return unpack(data)


def _floats(
    message: Mapping[str, Any], name: str, shape: tuple[int, ...], *, one_tick: bool = False
) -> NDArray[np.float32]:
    """An input of this shape; with `one_tick` its first axis, of length 1, may be missing."""
    value = _shaped(message, name, shape, one_tick=one_tick)
    with np.errstate(over="ignore"):
        floats: NDArray[np.float32] = np.asarray(value, np.float32)
    if not np.isfinite(floats).all():
        raise MalformedMessage(f"'{name}' is not finite")
    return floats


def _bytes(
    message: Mapping[str, Any], name: str, shape: tuple[int, ...], *, one_tick: bool = False
) -> NDArray[np.uint8]:
    """Pictures, likewise."""
    value = _shaped(message, name, shape, one_tick=one_tick)
    if value.dtype != np.uint8:
        raise MalformedMessage(f"'{name}' is a picture of {value.dtype}, not uint8")
    return value


def _shaped(
    message: Mapping[str, Any], name: str, shape: tuple[int, ...], *, one_tick: bool
) -> NDArray[Any]:
    value = message.get(name)
    if value is None:
        raise MalformedMessage(f"'{name}' is missing")
    if not isinstance(value, (np.ndarray, np.generic)):
        raise MalformedMessage(f"'{name}' is no array")
    if one_tick and value.shape == shape[1:]:
        value = value.reshape(shape)
    if value.shape != shape:
        raise MalformedMessage(f"'{name}' has shape {list(value.shape)} instead of {list(shape)}")
    return np.asarray(value)
