"""What a contract is made of: limits, ranges, provenance and more, each as plain JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Limits:
    """What a command must keep, per action element.

    Attributes:
        mode: ``absolute``, ``delta`` or ``velocity``.
        low: Least command, in the action's units.
        high: Greatest command.
        velocity: Greatest speed of the commanded target in units/s, of a velocity in its own units
            (inf: not limited); and so on.
        acceleration: Greatest acceleration of it in units/s² (inf: not limited).
        jerk: Greatest jerk of it in units/s³, positive (inf: not limited; empty: none is).
    """

    mode: tuple[str, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    velocity: tuple[float, ...]
    acceleration: tuple[float, ...]
    jerk: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if not self.jerk:
            object.__setattr__(self, "jerk", (math.inf,) * len(self.mode))

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; what is not limited becomes null."""
        data: dict[str, Any] = {"mode": list(self.mode)}
        for key in ("low", "high", "velocity", "acceleration", "jerk"):
            data[key] = [x if math.isfinite(x) else None for x in getattr(self, key)]
        return data

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Limits:
        """Inverse of `to_json`.

        Raises:
            KeyError: A key is missing.
            TypeError: A value is of another type.
            ValueError: A value is NaN or no number.
        """
        return cls(
            mode=tuple(str(mode) for mode in data["mode"]),
            low=floats(data["low"], -math.inf),
            high=floats(data["high"], math.inf),
            velocity=floats(data["velocity"], math.inf),
            acceleration=floats(data["acceleration"], math.inf),
            jerk=floats(data.get("jerk", ()), math.inf),
        )


@dataclass(frozen=True)
class Range:
    """Least and greatest value of each element, flattened, in the feature's units."""

    low: tuple[float, ...]
    high: tuple[float, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {"low": list(self.low), "high": list(self.high)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Range:
        """Inverse of `to_json`; raises as `Limits.from_json` does."""
        return cls(floats(data["low"]), floats(data["high"]))


@dataclass(frozen=True)
class Provenance:
    """Digests of what the policy was made from.

    Attributes:
        data: Content hash of the training data (empty: not known).
        checkpoint: SHA-256 of the checkpoint's file (empty: exported from memory).
        code: SHA-256 over the package's sources.
        version: Version of ilrobot.
        limits: Content hash of the data that the limits come from (empty: not known, or none).
    """

    data: str
    checkpoint: str
    code: str
    version: str
    limits: str = ""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Provenance:
        """From its fields as JSON.

        Raises:
            KeyError: A key other than `limits`, which older files lack, is missing.
        """
        needed = {key: str(data[key]) for key in ("data", "checkpoint", "code", "version")}
        return cls(**needed, limits=str(data.get("limits", "")))


@dataclass(frozen=True)
class Quantized:
    """What weights of 8 bits cost, over the same seeds in closed loop.

    Attributes:
        bits: Of the weights: 8.
        task: Gymnasium id.
        episodes: How many, each from a seed of its own.
        first_seed: Of the first; the next ones count up from it.
        success: Share of them in which the task was done, by this file.
        full_success: The same by the file of full precision.
    """

    bits: int
    task: str
    episodes: int
    first_seed: int
    success: float
    full_success: float

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Quantized:
        """Inverse of `vars`."""
        return cls(
            bits=int(data["bits"]),
            task=str(data["task"]),
            episodes=int(data["episodes"]),
            first_seed=int(data["first_seed"]),
            success=float(data["success"]),
            full_success=float(data["full_success"]),
        )


@dataclass(frozen=True)
class PolicyFrame:
    """The task's frame, in which the policy sees and acts within the graph.

    What it reads and gives stays along the axes of the spec; see `ilrobot.policies.task_frame`.

    Attributes:
        origin: The thing where the frame begins, as elements of the observation call it.
        goal: The thing towards which its first axis points.
        turned: Names of the action's elements that are predicted in it (empty: it only sees there).
    """

    origin: str
    goal: str
    turned: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {"origin": self.origin, "goal": self.goal, "turned": list(self.turned)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> PolicyFrame:
        """Inverse of `to_json`.

        Raises:
            KeyError: A key is missing.
            TypeError: A value is of another type.
        """
        if not isinstance(data["turned"], (list, tuple)):
            raise TypeError(f"{data['turned']!r:.40} is no list")
        turned = tuple(str(name) for name in data["turned"])
        return cls(str(data["origin"]), str(data["goal"]), turned)


def floats(values: Any, missing: float | None = None) -> tuple[float, ...]:
    """Numbers as floats; null becomes `missing` where that is given.

    Raises:
        TypeError: There is null, and nothing to put there; or it is no list.
        ValueError: One is NaN, or no number.
    """
    if not isinstance(values, (list, tuple)):
        raise TypeError(f"{values!r:.40} is no list")
    numbers = tuple(missing if x is None and missing is not None else float(x) for x in values)
    if any(math.isnan(x) for x in numbers):
        raise ValueError("a limit or range is NaN")
    return numbers


def count(value: Any) -> int:
    """A positive whole number; raises ValueError for anything else."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{value!r} is not a positive whole number")
    return value


def count_or_none(value: Any) -> int | None:
    """Likewise, or null."""
    return None if value is None else count(value)


def shape_or_none(value: Any) -> tuple[int, ...] | None:
    """A shape, or null."""
    return None if value is None else tuple(count(n) for n in value)
