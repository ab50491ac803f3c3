"""All that advice is given on: what was measured on the data, and what there is beside them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from ilrobot.advice.coverage import Coverage
from ilrobot.advice.facts import Facts
from ilrobot.advice.frames import CHUNK, Frames
from ilrobot.advice.modes import Modes
from ilrobot.advice.neighbours import Neighbours
from ilrobot.data.recordings import Recordings

#: Who can be asked what they would have done: the task's script, a person at the pad, nobody.
Expert = Literal["scripted", "person", "none"]


@dataclass(frozen=True)
class Available:
    """What there is beside the data.

    Attributes:
        task: Gymnasium id (empty: none is known).
        simulator: Whether it can be made on this machine and fits the data.
        judges: Whether it says by itself when the task is done.
        expert: Who can be asked.
        remark: Why there is no simulator, or, where there is one, why it does not take the data as
            they are (empty: it does).
    """

    task: str = ""
    simulator: bool = False
    judges: bool = False
    expert: Expert = "none"
    remark: str = ""


@dataclass(frozen=True)
class Evidence:
    """What was looked at.

    Attributes:
        facts: What the data say of themselves.
        coverage: How far episodes go from each other (None: too few episodes).
        modes: Whether one observation was answered in several ways (None: too few episodes, or the
            actions are choices, which a classifier keeps apart by itself).
        available: What there is beside the data.
        switched: Elements of the action that were not looked at because they have two values.
        frozen: Those that have one.
    """

    facts: Facts
    coverage: Coverage | None
    modes: Modes | None
    available: Available
    switched: tuple[str, ...] = ()
    frozen: tuple[str, ...] = ()

    @classmethod
    def of(cls, dataset: Recordings, available: Available) -> Evidence:
        """Measure a dataset.

        Raises:
            UserError: It has no frames, or no observation that is a vector.
        """
        facts = Facts.of(dataset)
        if facts.choices is not None:
            return cls(facts, None, None, available)
        frames = Frames.of(dataset)
        if len(frames) < 2 * CHUNK or frames.episodes < 2 or not frames.observations.shape[1]:
            return cls(facts, None, None, available, frames.switched, frames.frozen)
        neighbours = Neighbours.of(frames)
        return cls(
            facts,
            Coverage.of(frames, neighbours),
            Modes.of(frames, neighbours),
            available,
            frames.switched,
            frames.frozen,
        )

    def to_json(self) -> dict[str, Any]:
        """Every number, as plain JSON."""
        return {
            **asdict(self),
            "success_rate": self.facts.success_rate,
            "mixed_quality": self.facts.mixed,
            "variable_length": self.facts.lengths_vary,
        }
