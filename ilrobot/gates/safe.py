"""SafeDAgger: the expert acts where the novice strays from it.

    expert acts  ⇔  ε(o) > τ        (ε: `ilrobot.gates.discrepancy`)

Zhang and Cho 2017, "Query-efficient imitation learning for end-to-end simulated driving",
arXiv:1605.06450. Their safety policy learns to foretell this decision, so that the expert is asked
only while it acts (`ilrobot.gates.foresight`); an expert that can be asked at every step makes it
exact (`ilrobot.gates.discrepancy`).
"""

from __future__ import annotations

from collections.abc import Mapping

from ilrobot.gates.discrepancy import THRESHOLD, Discrepancy, check_threshold
from ilrobot.gates.foresight import UNSAFE, Foresight
from ilrobot.gates.gate import Gate, GateContext


class SafeGate(Gate):
    """One threshold, both ways.

    Args:
        strays: ε itself, or the foresight of ε > τ.
        threshold: τ (None: the default), or the probability above which the expert is to act. A
            threshold is to be such that about a fifth of the first data is unsafe: so the authors
            of LazyDAgger report of this paper, in their program.

    Raises:
        UserError: It is negative or not finite.
    """

    asks_novice = True

    def __init__(self, strays: Discrepancy | Foresight, threshold: float | None = None) -> None:
        self._strays, self.asks_expert = strays, strays.asks_expert
        default = THRESHOLD if strays.asks_expert else UNSAFE
        value = default if threshold is None else threshold
        self._threshold = check_threshold(strays.name, value)

    def decide(self, context: GateContext) -> bool:
        """Whether the novice strays too far.

        Raises:
            UserError: The expert gave no action.
        """
        return self._strays(context) > self._threshold

    def thresholds(self) -> Mapping[str, float]:
        """The one."""
        return {self._strays.name: self._threshold}
