"""The messages between controller and robot: what is sent arrives, and nothing else gets in."""

import math
from dataclasses import replace

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exports.robots.fields import MOST_INTEGER, MOST_LEVELS, MessageError
from exports.robots.messages import (
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
from exports.robots.wire import (
    MOST_BYTES,
    MOST_ELEMENTS,
    VERSION,
    decode,
    encode,
    observation_bytes,
)
from tests.exports.plant import plant_spec

HEADER = Header(session=2**62 + 1, seq=7, time=12.5)
SPEC = {"observations": [{"name": "observation.state", "shape": [2], "low": [None, 0.5]}]}
SEEN = Observation(
    3,
    measured=99.25,
    heard=Heard(6, 12.0, 99.125),
    state=State.MOVING,
    success=None,
    values={"observation.state": (math.inf, -math.inf, 0.0), "observation.images.a": b"\0\1"},
)
BODIES = [
    Hello(),
    Capabilities("arm", SPEC, any_rate=False, time_limit=None, timeout=0.2),
    Capabilities("arm", SPEC, any_rate=True, time_limit=200, timeout=0.2, joints={"names": ["a"]}),
    Reset(1, 200_000, None),
    Reset(1, 200_000, {"mode": ["delta"], "low": [None], "high": [0.1]}),
    Reset(1, 200_000, None, {"low": [None], "high": [0.5]}),
    Command(3, (0.1, -0.25, 1e-300)),
    Heartbeat(),
    Stop(3),
    SEEN,
    Observation(3, 9.5, Heard(6, 12.0, 9.25), State.ENDED, True, {}, pose=(0.5, math.inf)),
    Status(3, State.ENDED, (0.5,), None),
    Status(3, State.HOLDING, None, (0.0,)),
    Refusal("another controller drives"),
]

#: What the first robots and controllers of this version did not send.
MAY_BE_MISSING = ("joints", "pose", "workspace")


def valid(body):
    return msgpack.unpackb(encode(HEADER, body))


def refused(message, why="."):
    data = message if isinstance(message, bytes) else msgpack.packb(message)
    with pytest.raises(MessageError, match=why) as caught:
        decode(data)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("body", BODIES, ids=lambda body: body.TYPE)
def test_what_is_sent_arrives(body):
    assert decode(encode(HEADER, body)) == (HEADER, body)


@pytest.mark.parametrize("body", BODIES, ids=lambda body: body.TYPE)
def test_a_message_is_a_plain_map_with_the_documented_head(body):
    message = valid(body)
    assert (message["v"], message["type"]) == (1, body.TYPE)
    assert (message["session"], message["seq"], message["time"]) == HEADER


@pytest.mark.parametrize("body", BODIES, ids=lambda body: body.TYPE)
def test_every_key_is_needed_and_others_are_ignored(body):
    message = valid(body)
    assert decode(msgpack.packb({**message, "later": 1})) == (HEADER, body)
    for key in message:
        if key in MAY_BE_MISSING:
            read = decode(msgpack.packb({k: v for k, v in message.items() if k != key}))
            assert read == (HEADER, replace(body, **{key: None}))
            continue
        refused({k: v for k, v in message.items() if k != key}, key if key != "v" else "version")


@pytest.mark.parametrize("body", BODIES, ids=lambda body: body.TYPE)
def test_a_message_cut_short_anywhere_is_refused(body):
    data = encode(HEADER, body)
    for length in range(len(data)):
        refused(data[:length])
    refused(data + b"\0")


def test_nan_is_refused_in_a_command_but_passes_in_an_observation():
    for bad in (math.nan, math.inf, -math.inf):
        refused({**valid(Command(1, (0.0,))), "values": [bad]}, "'values' is not finite")
        refused({**valid(Hello()), "time": bad}, "'time'")
    message = {**valid(SEEN), "values": {"observation.state": [math.nan, 1, True]}}
    _, body = decode(msgpack.packb(message))
    first, *rest = body.values["observation.state"]
    assert math.isnan(first)
    assert rest == [1.0, 1.0]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"v": VERSION + 1}, "version 2 of messages; this side speaks 1"),
        ({"v": True}, "version"),
        ({"type": "shell"}, "unknown type 'shell'"),
        ({"type": ["hello"]}, "unknown type"),
        ({"seq": -1}, "'seq'"),
        ({"seq": 1.0}, "'seq'"),
        ({"seq": True}, "'seq'"),
        ({"seq": MOST_INTEGER + 1}, "'seq'"),
        ({"session": "a"}, "'session'"),
        ({"time": "now"}, "'time'"),
        ({"episode": None}, "'episode'"),
        ({"values": 1.0}, "'values'"),
        ({"values": ["1.0"]}, "'values'"),
        ({"values": [[1.0]]}, "'values'"),
        ({"values": b"\0\0\0\0"}, "'values'"),
    ],
)
def test_a_wrong_value_is_named(change, why):
    refused({**valid(Command(1, (0.0,))), **change}, why)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"state": "dancing"}, "'state' is none of moving, holding, ended"),
        ({"state": ["moving"]}, "'state'"),
        ({"success": "yes"}, "'success'"),
        ({"heard": {"seq": 1, "time": 0.0}}, "'heard' 'received' is missing"),
        ({"heard": [1, 2, 3]}, "'heard'"),
        ({"values": {b"raw": [1.0]}}, "'values'"),
        ({"values": {"a": {"b": [1.0]}}}, "'values'"),
    ],
)
def test_a_wrong_value_of_an_observation_is_named(change, why):
    refused({**valid(SEEN), **change}, why)


