"""What an episode has come to so far, tick by tick, and the way back through it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ilrobot.actors import Action, Observation
from ilrobot.task_env import Snapshot

#: Memory for moments to go back to; the oldest are forgotten. It holds 14 s of two cameras at
#: 30 Hz, and any episode without pictures.
MOST_BYTES = 200_000_000


@dataclass(frozen=True)
class Tick:
    """One tick of an episode.

    Attributes:
        frame: Its number in the recording, counted from 0.
        observation: What was observed at its beginning (empty: forgotten with the moment).
        moment: Where the world was then (None: there is no way back to it).
        action: What was executed.
        reward: What that brought.
        success: Whether the task counted as done then.
        human: Whether a person acted while a policy was running.
        intervention: Number of the takeover (-1: nobody had taken over).
    """

    frame: int
    observation: Observation
    moment: Snapshot | None
    action: Action
    reward: float
    success: bool
    human: bool
    intervention: int


class Timeline:
    """The ticks of an episode that no rewind undid, oldest first.

    Attributes:
        ticks: All of them.
        frames: How many ticks there were in all.
        branch: How often the world went back.
        takeovers: How often a person took over, on any branch.
    """

    def __init__(self) -> None:
        self.ticks: list[Tick] = []
        self.frames = self.branch = self.takeovers = 0
        self._going_back = False
        self._forgotten = self._bytes = 0

    def takeover(self, human: bool) -> int:
        """The number of the takeover that the next tick belongs to (-1: none)."""
        if not human:
            return -1
        if not (self.ticks and self.ticks[-1].human) or self._going_back:
            self.takeovers += 1
        return self.takeovers - 1

    def append(self, tick: Tick) -> None:
        """Go on by one tick."""
        self._going_back = False
        self.frames += 1
        self.ticks.append(tick)
        self._bytes += 0 if tick.moment is None else tick.moment.size
        while self._bytes > MOST_BYTES and self._forgotten < len(self.ticks):
            oldest = self.ticks[self._forgotten]
            self._bytes -= 0 if oldest.moment is None else oldest.moment.size
            self.ticks[self._forgotten] = replace(oldest, moment=None, observation={})
            self._forgotten += 1

    def back(self) -> Tick | None:
        """Undo the last tick (None: there is none that one can go back to)."""
        if not self.ticks or self.ticks[-1].moment is None:
            return None
        last = self.ticks.pop()
        assert last.moment is not None
        self._bytes -= last.moment.size
        self.branch += not self._going_back
        self._going_back = True
        return last

    def past(self) -> list[Observation]:
        """The observations that are not forgotten, oldest first."""
        return [tick.observation for tick in self.ticks if tick.observation]

    @property
    def success(self) -> bool:
        """Whether the task counted as done at any tick."""
        return any(tick.success for tick in self.ticks)

    @property
    def interventions(self) -> int:
        """How often a person took over."""
        return len({tick.intervention for tick in self.ticks if tick.human})
