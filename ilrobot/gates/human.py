"""HG-DAgger: the person is the gate."""

from __future__ import annotations

from collections.abc import Callable

from ilrobot.gates.gate import GateContext


class HumanGate:
    """The person decides: HG-DAgger (Kelly et al. 2019, arXiv:1810.02890).

    Both are asked at every tick: the hand, because it may take over or declare something at any
    moment, and the novice, so that the recording tells what it would have done.

    Args:
        engaged: Whether the person wants control at this tick.
    """

    asks_novice = True
    asks_expert = True

    def __init__(self, engaged: Callable[[], bool]) -> None:
        self._engaged = engaged

    def reset(self, seed: int | None = None) -> None:
        """Nothing to do: the person remembers."""

    def decide(self, context: GateContext) -> bool:
        """Whether the person holds on to control."""
        return self._engaged()
