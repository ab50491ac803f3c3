"""SafeDAgger: the expert acts where the novice strays from it.

    expert acts  ⇔  ε(o) > τ        (ε: `ilrobot.gates.discrepancy`)

Zhang and Cho 2017, "Query-efficient imitation learning for end-to-end simulated driving",
arXiv:1605.06450. Their safety policy learns to foretell this decision, so that
the expert need not be asked; here the expert is asked at every step, and the decision is exact.
"""

from __future__ import annotations

from collections.abc import Mapping

from ilrobot.gates.discrepancy import THRESHOLD, Discrepancy, check_threshold
from ilrobot.gates.gate import Gate, GateContext


class SafeGate(Gate):
    """One threshold, both ways.

    Args:
        discrepancy: ε.
        threshold: τ. The paper took 0.0025 for unscaled actions, so that a fifth of its first data
            was unsafe.

    Raises:
        UserError: It is negative or not finite.
    """

    asks_novice = True
    asks_expert = True

    def __init__(self, discrepancy: Discrepancy, threshold: float = THRESHOLD) -> None:
        self._discrepancy = discrepancy
        self._threshold = check_threshold("discrepancy", threshold)

    def decide(self, context: GateContext) -> bool:
        """Whether the novice strays too far.

        Raises:
            UserError: The expert gave no action.
        """
        return self._discrepancy(context) > self._threshold

    def thresholds(self) -> Mapping[str, float]:
        """The one."""
        return {"discrepancy": self._threshold}
