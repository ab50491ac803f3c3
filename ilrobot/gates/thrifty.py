"""ThriftyDAgger: the novice calls for help where it is novel or risky, within a budget.

    takes over   ⇔  novelty(o) > δ_N  or  Q(o, π(o)) < δ_Q
    hands back   ⇔  ε(o) ≤ β_R  and  Q(o, π(o)) ≥ median Q

Hoque, Balakrishna, Novoseller, Wilcox, Brown and Goldberg 2021, "ThriftyDAgger: Budget-aware
novelty and risk gating for interactive imitation learning", arXiv:2109.08273. Novelty is the mean
variance of an ensemble's actions, Q(o, a) the discounted probability of success, β_R the mean
discrepancy on the training data. Fitting all of them to a novice and to what was recorded so far is
`ilrobot.learners.interactive.gate_fits.fit_thrifty`.

The paper fits δ_N, δ_Q and the median anew after each episode, to what its novice met. Here they
are fitted before each round, to the ticks at which the novices so far had control, as the present
one sees them. So an episode depends on its round and seed alone: rounds can be cut off, go on, run
in several processes, and come to the same.

The paper takes the (1 - α) quantile of novelty and the α quantile of Q for a budget α. Either test
alone then calls at a share α of the steps, so that both together may call at 2α. Here both take the
same quantile level, the greatest at which the two together call at no more than α of the steps. And
the paper hands back below β_R, which a β_R of 0 would never do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike

from ilrobot.actors import Action, Observation
from ilrobot.errors import UserError
from ilrobot.gates.discrepancy import Discrepancy, check_threshold
from ilrobot.gates.doubt import Doubt
from ilrobot.gates.gate import Gate, GateContext


class Critic(Protocol):
    """Foretells success."""

    def __call__(self, observation: Observation, action: Action) -> float:
        """Q: discounted probability of success, 0 … 1, if the novice goes on after this action."""


@dataclass(frozen=True)
class Thresholds:
    """What a `ThriftyGate` decides by.

    Attributes:
        novelty: δ_N, above which the expert is called.
        success: δ_Q, below which the expert is called.
        recovery: Q from which on control may be handed back.
    """

    novelty: float
    success: float
    recovery: float

    @classmethod
    def fit(cls, novelty: ArrayLike, success: ArrayLike, budget: float) -> Thresholds:
        """Those at which a share of at most `budget` of the samples calls the expert.

        Args:
            novelty: Of each sample, shape (N,), N ≥ 1.
            success: Q of each sample, shape (N,).
            budget: α in (0, 1).
        """
        falling, rising = np.sort(novelty)[::-1], np.sort(success)
        # How many are as novel, or as risky, itself among them: from that level on it calls.
        as_novel = np.searchsorted(-falling, -np.asarray(novelty), side="right")
        as_risky = np.searchsorted(rising, success, side="right")
        level = np.sort(np.minimum(as_novel, as_risky))[int(budget * len(falling))] - 1
        return cls(float(falling[level]), float(rising[level]), float(np.median(rising)))


class ThriftyGate(Gate):
    """Novelty or risk, with hysteresis, under a budget.

    Args:
        discrepancy: ε.
        budget: α in (0, 1): share of the novice's steps at which it may call the expert.
        novelty: The novice's, e.g. `ilrobot.ensemble.EnsembleActor.novelty`.
        critic: Q.
        now: What it decides by.
        agreement: β_R, the mean discrepancy on the training data.

    Raises:
        UserError: The budget is not in (0, 1), or `agreement` is negative or not finite.
    """

    asks_novice = True
    asks_expert = False

    def __init__(
        self,
        discrepancy: Discrepancy,
        budget: float,
        novelty: Doubt,
        critic: Critic,
        now: Thresholds,
        agreement: float,
    ) -> None:
        self.budget = check_budget(budget)
        self._discrepancy, self._novelty, self._critic = discrepancy, novelty, critic
        self._now, self._agreement = now, check_threshold("agreement", agreement)

    def decide(self, context: GateContext) -> bool:
        """Whether the novice calls, or has not yet come back.

        Raises:
            UserError: The expert acts and gave no action, or the critic's value is no probability.
        """
        if context.policy_action is None:
            return True
        success = float(self._critic(context.observation, context.policy_action))
        if not 0.0 <= success <= 1.0:
            raise UserError(f"the critic must give a probability of success, not {success}")
        if context.expert_acting:
            agrees = self._discrepancy(context) <= self._agreement
            return not (agrees and success >= self._now.recovery)
        if success < self._now.success:
            return True
        # A novelty that is not a number is not known to be small.
        return not float(self._novelty(context.observation)) <= self._now.novelty

    def thresholds(self) -> Mapping[str, float]:
        """All four."""
        return {
            "novelty": self._now.novelty,
            "success": self._now.success,
            "handback success": self._now.recovery,
            "handback discrepancy": self._agreement,
        }


def check_budget(budget: float) -> float:
    """The budget, if it is one.

    Raises:
        UserError: It is not in (0, 1).
    """
    if not 0.0 < budget < 1.0:
        raise UserError(
            f"the budget must be a share between 0 and 1, not {budget}; without any help "
            "there is nothing to learn from, and with help at every step nobody to spare"
        )
    return budget
