"""Dataclasses from JSON that somebody may have edited, and back."""

from __future__ import annotations

import json
import types
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")

_WORDS = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}


def parse_fields(form: type[T], value: Any, name: str = "") -> T:
    """A dataclass from a JSON object, its fields checked by their annotations.

    Known are numbers, texts, booleans, literals, tuples, dictionaries, optional values, further
    dataclasses, and classes with a `from_json` of their own. A field with a default may be missing.

    Args:
        form: The dataclass.
        value: What JSON gave.
        name: What it is called in messages (empty: it is the whole file).

    Raises:
        ValueError: Something is missing, unknown or of another type; the line names it.
    """
    if not isinstance(value, dict):
        raise ValueError(f"{_quoted(name)} is not a JSON object")
    hints = get_type_hints(form)
    known = {field.name: field for field in fields(form)}  # type: ignore[arg-type]
    for key in value.keys() - known.keys():
        raise ValueError(f"{_quoted(_below(name, key))} is not known to this version of ilrobot")
    for key, field in known.items():
        if key not in value and field.default is MISSING and field.default_factory is MISSING:
            raise ValueError(f"{_quoted(_below(name, key))} is missing")
    parsed = {key: parse(hints[key], inner, _below(name, key)) for key, inner in value.items()}
    return form(**parsed)


def parse(form: Any, value: Any, name: str = "") -> Any:
    """A value of the annotated type `form`; see `parse_fields`."""
    origin, arguments = get_origin(form), get_args(form)
    if form is Any:
        return value
    if origin in (Union, types.UnionType):
        inner = next(a for a in arguments if a is not type(None))
        return None if value is None else parse(inner, value, name)
    if origin is Literal:
        return _require(value in arguments, value, name, f"one of {', '.join(map(str, arguments))}")
    if origin is tuple:
        _require(isinstance(value, list), value, name, "a list")
        return tuple(parse(arguments[0], x, f"{name}[{i}]") for i, x in enumerate(value))
    if origin is dict:
        _require(isinstance(value, dict), value, name, "a JSON object")
        return {key: parse(arguments[1], x, _below(name, key)) for key, x in value.items()}
    if form is float:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return float(_require(number, value, name, _WORDS[float]))
    if form in _WORDS:
        return _require(type(value) is form, value, name, _WORDS[form])
    if hasattr(form, "from_json"):
        return form.from_json(value)
    return parse_fields(form, value, name)


def dump(value: Any) -> Any:
    """Inverse of `parse`: plain JSON, by a class's own `to_json` where it has one."""
    if hasattr(value, "to_json"):
        return value.to_json()
    if is_dataclass(value):
        return {field.name: dump(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, list | tuple):
        return [dump(inner) for inner in value]
    if isinstance(value, dict):
        return {key: dump(inner) for key, inner in value.items()}
    return value


def _require(fits: bool, value: Any, name: str, words: str) -> Any:
    if not fits:
        found = json.dumps(value)
        found = found if len(found) <= 40 else f"{found[:37]}..."
        raise ValueError(f"{_quoted(name)} is {found}, not {words}")
    return value


def _below(name: str, key: str) -> str:
    return f"{name}.{key}" if name else str(key)


def _quoted(name: str) -> str:
    return f"'{name}'" if name else "it"