def test_sizes_are_bounded():
    command = valid(Command(1, (0.0,)))
    decode(msgpack.packb({**command, "values": [0.0] * MOST_ELEMENTS}))
    refused({**command, "values": [0.0] * (MOST_ELEMENTS + 1)}, "no msgpack")
    refused({**command, **{f"k{i}": 0 for i in range(1_000)}}, "no msgpack")
    refused({**valid(Refusal("no")), "reason": "n" * 1_001}, "'reason'")
    refused(bytes(MOST_BYTES + 1), "bytes; at most")
    with pytest.raises(MessageError, match="at most"):
        encode(HEADER, Refusal("n" * (MOST_BYTES + 1)))


def test_a_bomb_does_not_go_off():
    refused(b"\x91" * 100_000, "no msgpack")  # a list in a list in a list ...
    refused(b"\xdd\xff\xff\xff\xff", "no msgpack")  # four thousand million elements to come
    refused(b"\xdf\xff\xff\xff\xff", "no msgpack")
    refused(b"\xc6\xff\xff\xff\xff", "no msgpack")
    refused(msgpack.packb(msgpack.ExtType(5, b"code")), "no msgpack")
    refused(msgpack.packb({**valid(Hello()), "seq": msgpack.Timestamp(1)}), "no msgpack")
    refused(b"\x80\x80", "no msgpack")
    refused(msgpack.packb({1: 2}), "no msgpack")
    refused(msgpack.packb([1, 2]), "not a map")


@pytest.mark.parametrize("shell", [lambda inner: {"a": inner}, lambda inner: [inner]])
def test_what_lies_too_deep_is_refused(shell):
    deep = 0
    for _ in range(1_000):  # msgpack's own bound is beyond that of Python's stack
        deep = shell(deep)
    reset = valid(Reset(1, 2, None))
    refused({**reset, "limits": {"a": deep}}, "'limits' is no map of what JSON can hold, 32 levels")
    refused({**reset, "v": deep}, "version (dict|list) of messages")
    refused({**reset, "type": deep}, "unknown type (dict|list)")
    refused({**reset, "seq": deep}, "'seq'")
    shallow = {}
    for _ in range(MOST_LEVELS - 1):
        shallow = {"a": shallow}
    assert decode(msgpack.packb({**reset, "limits": shallow}))[1].limits == shallow


# What msgpack can hold, as deep as it is likely to matter.
anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(max_size=8)
    | st.binary(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=8,
)


def decodes_or_refuses(data):
    try:
        header, body = decode(data)
    except MessageError:
        return
    # NaN is unlike itself, but its bytes are not.
    assert encode(*decode(encode(header, body))) == encode(header, body)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_garbage(data):
    decodes_or_refuses(data)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(BODIES), st.data())
def test_a_flipped_byte(body, data):
    message = bytearray(encode(HEADER, body))
    index = data.draw(st.integers(0, len(message) - 1))
    message[index] = data.draw(st.integers(0, 255))
    decodes_or_refuses(bytes(message))


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(BODIES), st.data())
def test_a_value_of_another_type(body, data):
    message = valid(body)
    key = data.draw(st.sampled_from(sorted(message)))
    decodes_or_refuses(msgpack.packb({**message, key: data.draw(anything)}))


def test_no_observation_is_longer_than_a_link_is_asked_for():
    values = {"observation.state": (math.pi,) * 3, "observation.images.eye": bytes(12)}
    heard = Heard(MOST_INTEGER, math.pi, math.pi)
    body = Observation(MOST_INTEGER, math.pi, heard, State.HOLDING, True, values, (math.pi,) * 3)
    longest = encode(Header(MOST_INTEGER, MOST_INTEGER, math.pi), body)
    assert len(longest) == observation_bytes(plant_spec())
