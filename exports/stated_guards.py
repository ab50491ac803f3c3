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
from pathlib import Path
from typing import Any

from ilrobot.control.contract import Contract
from ilrobot.errors import UserError

KEYS = ("limits", "workspace", "fallback", "fallback_after", "retreat", "stale_after")


def read_guards(path: Path) -> Mapping[str, Any]:
    """The JSON object in a file.

    Raises:
        UserError: It cannot be read, is no JSON object, or has a key that states no guard.
    """
    try:
        data = json.loads(path.read_bytes())
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise UserError(f"{path} is no JSON ({error}); mend it") from error
    if not isinstance(data, dict):
        raise UserError(f"{path} is no JSON object; it takes the keys {', '.join(KEYS)}")
    if unknown := sorted(data.keys() - set(KEYS)):
        raise UserError(f"{path}: '{unknown[0]}' states no guard; known are {', '.join(KEYS)}")
    return data


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
    limits = guards.get("limits", {})
    if not isinstance(limits, dict) or (limits and data["limits"] is None):
        raise UserError(f"{where}: 'limits' must be a JSON object, and choices have none; mend it")
    if unknown := sorted(limits.keys() - (data["limits"] or {}).keys()):
        raise UserError(f"{where}: 'limits.{unknown[0]}' is not known; mend it")
    merged = {**data, **guards}
    merged["limits"] = data["limits"] and {**data["limits"], **limits}
    try:
        return Contract.from_json(merged, where)
    except UserError as error:
        said = str(error).replace("the contract ", "").replace("export the policy again", "mend it")
        raise UserError(said) from error
