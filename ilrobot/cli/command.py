"""A verb as the command that a person would type."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from typing import Any

from ilrobot.cli.learners import LEARNERS


def command(verb: Any) -> str:
    """The command line of a verb that takes options only, those of default value left out."""
    return shlex.join(["ilrobot", *_name(verb), *_arguments(verb)])


def resuming(verb: Any) -> str:
    """The same with ``--resume``: how to go on after a stop."""
    return command(replace(verb, resume=True))


def _name(verb: Any) -> list[str]:
    name = type(verb).__name__
    learner = next((key for key, (known, _, _) in LEARNERS.items() if known == name), None)
    return [name.lower()] if learner is None else ["train", "--learner", learner]


def _arguments(verb: Any) -> Iterator[str]:
    for field in fields(verb):
        value = getattr(verb, field.name)
        flag = f"--{field.name.rstrip('_').replace('_', '-')}"
        if value == field.default:
            continue
        if is_dataclass(value):
            yield from _arguments(value)
        elif isinstance(value, bool):
            yield flag if value else f"--no-{flag[2:]}"
        elif isinstance(value, tuple):
            yield from (flag, *map(str, value))
        else:
            yield from (flag, str(value))
