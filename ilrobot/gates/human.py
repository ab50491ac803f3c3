"""HG-DAgger: the person is the gate.

Kelly, Sidrane, Driggs-Campbell and Kochenderfer 2019, "HG-DAgger: Interactive imitation learning
with human experts", arXiv:1810.02890. The novice's doubt is noted whenever the person takes over,
and from these notes follows the bound of what it may be trusted with,

    τ = mean of the last quarter of the doubts,

which tells risky states from safe ones afterwards and has no part in the gating.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from ilrobot.gates.gate import Gate, GateContext


class HumanGate(Gate):
    """The person decides.

    Both are asked at every tick: the hand, because it may take over or declare something at any
    moment, and the novice, so that the recording tells what it would have done.

    Args:
        engaged: Whether the person wants control at this tick.
        trusted: τ by the doubts noted so far, from `risk_threshold` (None: none is noted yet).
    """

    asks_novice = True
    asks_expert = True
    expert_decides = True

    def __init__(self, engaged: Callable[[], bool], trusted: float | None = None) -> None:
        self._engaged, self._trusted = engaged, trusted

    def decide(self, context: GateContext) -> bool:
        """Whether the person holds on to control."""
        return self._engaged()

    def thresholds(self) -> Mapping[str, float]:
        """The bound τ, which has no part in the decision."""
        return {} if self._trusted is None else {"doubt": self._trusted}


def risk_threshold(doubts: Sequence[float]) -> float:
    """τ: the mean of the last quarter of the doubts noted at takeovers, at least of the last one.

    Args:
        doubts: In the order in which they were noted; at least one.
    """
    return float(np.mean(doubts[-math.ceil(len(doubts) / 4) :]))
