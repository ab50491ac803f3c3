"""SafeDAgger: the expert acts where the novice strays from it.

    expert acts  ⇔  ε(o) > τ,     ε(o) = ‖π(o) - π*(o)‖²

Zhang and Cho 2017, "Query-efficient imitation learning for end-to-end simulated driving",
arXiv:1605.06450. Their safety policy learns to foretell this decision, so that
the expert need not be asked; here the expert is asked at every step, and the decision is exact.
"""

from __future__ import annotations

from collections.abc import Mapping

from ilrobot.gates.discrepancy import check_threshold, discrepancy
from ilrobot.gates.gate import Gate, GateContext


class SafeGate(Gate):
    """One threshold, both ways.

    Args:
        threshold: τ in the action's units squared, e.g. `discrepancy.default_threshold`. The paper
            took 0.0025, which made a fifth of its first data unsafe.

    Raises:
        UserError: It is negative or not finite.
    """

    asks_novice = True
    asks_expert = True

    def __init__(self, threshold: float) -> None:
        self._threshold = check_threshold("discrepancy", threshold)

    def decide(self, context: GateContext) -> bool:
        """Whether the novice strays too far.

        Raises:
            UserError: The expert gave no action.
        """
        return discrepancy(context) > self._threshold

    def thresholds(self) -> Mapping[str, float]:
        """The one."""
        return {"discrepancy": self._threshold}
