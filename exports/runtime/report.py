"""What a run of the control loop came to, and each of its episodes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from exports.runtime.statistics import TickStatistics
from ilrobot.control.observation_watch import Outside


@dataclass(frozen=True)
class EpisodeReport:
    """What an episode on the robot came to.

    Attributes:
        seed: Seed of its reset.
        success: Whether the task counted as done at any tick, or as a person declared (None: nobody
            judged).
        ticks: Its length.
        ended: Whether it ended by itself, and not because the loop was stopped or something failed.
        failure: What failed (None: nothing did).
    """

    seed: int
    success: bool | None
    ticks: int
    ended: bool
    failure: str | None = None


@dataclass
class LoopReport:
    """What a run of the loop came to.

    Attributes:
        rate: Nominal control rate in Hz.
        episodes: One report each, in order.
        statistics: Times of its ticks.
        activations: How many ticks each kind of guard activation happened at.
        outside: Which elements of observations were outside their training range.
        workspace_unknown: Whether the contract's workspace could not be kept, because the robot
            does not say where its target is.
    """

    rate: float
    statistics: TickStatistics
    activations: dict[str, int] = field(default_factory=dict)
    episodes: list[EpisodeReport] = field(default_factory=list)
    outside: list[Outside] = field(default_factory=list)
    workspace_unknown: bool = False

    @property
    def failure(self) -> str | None:
        """What failed, and so ended the run (None: nothing did)."""
        return self.episodes[-1].failure if self.episodes else None

    def to_json(self) -> dict[str, Any]:
        """Times in milliseconds, except `period`, which is the nominal one in seconds."""
        finished = [episode for episode in self.episodes if episode.ended]
        judged = [episode.success for episode in finished if episode.success is not None]
        return {
            "rate": self.rate,
            "period": 1.0 / self.rate,
            "episodes": len(finished),
            "judged": len(judged),
            "successes": sum(judged) if judged else None,
            "success_rate": sum(judged) / len(judged) if judged else None,
            "episode_results": [vars(episode).copy() for episode in self.episodes],
            **self.statistics.to_json(),
            "guard": dict(self.activations),
            "out_of_range": [vars(outside).copy() for outside in self.outside],
            "workspace_unknown": self.workspace_unknown,
            "failure": self.failure,
        }
