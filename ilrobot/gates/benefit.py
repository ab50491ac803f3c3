"""A gate by the benefit of help: the novice calls where an expert would change what comes of it.

    benefit(o) = V(o) - Q(o, π(o))
    takes over  ⇔  benefit > δ for a second
    hands back  ⇔  benefit(o) ≤ median benefit

V is the discounted probability of success if the expert goes on from here, Q that if the novice
does; `ilrobot.learners.interactive.help_critic` fits both, Q to rehearsals, which the novice
makes alone before each round. It is ThriftyDAgger's risk, 1 - Q (Hoque et al. 2021,
arXiv:2109.08273), less the part that no help can undo: where the peg lies already both are 0, and
nobody is called any more. Novelty plays no part.

A novice that is doubted for less than a second goes on: it may come through by itself.

δ is such that a given share of the rehearsals would have called at least once. Steps are not
counted, as ThriftyDAgger counts them: those after the first call would not have been the novice's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ilrobot.actors import Action, Observation
from ilrobot.errors import UserError
from ilrobot.gates.gate import Gate, GateContext

#: Seconds for which help must be worth more than δ.
PATIENCE = 1.0
#: Nobody is called for help that changes the outcome by less than this, else a novice that hardly
#: fails any more would go on calling as often.
LEAST = 0.25


class Benefit(Protocol):
    """Foretells what help is worth."""

    def __call__(self, observation: Observation, action: Action) -> float:
        """V - Q, -1 … 1, where the novice would take this action."""


@dataclass(frozen=True)
class BenefitThresholds:
    """What a `BenefitGate` decides by.

    Attributes:
        call: δ, above which the expert is called.
        handback: Benefit from which down control is given back.
    """

    call: float
    handback: float

    @classmethod
    def fit(
        cls, benefit: ArrayLike, attempt: ArrayLike, budget: float, patience: int
    ) -> BenefitThresholds:
        """Those at which a share of at most `budget` of the attempts calls.

        Args:
            benefit: At each tick of what the novice did alone, shape (N,), N ≥ 1.
            attempt: The number of the attempt that the tick is of, shape (N,).
            budget: In (0, 1).
            patience: Ticks in a row for which it must be worth more than δ, 1 or more.
        """
        values, attempts = np.asarray(benefit, dtype=np.float64), np.asarray(attempt)
        lasting = [_lasting(values[attempts == one], patience) for one in np.unique(attempts)]
        greatest = np.sort(lasting)[::-1]
        call = max(float(greatest[int(budget * len(greatest))]), LEAST)
        return cls(call, min(float(np.median(values)), call))


class BenefitGate(Gate):
    """Calls where help changes the outcome, until it does not any more.

    Args:
        benefit: V - Q.
        now: What it decides by.
        patience: Ticks in a row for which the benefit must be above δ.
    """

    asks_novice = True
    asks_expert = False

    def __init__(self, benefit: Benefit, now: BenefitThresholds, patience: int) -> None:
        self._benefit, self._now, self._patience = benefit, now, patience
        self._above = 0

    def reset(self, seed: int | None = None) -> None:
        """Begin an episode."""
        self._above = 0

    def decide(self, context: GateContext) -> bool:
        """Whether the novice calls, or has not yet come back.

        Raises:
            UserError: The benefit is not within -1 and 1.
        """
        if context.policy_action is None:
            return True
        benefit = float(self._benefit(context.observation, context.policy_action))
        if not -1.0 <= benefit <= 1.0:
            raise UserError(f"the benefit of help must be within -1 and 1, not {benefit}")
        if context.expert_acting:
            self._above = 0
            return benefit > self._now.handback
        self._above = self._above + 1 if benefit > self._now.call else 0
        return self._above >= self._patience

    def thresholds(self) -> Mapping[str, float]:
        """Both."""
        return {"benefit": self._now.call, "handback benefit": self._now.handback}


def patience(rate: float) -> int:
    """`PATIENCE` in ticks."""
    return max(round(PATIENCE * rate), 1)


def _lasting(values: NDArray[np.float64], ticks: int) -> float:
    """The greatest value that is kept for so many ticks in a row; the least of fewer ticks."""
    windows = np.lib.stride_tricks.sliding_window_view(values, min(ticks, len(values)))
    return float(windows.min(axis=1).max())
