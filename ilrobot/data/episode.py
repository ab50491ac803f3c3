"""What is recorded: the columns of a frame and what an episode knows about itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from enum import StrEnum
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ilrobot.data.branches import DISCARDED, discarded
from ilrobot.gates.log import GateLog
from ilrobot.spec import Spec

#: Whether the pictures of a tick are those of the tick before, because its own were dropped.
REPEATED = "images.repeated"

#: One recorded tick: a value for each of the `frame_columns`.
Frame = Mapping[str, Any]


class Outcome(StrEnum):
    """How an episode ended."""

    SUCCESS = "success"
    FAILURE = "failure"
    TIMEOUT = "timeout"
    DISCARDED = "discarded"
    #: The recording was cut off, for example by a crash; what had been written was recovered.
    UNFINISHED = "unfinished"
    #: Nobody judged it, as in imported data and in tasks that have no notion of success.
    UNKNOWN = "unknown"


#: Of attempts that are kept on disk but do not count as the episodes asked for.
UNCOUNTED = frozenset({Outcome.DISCARDED, Outcome.UNFINISHED})


class Judge(StrEnum):
    """Who said so."""

    ENVIRONMENT = "environment"
    PERSON = "person"
    NOBODY = "nobody"


@dataclass(frozen=True)
class Column:
    """A column of the recording: numpy dtype name (or ``string``) and shape at one tick."""

    name: str
    dtype: str
    shape: tuple[int, ...] = ()


@dataclass(frozen=True)
class EpisodeInfo:
    """What an episode knows about itself, beside its frames.

    Attributes:
        task: The instruction in words; LeRobot's task string.
        rate: Nominal control rate in Hz.
        outcome: How it ended.
        judge: Who said so.
        seed: Seed of the environment's reset (None: not known).
        operator: Who held the controls, e.g. a person's name, ``simulated``, an expert's name.
        device: What they held, e.g. ``gamepad``.
        mapping_hash: Identifies the device-to-action mapping (empty: no device).
        policy_hash: Identifies the policy that shared control (empty: none).
        control: How control was shared (None: it was not, or the recording was cut off).
        real_time: Whether its loop must not wait for the recorder, which drops pictures rather
            than be late; known only while it runs.
    """

    task: str
    rate: float
    outcome: Outcome = Outcome.UNFINISHED
    judge: Judge = Judge.NOBODY
    seed: int | None = None
    operator: str = ""
    device: str = ""
    mapping_hash: str = ""
    policy_hash: str = ""
    control: GateLog | None = None
    real_time: bool = True

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> EpisodeInfo:
        """Inverse of `to_json`; keys of a newer version are ignored."""
        known = {f.name for f in fields(cls)}
        kept = {key: value for key, value in data.items() if key in known}
        kept["outcome"] = Outcome(kept.get("outcome", Outcome.UNKNOWN))
        kept["judge"] = Judge(kept.get("judge", Judge.NOBODY))
        if kept.get("control") is not None:
            kept["control"] = GateLog.from_json(kept["control"])
        return cls(**kept)


@dataclass
class Episode:
    """An episode in memory: each column as one array with time first, shape (T, *shape).

    Attributes:
        info: What it knows about itself.
        columns: Its arrays by name.
        pictures: For each camera what it saw, T pictures (H, W, 3) uint8, only where an episode is
            to be written; they are read as they are wanted, and once.
    """

    info: EpisodeInfo
    columns: dict[str, NDArray[Any]] = field(default_factory=dict)
    pictures: Mapping[str, Iterable[NDArray[np.uint8]]] = field(default_factory=dict, compare=False)

    @property
    def states(self) -> NDArray[np.float64] | None:
        """The simulator's states, shape (T, size); None where they were not recorded."""
        states = self.columns.get("sim.state")
        return None if states is None or np.isnan(states).all() else states

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()))) if self.columns else 0


class Recorder(Protocol):
    """Where a rollout's frames go."""

    def begin(self, info: EpisodeInfo) -> None:
        """Open an episode."""

    def append(self, frame: Frame) -> None:
        """Keep one tick; must cost the loop next to nothing."""

    def rewind(self, to_frame: int) -> None:
        """The world has gone back: the ticks from `to_frame` on, counted from 0, are discarded.

        They are kept, and sealed with ``control.discarded``.
        """

    def end(self, outcome: Outcome, judge: Judge, control: GateLog | None = None) -> None:
        """Seal the episode."""


def frame_columns(spec: Spec, state_size: int = 0) -> tuple[Column, ...]:
    """The columns that a recording of this task has, in order; what cameras see is kept as film.

    Args:
        spec: The task's observations and action.
        state_size: Length of the simulator's state vector (0: it is not recorded).
    """
    action = spec.action
    action_copy = "float32" if spec.choices is None else "float64"  # NaN must fit: "nobody asked"
    columns = [
        *(Column(f.name, f.dtype, f.shape) for f in spec.observations if not f.is_image),
        Column("action", action.dtype, action.shape),
        Column("next.reward", "float32"),
        Column("next.done", "bool"),
        Column("next.success", "bool"),
        Column("next.terminated", "bool"),
        Column("intervention", "bool"),
        Column("control.source", "string"),
        Column("control.policy_action", action_copy, action.shape),
        Column("control.human_action", action_copy, action.shape),
        Column("control.intervention_id", "int64"),
        Column("control.branch", "int64"),
        Column("control.discarded", "bool"),
        Column("time.observed", "float64"),
        Column("time.input", "float64"),
        Column("time.applied", "float64"),
        Column("time.missed_deadline", "bool"),
    ]
    if spec.cameras:
        columns.append(Column(REPEATED, "bool"))
    if state_size:
        columns.append(Column("sim.state", "float64", (state_size,)))
    return tuple(columns)


def stack_frames(frames: list[Frame], columns: tuple[Column, ...]) -> dict[str, NDArray[Any]]:
    """Frames as one array per column, shape (T, *shape)."""
    stacked: dict[str, NDArray[Any]] = {}
    for column in columns:
        dtype: Any = object if column.dtype == "string" else column.dtype
        values = [frame[column.name] for frame in frames]
        stacked[column.name] = np.array(values, dtype=dtype).reshape(len(frames), *column.shape)
    return stacked


class MemoryRecorder:
    """Keeps episodes in memory; for studies and tests that need no files."""

    def __init__(self, spec: Spec, state_size: int = 0) -> None:
        self.columns = frame_columns(spec, state_size)
        self.episodes: list[Episode] = []
        self._info: EpisodeInfo | None = None
        self._frames: list[Frame] = []
        self._rewinds: list[tuple[int, int]] = []

    def begin(self, info: EpisodeInfo) -> None:
        """Open an episode."""
        self._info, self._frames, self._rewinds = info, [], []

    def append(self, frame: Frame) -> None:
        """Keep one tick."""
        self._frames.append(frame)

    def rewind(self, to_frame: int) -> None:
        """Discard the ticks from this one on."""
        self._rewinds.append((to_frame, len(self._frames)))

    def end(self, outcome: Outcome, judge: Judge, control: GateLog | None = None) -> None:
        """Add the episode to `episodes`."""
        if self._info is None:
            raise RuntimeError("end() without begin()")
        info = replace(self._info, outcome=outcome, judge=judge, control=control)
        columns = stack_frames(self._frames, self.columns)
        columns[DISCARDED] |= discarded(len(self._frames), self._rewinds)
        self.episodes.append(Episode(info, columns))
        self._info = None
