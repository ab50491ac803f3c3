"""How an episode was shared: the same numbers for every gate, so that gates can be compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class GateLog:
    """What one gate did in one episode, or in several.

    Ticks at which nobody acts (a person pauses or rewinds, the robot waits for help) are not
    counted.

    Attributes:
        steps: Ticks at which novice or expert acted.
        expert_steps: Those at which the expert acted.
        takeovers: How often the expert was given control.
        switches: How often control changed hands, either way.
        queries: Actions that the expert gave, executed or not: what its labour is measured by.
        context_time: For how long the expert had control in all, in seconds of the loop's clock,
            from a takeover to the tick at which control is handed back, or the episode's end.
        thresholds: What the gate decided by, at the end.
        budget: Share of the novice's steps at which it may call the expert (None: no budget).
        doubts: How much the novice doubted itself at each takeover, where it knew; see
            `ilrobot.gates.doubt`.
    """

    steps: int
    expert_steps: int
    takeovers: int
    switches: int
    queries: int
    context_time: float
    thresholds: Mapping[str, float] = field(default_factory=dict)
    budget: float | None = None
    doubts: tuple[float, ...] = ()

    @property
    def budget_spent(self) -> float:
        """Share of the ticks begun by the novice at which the expert took over; 0 of none."""
        asked = self.steps - self.expert_steps + self.takeovers
        return self.takeovers / asked if asked else 0.0

    def to_json(self) -> dict[str, Any]:
        """Plain JSON with the same keys for every gate."""
        spent = None if self.budget is None else self.budget_spent
        return {**asdict(self), "doubts": list(self.doubts), "budget_spent": spent}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> GateLog:
        """Inverse of `to_json`.

        Raises:
            ValueError: A count is missing, or not a number.
        """
        try:
            counts = {name: int(data[name]) for name in COUNTS}
            budget = data["budget"]
            return cls(
                **counts,
                context_time=float(data["context_time"]),
                thresholds={name: float(value) for name, value in data["thresholds"].items()},
                budget=None if budget is None else float(budget),
                doubts=tuple(float(doubt) for doubt in data["doubts"]),
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"no log of a gate: {error}") from error


@dataclass
class Tally:
    """A `GateLog` that is being counted, with the same attributes."""

    steps: int = 0
    expert_steps: int = 0
    takeovers: int = 0
    switches: int = 0
    queries: int = 0
    context_time: float = 0.0
    doubts: list[float] = field(default_factory=list)

    def log(self, thresholds: Mapping[str, float], budget: float | None) -> GateLog:
        """What was counted so far, and what the gate decides by at present."""
        counted = {**vars(self), "doubts": tuple(self.doubts)}
        return GateLog(**counted, thresholds=dict(thresholds), budget=budget)


#: The counts of a `GateLog`.
COUNTS = ("steps", "expert_steps", "takeovers", "switches", "queries")


def total(logs: Sequence[GateLog]) -> GateLog:
    """The sum of the counts and all doubts, with the thresholds and the budget of the last.

    Args:
        logs: At least one, of the same gate, in order.
    """
    return GateLog(
        steps=sum(log.steps for log in logs),
        expert_steps=sum(log.expert_steps for log in logs),
        takeovers=sum(log.takeovers for log in logs),
        switches=sum(log.switches for log in logs),
        queries=sum(log.queries for log in logs),
        context_time=sum(log.context_time for log in logs),
        thresholds=logs[-1].thresholds,
        budget=logs[-1].budget,
        doubts=tuple(doubt for log in logs for doubt in log.doubts),
    )
