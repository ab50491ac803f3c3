"""What an observation and an action are: names, shapes, units, limits, rate.

A `Spec` travels with everything that is kept: it stands in a dataset's ``meta/info.json``, in a
run's ``run.json`` and in an exported policy's contract, and two of them are compared before a
policy is allowed to act on a task.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from ilrobot.errors import UserError
from ilrobot.rotation_units import Rotation, find_rotations

Semantics = Literal["absolute", "delta", "discrete", "unknown"]

#: A dimension with this unit is an angle that wraps; policies see its sine and cosine instead.
ANGLE_UNIT = "rad"

#: Control rate in Hz where nobody states one.
DEFAULT_RATE = 10.0

#: Two rates count as the same within this share: a period is measured no better.
RATE_TOLERANCE = 1e-3

#: A limit from here on, in whatever unit, bounds nothing: it was stated for want of one.
NO_LIMIT = 1e6


_DTYPES = frozenset(
    ["bool", *(f"{sign}int{n}" for sign in ("", "u") for n in (8, 16, 32, 64))]
    + [f"float{n}" for n in (16, 32, 64)]
)
#: More discrete actions than this are a continuous action, or numbers of another kind.
MOST_CHOICES = 10_000
#: No axis of a real observation is as long as this.
_MOST = 10**6


@dataclass(frozen=True)
class Feature:
    """One named array: an observation or the action at one tick.

    Attributes:
        name: Column name in a dataset, e.g. ``observation.state`` or ``action``.
        shape: Shape at one tick; ``(7,)`` for a vector of seven, ``()`` for a scalar.
        dtype: numpy name of the element type.
        names: One name per element, in order; of a scalar that is a choice one per choice (empty:
            none were stated).
        units: One unit per element, e.g. ``m``, ``rad`` (an angle that wraps), ``px``, ``1``;
            a rotation's elements have one of `ROTATION_UNITS`.
        low: Least value per element (None: unbounded or not known).
        high: Greatest value per element.
        frame: The frame that the values are expressed in, e.g. ``base``.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str = "float32"
    names: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    low: tuple[float, ...] | None = None
    high: tuple[float, ...] | None = None
    frame: str = ""

    @property
    def size(self) -> int:
        """How many numbers it holds at one tick."""
        return math.prod(self.shape)

    @property
    def is_image(self) -> bool:
        """Whether it is a picture, (height, width, channels)."""
        return len(self.shape) == 3

    @property
    def seen_dtype(self) -> Literal["uint8", "float32"]:
        """What a policy is given it as: pictures as bytes, all else in what networks compute in.

        Whatever the demonstrations were kept in: a gripper of whole numbers there may be measured
        as 0.99 by the robot.
        """
        return "uint8" if self.is_image else "float32"

    @property
    def element_names(self) -> tuple[str, ...]:
        """One name per element, made up as ``name[i]`` where none were stated."""
        short = self.name.rsplit(".", 1)[-1]
        stated = len(self.names) == self.size
        return self.names if stated else tuple(f"{short}[{i}]" for i in range(self.size))

    @property
    def angles(self) -> tuple[int, ...]:
        """Indexes of the elements that are angles and wrap."""
        return tuple(i for i, unit in enumerate(self.units) if unit == ANGLE_UNIT)

    @property
    def velocities(self) -> tuple[int, ...]:
        """Indexes of the elements that are velocities: of a unit per second, or named ``x.vel``."""
        units = self.units or ("",) * self.size
        each = enumerate(zip(self.element_names, units, strict=True))
        return tuple(i for i, (name, unit) in each if name.endswith(".vel") or unit.endswith("/s"))

    @property
    def grippers(self) -> tuple[int, ...]:
        """Indexes of the elements that are a gripper's, which their names have in them.

        Of an action they are targets, also where all else is a motion.
        """
        each = enumerate(self.element_names)
        return tuple(i for i, name in each if "gripper" in name.lower())

    @property
    def rotations(self) -> tuple[Rotation, ...]:
        """The elements that are rotations, three or four each, see `ilrobot.rotation_units`."""
        return () if len(self.shape) > 1 else find_rotations(self.units)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; unbounded limits become null element by element."""
        data = asdict(self)
        for key in ("low", "high"):
            if data[key] is not None:
                data[key] = [x if math.isfinite(x) else None for x in data[key]]
        return data

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Feature:
        """Inverse of `to_json`.

        Raises:
            UserError: A key is missing or of the wrong type.
        """

        def limits(key: str, missing: float) -> tuple[float, ...] | None:
            values = data.get(key)
            if values is None:
                return None
            return tuple(missing if x is None else float(x) for x in values)

        try:
            feature = cls(
                name=str(data["name"]),
                shape=tuple(int(n) for n in data["shape"]),
                dtype=str(data["dtype"]),
                names=tuple(str(name) for name in data.get("names") or ()),
                units=tuple(str(unit) for unit in data.get("units") or ()),
                low=limits("low", -math.inf),
                high=limits("high", math.inf),
                frame=str(data.get("frame", "")),
            )
            feature._check()
        except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
            raise UserError(f"the description of a feature is damaged ({_said(error)})") from error
        return feature

    def _check(self) -> None:
        if not all(0 < n < _MOST for n in self.shape):
            raise ValueError(f"'{self.name}' cannot have the shape {list(self.shape)}")
        if self.dtype not in _DTYPES:
            raise ValueError(f"'{self.name}' cannot hold {self.dtype}")
        of_each = ("names", "units", "low", "high") if self.shape else ("units", "low", "high")
        for key in () if len(self.shape) > 1 else of_each:
            if len(getattr(self, key) or ()) not in (0, self.size):
                raise ValueError(f"'{self.name}' has {self.size} elements and other {key}")
        if len(self.shape) < 2:
            limits = zip(self.element_names, self.low or (), self.high or (), strict=False)
            for name, low, high in limits:
                if not low <= high:
                    raise ValueError(f"'{name}' of '{self.name}' has limits from {low} to {high}")
        try:
            _ = self.rotations
        except ValueError as error:
            raise ValueError(f"'{self.name}' has {error}") from error


@dataclass(frozen=True)
class Spec:
    """Everything that a policy and a task must agree on.

    Attributes:
        observations: The observations, in order.
        action: The action; shape ``()`` and dtype ``int64`` where it is one of `choices`.
        rate: Control rate in Hz.
        choices: Number of discrete actions (None: the action is continuous).
        semantics: ``absolute`` targets, ``delta`` from the current target, ``discrete``.
        controller: What turns the action into motion, e.g. ``ee_delta_gripper``.
        task: Gymnasium id (empty: none, as in imported data).
        task_options: Keyword arguments for `gymnasium.make`.
        task_frame: From which thing towards which the task is alike wherever it is (empty: the task
            states none); what is the same but for this is the same task.
    """

    observations: tuple[Feature, ...]
    action: Feature
    rate: float
    choices: int | None = None
    semantics: Semantics = "unknown"
    controller: str = ""
    task: str = ""
    task_options: dict[str, Any] = field(default_factory=dict)
    task_frame: tuple[str, ...] = field(default=(), compare=False)

    @property
    def observation_names(self) -> tuple[str, ...]:
        """Column names of the observations, in order."""
        return tuple(feature.name for feature in self.observations)

    @property
    def target_rotations(self) -> tuple[Rotation, ...]:
        """The rotations that the action commands; one that is a step is a small turn, and none."""
        return () if self.semantics == "delta" else self.action.rotations

    @property
    def cameras(self) -> tuple[Feature, ...]:
        """The observations that are pictures, in order."""
        return tuple(feature for feature in self.observations if feature.is_image)

    def feature(self, name: str) -> Feature:
        """The observation or action of that name.

        Raises:
            KeyError: There is none.
        """
        for feature in (*self.observations, self.action):
            if feature.name == name:
                return feature
        raise KeyError(name)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON, the form in which it is kept in datasets, runs and contracts."""
        return {
            "observations": [feature.to_json() for feature in self.observations],
            "action": self.action.to_json(),
            "rate": self.rate,
            "choices": self.choices,
            "semantics": self.semantics,
            "controller": self.controller,
            "task": self.task,
            "task_options": self.task_options,
            **({"task_frame": list(self.task_frame)} if self.task_frame else {}),
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Spec:
        """Inverse of `to_json`.

        Raises:
            UserError: A key is missing or of the wrong type.
        """
        try:
            spec = cls(
                observations=tuple(Feature.from_json(item) for item in data["observations"]),
                action=Feature.from_json(data["action"]),
                rate=float(data["rate"]),
                choices=None if data.get("choices") is None else int(data["choices"]),
                semantics=data.get("semantics", "unknown"),
                controller=str(data.get("controller", "")),
                task=data.get("task", ""),
                task_options=dict(data.get("task_options") or {}),
                task_frame=tuple(data.get("task_frame") or ()),
            )
            if not isinstance(spec.task, str):
                raise ValueError(f"task {spec.task!r} is no id")
            names = [name for name in spec.task_frame if isinstance(name, str)]
            if len(names) != len(spec.task_frame) or len(names) not in (0, 2):
                raise ValueError(f"task_frame {list(spec.task_frame)} does not name two things")
            if not 0 < spec.rate < math.inf:
                raise ValueError(f"rate {spec.rate} Hz")
            if spec.choices is not None and not 0 < spec.choices < _MOST:
                raise ValueError(f"{spec.choices} choices")
            if not spec.action.shape and len(spec.action.names) not in (0, 1, spec.choices):
                raise ValueError(f"{len(spec.action.names)} names of {spec.choices} choices")
        except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
            raise UserError(f"the description of the task is damaged ({_said(error)})") from error
        return spec

    def with_rate(self, rate: float) -> Spec:
        """The same at another control rate in Hz."""
        return replace(self, rate=rate)


def _said(error: Exception) -> str:
    return f"{error} is missing" if isinstance(error, KeyError) else str(error)
