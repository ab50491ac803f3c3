"""EnsembleDAgger: the expert acts where the novice strays from it or doubts itself.

    novice acts  ⇔  ε(o) ≤ τ  and  doubt(o) ≤ χ

Menda, Driggs-Campbell and Kochenderfer 2019, "EnsembleDAgger: A Bayesian approach to safe imitation
learning", arXiv:1807.08364: near the expert's action alone is not enough where little
data says so. Doubt is the variance of an ensemble's actions.
"""

from __future__ import annotations

from collections.abc import Mapping

from ilrobot.gates.discrepancy import check_threshold, discrepancy
from ilrobot.gates.doubt import Doubt
from ilrobot.gates.gate import Gate, GateContext


class EnsembleGate(Gate):
    """Discrepancy or doubt.

    Args:
        discrepancy_threshold: τ in the action's units squared, e.g. `default_threshold`.
        doubt_threshold: χ, in the unit of `doubt`. It depends on the task;
            HG-DAgger learns one from a person, `ilrobot.gates.human.risk_threshold`.
        doubt: The novice's, e.g. `ilrobot.ensemble.EnsembleActor.doubt`.

    Raises:
        UserError: A threshold is negative or not finite.
    """

    asks_novice = True
    asks_expert = True

    def __init__(self, discrepancy_threshold: float, doubt_threshold: float, doubt: Doubt) -> None:
        self._discrepancy = check_threshold("discrepancy", discrepancy_threshold)
        self._doubt_threshold = check_threshold("doubt", doubt_threshold)
        self._doubt = doubt

    def decide(self, context: GateContext) -> bool:
        """Whether the novice strays or doubts.

        Raises:
            UserError: The expert gave no action.
        """
        near = discrepancy(context) <= self._discrepancy
        return not (near and self._doubt(context.observation) <= self._doubt_threshold)

    def thresholds(self) -> Mapping[str, float]:
        """Both."""
        return {"discrepancy": self._discrepancy, "doubt": self._doubt_threshold}
