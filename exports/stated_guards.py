"""What a person states of the guards, in place of what an export takes from the data.

A JSON object with some of the keys of a contract, each in its form there: ``limits`` (some of its
keys), ``workspace``, ``fallback``, ``fallback_after``, ``retreat``, ``stale_after``:

    {"limits": {"velocity": [0.2, 0.2, 0.2]},
     "workspace": {"low": [0.3, -0.3, 0.02], "high": [0.7, 0.3, null]},
     "fallback": "retreat", "retreat": [0.45, 0.0, 0.3],
     "fallback_after": {"out_of_range": 0.5, "late": 5}}
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from ilrobot.control.contract import Contract
from ilrobot.control.contract_check import MODES
from ilrobot.control.contract_guards import FallbackAfter, Workspace
from ilrobot.control.contract_parts import Limits
from ilrobot.errors import UserError
from ilrobot.spec import Semantics

KEYS = ("limits", "workspace", "fallback", "fallback_after", "retreat", "stale_after")
_INNER: Mapping[str, type] = {
    "limits": Limits,
    "workspace": Workspace,
    "fallback_after": FallbackAfter,
}


def read_guards(path: Path) -> Mapping[str, Any]:
    """The JSON object in a file.

    Raises:
        UserError: It cannot be read, is no JSON object, or has a key twice or one that is no guard.
    """
    try:
        data = json.loads(path.read_bytes(), object_pairs_hook=_each_once)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise UserError(f"{path} is no JSON ({error}); mend it") from error
    if not isinstance(data, dict):
        raise UserError(f"{path} is no JSON object; it takes the keys {', '.join(KEYS)}")
    if unknown := sorted(data.keys() - set(KEYS)):
        raise UserError(f"{path}: '{unknown[0]}' states no guard; known are {', '.join(KEYS)}")
    return data


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object, or ValueError: of a key that is there twice one would be lost."""
    data = dict(pairs)
    if len(data) < len(pairs):
        twice = next(key for key in data if sum(key == other for other, _ in pairs) > 1)
        raise ValueError(f"'{twice}' is there twice")
    return data


def _misunderstood(guards: Mapping[str, Any]) -> str | None:
    """What in them a contract would ignore, or take for a number: there unknown keys may be."""
    for key, kind in _INNER.items():
        value = guards.get(key)
        if value is None and key != "limits":
            continue
        if key in guards and not isinstance(value, dict):
            return f"'{key}' must be a JSON object"
        if unknown := sorted((value or {}).keys() - {f.name for f in fields(kind)}):
            return f"'{key}.{unknown[0]}' is not known"
    numbers: dict[str, Any] = {key: guards.get(key) for key in ("retreat", "stale_after")}
    numbers |= {
        f"{key}.{name}": value
        for key in _INNER
        for name, value in (guards.get(key) or {}).items()
        if name != "mode"
    }
    for name, value in numbers.items():
        for number in value if isinstance(value, list) else [value]:
            if isinstance(number, bool) or not isinstance(number, int | float | None):
                return f"{json.dumps(number):.40} in '{name}' is no number"
    return None


def stated_modes(guards: Mapping[str, Any], size: int) -> tuple[str, ...] | None:
    """What they say that each element of the action is, by which limits are to be derived.

    Args:
        guards: See `read_guards`.
        size: Elements of the action.

    Returns:
        None where they say nothing, or what `with_guards` refuses.
    """
    limits = guards.get("limits")
    modes = limits.get("mode") if isinstance(limits, dict) else None
    if not isinstance(modes, list) or len(modes) != size:
        return None
    return tuple(modes) if all(mode in MODES for mode in modes) else None


def with_guards(contract: Contract, guards: Mapping[str, Any], where: str) -> Contract:
    """A contract with what was stated in place of its own.

    Args:
        contract: From the data.
        guards: See `read_guards`.
        where: Named in messages.

    Raises:
        UserError: They do not fit the action, or contradict each other.
    """
    data = contract.to_json()
    if problem := _misunderstood(guards):
        raise UserError(f"{where}: {problem}; mend it")
    limits = guards.get("limits", {})
    if limits and data["limits"] is None:
        raise UserError(f"{where}: 'limits' are stated, and choices have none; mend it")
    merged = {**data, **guards}
    merged["limits"] = data["limits"] and {**data["limits"], **limits}
    try:
        made = Contract.from_json(merged, where)
    except UserError as error:
        said = str(error).replace("the contract ", "").replace("export the policy again", "mend it")
        raise UserError(said) from error
    modes = set(limits.get("mode", ()))
    targets = "absolute" in modes and modes <= {"absolute", "velocity"}
    if made.spec.semantics == "unknown" and (targets or modes == {"delta"}):
        # Now somebody has said what the actions are; velocities are known by name or unit.
        meaning: Semantics = "absolute" if targets else "delta"
        made = replace(made, spec=replace(made.spec, semantics=meaning))
    return made
