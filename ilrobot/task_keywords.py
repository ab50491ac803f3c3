"""What an environment can be made with, read from where it is registered: nothing is made."""

from __future__ import annotations

import inspect
from typing import Any

import gymnasium as gym
from gymnasium.envs.registration import load_env_creator

#: What an environment's class is made with that is no option of the task.
_NOT_OPTIONS = ("self", "render_mode")
_KINDS = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


def keywords(task: str) -> dict[str, Any]:
    """The options of a registered task, each with its value where nobody gives one.

    Args:
        task: Gymnasium id; its class is imported.

    Returns:
        Name to default (None of one that must be given).

    Raises:
        gymnasium.error.Error: It is not registered.
        ImportError: Its class, or what that needs, cannot be imported.
    """
    spec = gym.spec(task)
    entry: Any = spec.entry_point
    creator = load_env_creator(entry) if isinstance(entry, str) else entry
    found = {
        p.name: None if p.default is p.empty else p.default
        for p in inspect.signature(creator).parameters.values()
        if p.kind in _KINDS and p.name not in _NOT_OPTIONS
    }
    return found | {name: value for name, value in spec.kwargs.items() if name in found}
