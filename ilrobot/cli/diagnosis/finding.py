"""A finding, and probes that run in a process of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class State(StrEnum):
    """How it stands."""

    OK = "ok"
    #: It works, but not as it should.
    WARN = "warn"
    #: It is not there, and something optional goes without it.
    MISSING = "missing"
    #: Nothing can be relied on until this is mended.
    BROKEN = "broken"


@dataclass(frozen=True)
class Finding:
    """One line of the diagnosis.

    Attributes:
        area: What it belongs to, e.g. ``packages``.
        name: What was looked at.
        state: How it stands.
        detail: What was found.
        advice: What to do (empty: nothing).
    """

    area: str
    name: str
    state: State
    detail: str
    advice: str = ""


class ProbeFailed(Exception):
    """A probe ended without a result; the message is one line that says how."""


def probe(
    code: str, *, environment: Mapping[str, str] | None = None, seconds: float = 60.0
) -> dict[str, Any]:
    """Run Python code in a process of its own, so that a crash of a driver stays there.

    Args:
        code: Prints one JSON object as its last line.
        environment: Variables that are set for it.
        seconds: After this time it is killed.

    Raises:
        ProbeFailed: It crashed, raised, hung, or printed no JSON object.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, **(environment or {})},
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ProbeFailed(f"no answer within {seconds:g} s") from error
    if done.returncode < 0:
        raise ProbeFailed(f"crashed (signal {-done.returncode})")
    if done.returncode > 0:
        lines = done.stderr.strip().splitlines()
        raise ProbeFailed(lines[-1] if lines else f"ended with code {done.returncode}")
    try:
        result: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    except (IndexError, json.JSONDecodeError) as error:
        raise ProbeFailed("ended without an answer") from error
    return result
