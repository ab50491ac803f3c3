"""What a gate is: the rule by which novice and expert share control."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

from ilrobot.actors import Action, Observation


@dataclass(frozen=True)
class GateContext:
    """What a gate may decide by.

    Attributes:
        observation: This tick's observation.
        now: The time of the loop's clock in seconds.
        expert_acting: Whether the expert acted at the tick before, and has not let go since.
        policy_action: What the novice wants now (None: not asked yet, see `Gate.asks_novice`).
        human_action: What the expert wants now (None: not asked yet, or it wants nothing).
    """

    observation: Observation
    now: float
    expert_acting: bool
    policy_action: Action | None
    human_action: Action | None


class Gate(ABC):
    """Says at each tick who acts.

    Attributes:
        asks_novice: The novice is asked at every tick, before the gate decides. While the expert
            acts, each of its answers is planned afresh: it is what the novice would do if it were
            given control now. Otherwise it is asked only where it acts.
        asks_expert: The expert is asked at every tick, before the gate decides. Otherwise it is
            asked only while it acts, from the tick of takeover to that of handback.
        expert_decides: The expert has control whenever it wants it, whatever the novice wants; then
            the loop hardly waits for a novice that may be late.
        budget: Share of the novice's steps at which it may call the expert (None: no budget).
    """

    asks_novice: bool
    asks_expert: bool
    expert_decides: bool = False
    budget: float | None = None

    def reset(self, seed: int | None = None) -> None:  # noqa: B027 (many gates keep no state)
        """Begin an episode; `seed` fixes what the gate draws."""

    @abstractmethod
    def decide(self, context: GateContext) -> bool:
        """True: the expert acts at this tick."""

    def thresholds(self) -> Mapping[str, float]:
        """What it decides by at present, name to value (empty: by nothing that is a number)."""
        return {}
