"""An option of ``ilrobot train`` whose value is the preset's unless it is given."""

from __future__ import annotations

from typing import Any, get_args

from tyro.conf import arg

from ilrobot.learners.config import PRESETS
from ilrobot.policies.config import PolicyConfig
from ilrobot.policies.heeded import USED_BY_HEAD, USED_BY_NETWORK

_METAVARS = {int: "INT", float: "FLOAT", tuple: "INT [INT ...]"}


def preset_option(name: str, choices: Any = None) -> Any:
    """Says in the help what each preset has where the option is not given.

    Args:
        name: Of a field of `PolicyConfig` or `TrainConfig`.
        choices: What may be given, where the option is one of several words.
    """
    by_value: dict[str, list[str]] = {}
    value: Any = getattr(PolicyConfig, name, None)
    for policy, (policy_config, train_config) in PRESETS.items():
        if _users(name) and not _users(name) & {policy_config.head, policy_config.network}:
            continue
        value = getattr(policy_config if hasattr(policy_config, name) else train_config, name)
        by_value.setdefault(_words(value), []).append(policy)
    hint = ", ".join(f"{'/'.join(having)} {text}" for text, having in by_value.items())
    if not by_value or by_value == {_words(value): list(PRESETS)}:
        hint = _words(value)
    metavar = f"{{{','.join(get_args(choices))}}}" if choices else _METAVARS[type(value)]
    return arg(help_behavior_hint=f"(default: {hint})", metavar=metavar)


def _words(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _users(name: str) -> set[str]:
    """The heads or networks that alone use a setting of the policy; none if all do."""
    return {
        user
        for users in (USED_BY_HEAD, USED_BY_NETWORK)
        for user, used in users.items()
        if name in used
    }
