"""A verb as the command that a person would type."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields, is_dataclass, replace
from typing import Any

from ilrobot.cli.learners import LEARNERS


def command(verb: Any) -> str:
    """The command line of a verb that takes options only, those of default value left out."""
    return shlex.join(["ilrobot", *_name(verb), *_arguments(verb)])


def resuming(verb: Any) -> str:
    """The same with ``--resume``: how to go on after a stop."""
    return command(replace(verb, resume=True))


@contextmanager
def telling_how_to_resume(verb: Any) -> Iterator[None]:
    """On Ctrl-C says what the run in ``verb.output`` keeps, and the command that goes on."""
    from ilrobot.cli.output import console

    try:
        yield
    except KeyboardInterrupt:
        said = "Stopped before the first checkpoint; nothing is lost."
        if (verb.output / "checkpoint.pt").exists():
            said = f"Stopped; {verb.output} keeps a checkpoint. Go on with: {resuming(verb)}"
        elif (verb.output / "run.json").exists():
            said = f"{said} Go on with: {resuming(verb)}"
        console.print(said, soft_wrap=True, markup=False)
        raise


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
