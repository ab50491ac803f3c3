"""Arrays on the wire: what openpi writes and reads, and nothing that a stranger could abuse."""

import pickle

import msgpack
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exports.server.codec import DTYPES, MalformedMessage, pack, unpack


def array(**changes):
    """Two floats as a map of msgpack, changed."""
    fields = {"__ndarray__": True, "data": b"\0" * 8, "dtype": "<f4", "shape": [2], **changes}
    return {key.encode(): value for key, value in fields.items()}


def packed(value):
    return msgpack.packb({"x": value})


@pytest.mark.parametrize("dtype", sorted(DTYPES))
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 3, 4)])
def test_arrays_come_back_as_they_were(dtype, shape):
    sent = np.arange(np.prod(shape, dtype=int)).reshape(shape).astype(dtype)
    read = unpack(pack({"x": sent}))["x"]
    assert read.dtype == sent.dtype
    assert read.shape == sent.shape
    np.testing.assert_array_equal(read, sent)


def test_what_else_a_message_holds():
    message = {
        "float": np.float32(0.1),
        "choice": np.int64(3),
        "id": 7,
        "text": "contract",
        "nothing": None,
        "timing": {"infer_ms": 0.25},
        "list": [1, [2.5, True]],
    }
    read = unpack(pack(message))
    assert read == message
    assert isinstance(read["float"], np.float32)


def test_the_bytes_are_those_of_openpi():
    # What openpi_client.msgpack_numpy 0.1.2 makes of {"x": np.float32([1, 2])}.
    bytes_of_openpi = bytes.fromhex(
        "81a17884c40b5f5f6e6461727261795f5fc3c40464617461c4080000803f00000040"
        "c4056474797065a33c6634c40573686170659102"
    )
    assert pack({"x": np.array([1, 2], np.float32)}) == bytes_of_openpi


def test_numbers_of_another_byte_order_and_of_a_strided_array():
    sent = np.arange(12, dtype=">i4").reshape(3, 4)[::2, 1:]
    np.testing.assert_array_equal(unpack(pack({"x": sent}))["x"], sent)


@pytest.mark.parametrize(
    "value", [np.array([object()]), np.array(["a"]), np.array([1j]), object(), {1, 2}]
)
def test_only_numbers_are_sent(value):
    with pytest.raises(TypeError, match="not sent"):
        pack({"x": value})


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (packed(array(**{"dtype": "|O8"})), "type"),
        (packed(array(**{"dtype": "f,f"})), "type"),
        (packed(array(**{"dtype": ">f4"})), "type"),
        (packed(array(**{"dtype": 4})), "type"),
        (msgpack.packb({"x": {b"__ndarray__": True}}), "type"),
        (msgpack.packb({"x": {b"__npgeneric__": True, b"dtype": "<f4", b"data": "1"}}), "number"),
        (msgpack.packb({"x": {b"__npgeneric__": True, b"dtype": "|u1", b"data": 256}}), "256"),
        (b"", "msgpack"),
        (b"\xc1", "msgpack"),
        (b"\x81", "msgpack"),
        (packed(array()) + b"\0", "msgpack"),
        (pickle.dumps({"x": 1}), "msgpack"),
        (b"\x91" * 100_000, "msgpack"),
        (b"\xdd\xff\xff\xff\xff", "msgpack"),
        (msgpack.packb([{}] * 200 + [[]] * 50), "not a map"),
        (msgpack.packb({"x": [[]] * 250 + [[[[[[[[[]]]]]]]]]}), "more than 256 maps and lists"),
        (msgpack.packb({"x": msgpack.ExtType(1, b"abc")}), "msgpack"),
        (msgpack.packb([1]), "not a map"),
        (msgpack.packb({b"x": 1}), "not a map"),
        (msgpack.packb({1: 1}), "msgpack"),
    ],
)
def test_what_is_no_message(data, why):
    with pytest.raises(MalformedMessage, match=why):
        unpack(data)


@pytest.mark.parametrize(
    "changes",
    [
        {"shape": [3]},
        {"shape": [2, 2]},
        {"shape": [-2]},
        {"shape": [-1, -2]},
        {"shape": [2**40, 2**40]},
        {"shape": [0, 2**63], "data": b""},
        {"shape": [2.0]},
        {"shape": [True, 2]},
        {"shape": [1] * 9},
        {"shape": "2"},
        {"shape": [[2]]},
        {"data": b"\0" * 7},
        {"data": "\0" * 8},
        {"data": None},
    ],
)
def test_an_array_that_contradicts_itself(changes):
    with pytest.raises(MalformedMessage, match=r"shape|bytes"):
        unpack(packed(array(**changes)))


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data):
    refused_or_map(data)


_VALID = pack({"x": np.arange(6.0).reshape(2, 3), "y": np.float32(1), "id": 3, "z": [1, {"a": 2}]})


@settings(max_examples=500, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, len(_VALID) - 1), st.integers(0, 255)), min_size=1, max_size=4
    ),
    st.integers(0, len(_VALID)),
)
def test_any_damage_is_read_or_refused(changes, length):
    damaged = bytearray(_VALID)
    for position, value in changes:
        damaged[position] = value
    refused_or_map(bytes(damaged))
    refused_or_map(bytes(damaged[:length]))


def refused_or_map(data):
    try:
        message = unpack(data)
    except MalformedMessage:
        return
    assert all(isinstance(key, str) for key in message)
