"""Maps of numpy arrays as msgpack, written as openpi writes them, read as a stranger's bytes.

The encoding is that of ``openpi_client.msgpack_numpy`` (github.com/Physical-Intelligence/openpi):
an array is the map ``{b"__ndarray__": True, b"data": bytes, b"dtype": "<f4", b"shape": [2, 7]}``
with its elements row by row, a numpy scalar ``{b"__npgeneric__": True, b"data": number, b"dtype":
"<f4"}``. There is no pickle in it, and only plain numbers are read.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import msgpack
import numpy as np
from numpy.typing import NDArray

#: Numbers of 1 to 8 bytes, little-endian, as numpy writes their names.
DTYPES = frozenset(
    ["|b1", "|i1", "|u1", *(f"<{kind}{size}" for kind in "iuf" for size in (2, 4, 8))]
)

#: A message has no more maps or lists than this: of one byte msgpack makes an object of fifty.
_MOST_PARTS = 256
_MOST_AXES = 8


class MalformedMessage(ValueError):
    """Bytes that are no map of arrays; the line says why."""


def pack(message: Mapping[str, Any]) -> bytes:
    """A map as bytes: arrays, numpy scalars, plain numbers, text, lists and maps of them.

    Raises:
        TypeError: It holds something else.
    """
    data: bytes = msgpack.packb(message, default=_plain)
    return data


def unpack(data: bytes) -> dict[str, Any]:
    """Inverse of `pack`, for bytes of any origin; arrays are views of them and read-only.

    Raises:
        MalformedMessage: They are not what `pack` writes, or have more than 256 maps and lists.
    """
    parts = 0

    def counted(hook: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def count(part: Any) -> Any:
            nonlocal parts
            parts += 1
            if parts > _MOST_PARTS:
                raise MalformedMessage(f"more than {_MOST_PARTS} maps and lists")
            return hook(part)

        return count

    try:
        message = msgpack.unpackb(
            data,
            object_hook=counted(_array),
            list_hook=counted(list),
            max_map_len=_MOST_PARTS,
            max_array_len=_MOST_PARTS,
            max_ext_len=0,
        )
    except MalformedMessage:
        raise
    except (ValueError, TypeError, msgpack.exceptions.UnpackException) as error:
        words = " ".join(str(error).split()) or type(error).__name__
        raise MalformedMessage(f"no msgpack ({words:.100})") from error
    if not isinstance(message, dict) or not all(isinstance(key, str) for key in message):
        raise MalformedMessage("not a map with names for keys")
    return message


def _plain(value: Any) -> Any:
    if isinstance(value, (np.ndarray, np.generic)):
        value = value.astype(value.dtype.newbyteorder("<"), copy=False)
        if value.dtype.str not in DTYPES:
            raise TypeError(f"arrays of {value.dtype} are not sent")
        if isinstance(value, np.generic):
            return {b"__npgeneric__": True, b"data": value.item(), b"dtype": value.dtype.str}
        return {
            b"__ndarray__": True,
            b"data": value.tobytes(),
            b"dtype": value.dtype.str,
            b"shape": value.shape,
        }
    raise TypeError(f"a {type(value).__name__} is not sent")


def _array(part: dict[Any, Any]) -> Any:
    if b"__ndarray__" in part:
        return _read_array(part)
    if b"__npgeneric__" in part:
        number = part.get(b"data")
        if not isinstance(number, (bool, int, float)):
            raise MalformedMessage("a numpy scalar is no number")
        dtype = _dtype(part)
        try:
            with np.errstate(over="ignore"):
                return dtype.type(number)
        except (OverflowError, ValueError) as error:
            raise MalformedMessage(f"{number} is no {dtype}") from error
    return part


def _read_array(part: dict[Any, Any]) -> NDArray[Any]:
    dtype, data, shape = _dtype(part), part.get(b"data"), part.get(b"shape")
    if not isinstance(shape, list) or len(shape) > _MOST_AXES:
        raise MalformedMessage(f"the shape of an array is no list of at most {_MOST_AXES} numbers")
    if not all(type(length) is int and 0 <= length < 2**31 for length in shape):
        raise MalformedMessage("the shape of an array is not of whole numbers from 0 to 2^31 - 1")
    wanted = math.prod(shape) * dtype.itemsize
    if not isinstance(data, bytes) or len(data) != wanted:
        raise MalformedMessage(f"an array of shape {shape} and type {dtype} has not {wanted} bytes")
    return np.frombuffer(data, dtype).reshape(shape)


def _dtype(part: dict[Any, Any]) -> np.dtype[Any]:
    name = part.get(b"dtype")
    if not isinstance(name, str) or name not in DTYPES:
        raise MalformedMessage(f"the type {name!r:.40} of an array is not read")
    return np.dtype(name)
