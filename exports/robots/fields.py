"""Values of a message, read with suspicion: what a reader promises, or a `MessageError`."""

from __future__ import annotations

import math
from collections.abc import Callable
from enum import StrEnum
from typing import Any, TypeVar

#: Whole numbers are from 0 to this.
MOST_INTEGER = 2**63 - 1
#: No string of a field of its own is longer.
MOST_CHARACTERS = 1_000
#: Maps and lists of JSON lie within each other no deeper.
MOST_LEVELS = 32

#: Elements of one feature, row by row; a picture of uint8 as its bytes.
Values = tuple[float, ...] | bytes
_Value = TypeVar("_Value")
Reader = Callable[[Any], _Value]


class MessageError(ValueError):
    """Bytes that are no message; the line says why."""


def integer(value: Any) -> int:
    """A whole number from 0 to `MOST_INTEGER`."""
    if type(value) is not int or not 0 <= value <= MOST_INTEGER:
        raise MessageError("is no whole number from 0 to 2^63 - 1")
    return value


def number(value: Any) -> float:
    """A finite number."""
    if type(value) not in (int, float) or not math.isfinite(value):
        raise MessageError("is no finite number")
    return float(value)


def positive(value: Any) -> float:
    """A finite number above 0."""
    if number(value) <= 0:
        raise MessageError("is not positive")
    return float(value)


def numbers(value: Any) -> tuple[float, ...]:
    """A list of numbers, of bool as 0 and 1; NaN and infinity are numbers here."""
    if not isinstance(value, list) or not all(type(x) in (float, int, bool) for x in value):
        raise MessageError("is no list of numbers")
    return tuple(map(float, value))


def finite_numbers(value: Any) -> tuple[float, ...]:
    """A list of finite numbers."""
    read = numbers(value)
    if not all(map(math.isfinite, read)):
        raise MessageError("is not finite")
    return read


def flag(value: Any) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise MessageError("is neither true nor false")
    return value


def text(value: Any) -> str:
    """A string of at most `MOST_CHARACTERS`."""
    if not isinstance(value, str) or len(value) > MOST_CHARACTERS:
        raise MessageError(f"is no string of at most {MOST_CHARACTERS} characters")
    return value


def json_map(value: Any) -> dict[str, Any]:
    """A map of what JSON can hold, as a spec is, of at most `MOST_LEVELS`."""
    if not isinstance(value, dict) or not _is_json(value, MOST_LEVELS):
        raise MessageError(f"is no map of what JSON can hold, {MOST_LEVELS} levels deep at most")
    return value


def features(value: Any) -> dict[str, Values]:
    """A map from names to elements."""
    if not isinstance(value, dict) or not all(isinstance(name, str) for name in value):
        raise MessageError("is no map with names for keys")
    return {name: x if isinstance(x, bytes) else numbers(x) for name, x in value.items()}


def one_of(words: type[StrEnum]) -> Reader[Any]:
    """One of these words."""

    def read(value: Any) -> StrEnum:
        if value not in tuple(words):
            raise MessageError(f"is none of {', '.join(words)}")
        return words(value)

    return read


def optional(reader: Reader[_Value]) -> Reader[_Value | None]:
    """The same, or nil."""
    return lambda value: None if value is None else reader(value)


def record(cls: type[_Value], readers: dict[str, Reader[Any]]) -> Reader[_Value]:
    """A map with these keys, as an object; keys that it has beside them are ignored.

    A key may be missing where the class has a value for it.
    """

    def read(value: Any) -> _Value:
        if not isinstance(value, dict):
            raise MessageError("is no map")
        keys = [key for key in readers if key in value or not hasattr(cls, key)]
        return cls(**{key: field(value, key, readers[key]) for key in keys})

    return read


def field(data: dict[Any, Any], key: str, reader: Reader[_Value]) -> _Value:
    """The value of a key that must be there; what is wrong with it names the key."""
    if key not in data:
        raise MessageError(f"'{key}' is missing")
    try:
        return reader(data[key])
    except MessageError as error:
        raise MessageError(f"'{key}' {error}") from None


def _is_json(value: Any, levels: int) -> bool:
    if isinstance(value, (dict, list)) and not levels:
        return False
    if isinstance(value, dict):
        return all(isinstance(name, str) and _is_json(x, levels - 1) for name, x in value.items())
    if isinstance(value, list):
        return all(_is_json(x, levels - 1) for x in value)
    return value is None or isinstance(value, (bool, int, float, str))
