"""Messages as bytes: msgpack maps of bounded size.

Nothing here runs what it reads: a message is numbers, strings, lists and maps, checked one by one,
and whatever is wrong is a `MessageError`.
"""

from __future__ import annotations

import msgpack

from exports.robots.fields import MOST_INTEGER, MessageError, field, integer, number, record
from exports.robots.messages import (
    Body,
    Capabilities,
    Command,
    Header,
    Heard,
    Heartbeat,
    Hello,
    Observation,
    Refusal,
    Reset,
    State,
    Status,
    Stop,
)
from ilrobot.spec import Spec

#: Of the format; a receiver refuses any other.
VERSION = 1
#: A message is no longer than this many bytes (a UDP datagram holds 65,507 at most).
MOST_BYTES = 16 * 2**20
#: No list is longer; pictures are bytes.
MOST_ELEMENTS = 65_536
#: No map has more entries.
MOST_ENTRIES = 1_000

_BODIES: dict[str, type[Body]] = {
    body.TYPE: body
    for body in (
        *(Hello, Capabilities, Reset, Command, Heartbeat),
        *(Stop, Observation, Status, Refusal),
    )
}


def encode(header: Header, body: Body) -> bytes:
    """A message as bytes.

    Raises:
        MessageError: It is longer than a message may be.
    """
    data = _packed(header, body)
    if len(data) > MOST_BYTES:
        raise MessageError(f"a message of {len(data)} bytes; at most {MOST_BYTES} are sent")
    return data


def observation_bytes(spec: Spec) -> int:
    """How long a message with what a robot of this spec observes is at most."""
    body = Observation(
        episode=MOST_INTEGER,
        measured=0.0,
        heard=Heard(MOST_INTEGER, 0.0, 0.0),
        state=State.HOLDING,
        success=None,
        values={
            f.name: bytes(f.size) if f.is_image and f.dtype == "uint8" else (0.0,) * f.size
            for f in spec.observations
        },
        pose=(0.0,) * spec.action.size,
    )
    return len(_packed(Header(MOST_INTEGER, MOST_INTEGER, 0.0), body))


def _packed(header: Header, body: Body) -> bytes:
    content = {"v": VERSION, "type": body.TYPE, **header._asdict(), **vars(body)}
    data: bytes = msgpack.packb(content, default=vars)  # vars: of `Heard`
    return data


def decode(data: bytes) -> tuple[Header, Body]:
    """A message from bytes that anybody may have sent.

    Raises:
        MessageError: It is none, of another version, or one of its values is not as it should be.
    """
    if len(data) > MOST_BYTES:
        raise MessageError(f"{len(data)} bytes; at most {MOST_BYTES} are read")
    try:
        message = msgpack.unpackb(
            data,
            strict_map_key=True,
            max_array_len=MOST_ELEMENTS,
            max_map_len=MOST_ENTRIES,
            max_ext_len=0,
        )
    except ValueError as error:  # the base of all that msgpack raises for bytes
        raise MessageError(f"no msgpack ({type(error).__name__})") from error
    if not isinstance(message, dict):
        raise MessageError("not a map")
    version, kind = message.get("v"), message.get("type")
    if type(version) is not int or version != VERSION:
        raise MessageError(f"version {_said(version)} of messages; this side speaks {VERSION}")
    body = _BODIES.get(kind) if isinstance(kind, str) else None
    if body is None:
        raise MessageError(f"unknown type {_said(kind)}")
    header = Header(
        field(message, "session", integer),
        field(message, "seq", integer),
        field(message, "time", number),
    )
    return header, record(body, body.READERS)(message)


def _said(value: object) -> str:
    """A value for a message; of maps and lists, which may be deep, only that they are."""
    return type(value).__name__ if isinstance(value, (dict, list)) else f"{value!r:.40}"
