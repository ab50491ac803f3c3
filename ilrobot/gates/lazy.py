"""LazyDAgger: SafeDAgger with hysteresis, for fewer changes of hands.

    takes over   ⇔  ε(o) > β_H
    hands back   ⇔  ε(o) ≤ β_R,    β_R < β_H

Hoque, Balakrishna, Putterman, Luo, Brown, Seita, Thananjeyan, Novoseller and Goldberg 2021,
"LazyDAgger: Reducing context switching in interactive imitation learning", arXiv:2104.00053. The
paper also disturbs what the supervisor executes, by N(0, σ² I), so that recovery is seen: give
`SharedControl` a `ilrobot.noisy_expert.NoisyExpert`, whose labels stay undisturbed. The takeover
is foretold as in `safe`; while the expert acts, and is asked anyway, ε is measured. Where straying
is still foretold nothing is handed back all the same, since the next tick would take it back: a
step that is easy in itself may lie in the midst of what goes wrong. The defaults of
both thresholds are those of the authors' program; that of its noise is zero, so that σ is ours.
"""

from __future__ import annotations

from collections.abc import Mapping

from ilrobot.errors import UserError
from ilrobot.gates.discrepancy import THRESHOLD, Discrepancy, check_threshold
from ilrobot.gates.foresight import UNSAFE, Foresight
from ilrobot.gates.gate import Gate, GateContext

#: σ of each element of the action, beside its range: 2 mm where an arm's steps go from -2 to 2 cm.
#: The script that puts in a peg with 1 mm of clearance then does so in 10 of 10, at 0.1 in 8.
NOISE = 0.05


class LazyGate(Gate):
    """Takes over above one threshold and hands back below a lower one.

    Args:
        discrepancy: ε.
        threshold: β_H.
        handback: β_R as a share 0 < β_R / β_H ≤ 1; at 1 it is SafeDAgger.
        foresight: Of ε > β_H (None: the expert is asked at every tick, and ε is measured).

    Raises:
        UserError: One is out of range.
    """

    asks_novice = True

    def __init__(
        self,
        discrepancy: Discrepancy,
        threshold: float = THRESHOLD,
        handback: float = 0.25,
        foresight: Foresight | None = None,
    ) -> None:
        self._discrepancy, self._foresight = discrepancy, foresight
        self.asks_expert = foresight is None
        if not 0.0 < handback <= 1.0:
            raise UserError(f"control is handed back at a share in (0, 1], not at {handback}")
        self._takeover = check_threshold("discrepancy", threshold)
        self._handback = handback * self._takeover

    def decide(self, context: GateContext) -> bool:
        """Whether the novice strays, or has not yet come back.

        Raises:
            UserError: The expert gave no action.
        """
        if context.expert_acting and self._discrepancy(context) > self._handback:
            return True
        if self._foresight is not None:
            return self._foresight(context) > UNSAFE
        return not context.expert_acting and self._discrepancy(context) > self._takeover

    def thresholds(self) -> Mapping[str, float]:
        """Those of ε, and that of the foresight, if there is one."""
        both = {"discrepancy": self._takeover, "handback discrepancy": self._handback}
        return both if self._foresight is None else {**both, self._foresight.name: UNSAFE}
