"""What a contract is made of: limits, ranges, provenance and golden vectors, each as plain JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ilrobot.control.signals import Signals
from ilrobot.spec import Spec


@dataclass(frozen=True)
class Limits:
    """What a command must keep, per action element.

    Attributes:
        mode: ``absolute`` or ``delta``.
        low: Least command, in the action's units.
        high: Greatest command.
        velocity: Greatest speed of the commanded target in units/s (inf: not limited).
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
class Golden:
    """One input and what it must give.

    Attributes:
        observations: For each observation an array (n_obs, *shape).
        noise: Array of the contract's noise shape (None: the policy takes none).
        action: The chunk, shape (horizon, *action shape), in physical units; float32, or int64
            choices.
        signals: What it says beside them.
    """

    observations: Mapping[str, NDArray[Any]]
    noise: NDArray[np.float32] | None
    action: NDArray[Any]
    signals: Signals = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {
            "observations": {name: array.tolist() for name, array in self.observations.items()},
            "noise": None if self.noise is None else self.noise.tolist(),
            "action": self.action.tolist(),
            **{name: values.tolist() for name, values in self.signals.items()},
        }

    @classmethod
    def from_json(
        cls,
        data: Mapping[str, Any],
        spec: Spec,
        *,
        n_obs: int,
        horizon: int,
        noise_shape: tuple[int, ...] | None,
        signals: Sequence[str] = (),
    ) -> Golden:
        """Inverse of `to_json`, for the shapes that the contract states.

        Raises:
            KeyError: A key is missing.
            ValueError: An array has another shape, or there is noise where none is taken.
        """
        noise = data["noise"]
        if (noise is None) != (noise_shape is None):
            raise ValueError("a golden input has noise where the policy takes none, or lacks it")
        return cls(
            observations={
                feature.name: _array(
                    data["observations"][feature.name], feature.dtype, (n_obs, *feature.shape)
                )
                for feature in spec.observations
            },
            noise=None if noise is None else _array(noise, "float32", noise_shape or ()),
            # As the graph computes it, whatever type the demonstrations were kept in.
            action=_array(
                data["action"],
                "float32" if spec.choices is None else "int64",
                (horizon, *spec.action.shape),
            ),
            signals={name: _array(data[name], "float32", (horizon,)) for name in signals},
        )


def _array(values: Any, dtype: str, shape: tuple[int, ...]) -> NDArray[Any]:
    array = np.array(values, dtype=dtype)
    if array.shape != shape:
        raise ValueError(f"a golden array has shape {list(array.shape)} instead of {list(shape)}")
    return array


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
