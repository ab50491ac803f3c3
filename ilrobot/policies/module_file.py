"""A module with its spec and configuration in one file, from which it is made again."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, TypeVar

from torch import nn

from ilrobot.errors import UserError, WorkFailed
from ilrobot.policies.tensor_file import load_tensors, save_tensors
from ilrobot.spec import Spec

_FORMAT = 1
_KEYS = frozenset({"format", "spec", "config", "weights"})


class _Config(Protocol):
    def to_json(self) -> dict[str, Any]: ...


Made = TypeVar("Made", bound=nn.Module)


def save_module(path: Path, module: nn.Module, spec: Spec, config: _Config) -> None:
    """Write weights, configuration and spec to one file, atomically."""
    content = {
        "format": _FORMAT,
        "spec": spec.to_json(),
        "config": config.to_json(),
        "weights": module.state_dict(),
    }
    save_tensors(path, content)


def load_module(path: Path, what: str, make: Callable[[Spec, Any], Made]) -> Made:
    """Inverse of `save_module`; the module is on the CPU and in evaluation mode.

    Args:
        path: The file.
        what: It is to hold, in messages.
        make: A module without these weights, from its spec and its configuration as JSON.

    Raises:
        UserError: The file is missing, damaged or of another format.
        WorkFailed: The weights are not finite.
    """
    content = load_tensors(path)
    if content.keys() != _KEYS or str(content["format"]) != str(_FORMAT):
        raise UserError(f"{path} is no {what} of this version of ilrobot; train it again")
    try:
        # A file of tensors can hold one anywhere; JSON cannot.
        spec, config = json.loads(json.dumps([content["spec"], content["config"]]))
        module = make(Spec.from_json(spec), config)
    except (UserError, TypeError, ValueError) as error:
        raise UserError(f"{path} is damaged: {error}; train the {what} again") from error
    try:
        module.load_state_dict(content["weights"])
    except (AttributeError, KeyError, RuntimeError, TypeError) as error:
        raise UserError(f"{path}: the weights do not fit the configuration") from error
    check_finite(module, f"the weights in {path}")
    return module.eval()


def check_finite(module: nn.Module, what: str) -> None:
    """Refuse weights that would make all that comes of them meaningless.

    Args:
        module: Whose.
        what: They are called this in the message.

    Raises:
        WorkFailed: One is NaN or infinite.
    """
    if not all(bool(value.isfinite().all()) for value in module.state_dict().values()):
        raise WorkFailed(
            f"{what} are not finite; train again with a lower --learning-rate, into another "
            "--output"
        )
