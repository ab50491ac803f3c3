"""What a controller and a robot say to each other, version 1 of it.

docs/robots.md is the specification, for any language; `exports.robots.wire` makes bytes of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar, NamedTuple

from exports.robots.fields import (
    Reader,
    Values,
    features,
    finite_numbers,
    flag,
    integer,
    json_map,
    number,
    numbers,
    one_of,
    optional,
    positive,
    record,
    text,
)

_Readers = dict[str, Reader[Any]]


class Header(NamedTuple):
    """What every message begins with.

    Attributes:
        session: Drawn at random when the sender's process starts, so that a restart is seen.
        seq: Counts the sender's messages, from 1; what does not exceed the last one is old.
        time: The sender's monotonic clock in seconds.
    """

    session: int
    seq: int
    time: float


class State(StrEnum):
    """What a robot does about its commands."""

    MOVING = "moving"
    """It executes them."""
    HOLDING = "holding"
    """None came in time, or it was told to stop: it brakes and stays until the next one."""
    ENDED = "ended"
    """The episode is over, or none was begun yet: it stays until the next reset."""


@dataclass(frozen=True)
class Hello:
    """Controller: who are you? Answered by `Capabilities`."""

    TYPE: ClassVar[str] = "hello"
    READERS: ClassVar[_Readers] = {}


@dataclass(frozen=True)
class Capabilities:
    """Robot: what it is.

    Attributes:
        name: For a person to read.
        spec: `ilrobot.spec.Spec` as JSON: names, shapes, units of observations and action, rate.
        any_rate: Whether it takes commands at any rate.
        time_limit: Ticks after which an episode ends (None: none of its own).
        timeout: Seconds without a command after which it holds by itself.
        joints: `ilrobot.control.contract_joints.Joints` as JSON (None: it states nothing of them).
    """

    name: str
    spec: dict[str, Any]
    any_rate: bool
    time_limit: int | None
    timeout: float
    joints: dict[str, Any] | None = None
    TYPE: ClassVar[str] = "capabilities"
    READERS: ClassVar[_Readers] = {
        "name": text,
        "spec": json_map,
        "any_rate": flag,
        "time_limit": optional(integer),
        "timeout": positive,
        "joints": optional(json_map),
    }


@dataclass(frozen=True)
class Reset:
    """Controller: begin an episode. Sent again until `Status` names this episode.

    Attributes:
        episode: Counts the episodes of this session, from 1.
        seed: Of what a simulated robot draws at random.
        limits: `ilrobot.control.contract_parts.Limits` as JSON, which the robot keeps by itself
            too, where it has to brake without a command (None: its own).
        workspace: `ilrobot.control.contract_guards.Workspace` as JSON, likewise (None: anywhere).
    """

    episode: int
    seed: int
    limits: dict[str, Any] | None
    workspace: dict[str, Any] | None = None
    TYPE: ClassVar[str] = "reset"
    READERS: ClassVar[_Readers] = {
        "episode": integer,
        "seed": integer,
        "limits": optional(json_map),
        "workspace": optional(json_map),
    }


@dataclass(frozen=True)
class Command:
    """Controller: move so. Only the newest counts.

    Attributes:
        episode: It belongs to; others are ignored.
        values: The action, flattened, in its units; finite.
    """

    episode: int
    values: tuple[float, ...]
    TYPE: ClassVar[str] = "command"
    READERS: ClassVar[_Readers] = {"episode": integer, "values": finite_numbers}


@dataclass(frozen=True)
class Heartbeat:
    """Controller: I am here and command nothing. It keeps observations coming, not motion."""

    TYPE: ClassVar[str] = "heartbeat"
    READERS: ClassVar[_Readers] = {}


@dataclass(frozen=True)
class Stop:
    """Controller: brake and hold until a newer command. Sent again until `Status` answers.

    Attributes:
        episode: The one that runs; a stop of an earlier one came late and is ignored.
    """

    episode: int
    TYPE: ClassVar[str] = "stop"
    READERS: ClassVar[_Readers] = {"episode": integer}


@dataclass(frozen=True)
class Heard:
    """The newest message that the robot had of the controller; what the clocks are compared by.

    Attributes:
        seq: Of its header.
        time: Of its header, so in seconds of the controller's clock.
        received: When it came, in seconds of the robot's clock.
    """

    seq: int
    time: float
    received: float
    READERS: ClassVar[_Readers] = {"seq": integer, "time": number, "received": number}


@dataclass(frozen=True)
class Observation:
    """Robot: a measurement and how the episode stands, once a tick.

    Attributes:
        episode: The one that runs.
        measured: When it was measured, in seconds of the robot's clock.
        heard: See `Heard`.
        state: See `State`.
        success: Whether the task counts as done now (None: nobody judges).
        values: Of each feature by its name; may hold NaN and infinity, which the guard looks for.
        pose: Where the target of each delta element is once every command up to `heard` is
            executed, in the coordinates of the contract's workspace (NaN, or None for all: not
            known).
    """

    episode: int
    measured: float
    heard: Heard
    state: State
    success: bool | None
    values: Mapping[str, Values]
    pose: tuple[float, ...] | None = None
    TYPE: ClassVar[str] = "observation"
    READERS: ClassVar[_Readers] = {
        "episode": integer,
        "measured": number,
        "heard": record(Heard, Heard.READERS),
        "state": one_of(State),
        "success": optional(flag),
        "values": features,
        "pose": optional(numbers),
    }


@dataclass(frozen=True)
class Status:
    """Robot: the answer to `Reset` and to `Stop`.

    Attributes:
        episode: The one that runs.
        state: See `State`.
        command: The command that it holds, flattened (None: it does not know).
        velocity: How fast that moves, in the action's units per second (None: it is at rest).
    """

    episode: int
    state: State
    command: tuple[float, ...] | None
    velocity: tuple[float, ...] | None
    TYPE: ClassVar[str] = "status"
    READERS: ClassVar[_Readers] = {
        "episode": integer,
        "state": one_of(State),
        "command": optional(numbers),
        "velocity": optional(numbers),
    }


@dataclass(frozen=True)
class Refusal:
    """Robot: no.

    Attributes:
        reason: Why, in one line for a person, such as another controller that drives.
    """

    reason: str
    TYPE: ClassVar[str] = "refusal"
    READERS: ClassVar[_Readers] = {"reason": text}


Body = Hello | Capabilities | Reset | Command | Heartbeat | Stop | Observation | Status | Refusal
