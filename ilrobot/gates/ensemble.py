"""EnsembleDAgger: the expert acts where the novice strays from it or doubts itself.

    novice acts  ⇔  ε(o) ≤ τ  and  doubt(o) ≤ χ

Menda, Driggs-Campbell and Kochenderfer 2019, "EnsembleDAgger: A Bayesian approach to safe imitation
learning", arXiv:1807.08364: near the expert's action alone is not enough where little
data says so. Doubt is the variance of an ensemble's actions.
"""

from __future__ import annotations

from collections.abc import Mapping

from ilrobot.gates.discrepancy import THRESHOLD, Discrepancy, check_threshold
from ilrobot.gates.doubt import Doubt
from ilrobot.gates.gate import Gate, GateContext


class EnsembleGate(Gate):
    """Discrepancy or doubt.

    Args:
        discrepancy: ε.
        doubt: The novice's, e.g. `ilrobot.ensemble.EnsembleActor.doubt`.
        doubt_threshold: χ, in the unit of `doubt`. It depends on the task; HG-DAgger learns one
            from a person, `ilrobot.gates.human.risk_threshold`.
        threshold: τ.

    Raises:
        UserError: A threshold is negative or not finite.
    """

    asks_novice = True
    asks_expert = True

    def __init__(
        self,
        discrepancy: Discrepancy,
        doubt: Doubt,
        doubt_threshold: float,
        threshold: float = THRESHOLD,
    ) -> None:
        self._discrepancy = discrepancy
        self._threshold = check_threshold("discrepancy", threshold)
        self._doubt_threshold = check_threshold("doubt", doubt_threshold)
        self._doubt = doubt

    def decide(self, context: GateContext) -> bool:
        """Whether the novice strays or doubts.

        Raises:
            UserError: The expert gave no action.
        """
        near = self._discrepancy(context) <= self._threshold
        return not (near and self._doubt(context.observation) <= self._doubt_threshold)

    def thresholds(self) -> Mapping[str, float]:
        """Both."""
        return {"discrepancy": self._threshold, "doubt": self._doubt_threshold}
