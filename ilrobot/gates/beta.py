"""DAgger: a coin decides at each step.

    π_i = β_i π* + (1 - β_i) π̂_i

Ross, Gordon and Bagnell 2011, "A reduction of imitation learning and structured prediction to
no-regret online learning", section 3. Their analysis asks only that the mean of the β_i go to
zero; the indicator and the exponential schedule are theirs, the linear one is not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from ilrobot.errors import UserError
from ilrobot.gates.gate import Gate, GateContext

#: β of a round, the rounds being counted from 1.
BetaSchedule = Callable[[int], float]


def indicator() -> BetaSchedule:
    """β_i = I(i = 1): the expert alone in the first round, the novice alone in the others.

    It has no parameter, and often does best, as the authors say.
    """
    return lambda number: float(number == 1)


def linear(rounds: int) -> BetaSchedule:
    """β_i = max(0, 1 - (i - 1) / rounds): from 1 to 1 / `rounds` in `rounds` rounds, then 0.

    Raises:
        UserError: `rounds` is below 1.
    """
    if rounds < 1:
        raise UserError(f"beta needs at least 1 round to fall to zero, not {rounds}")
    return lambda number: max(0.0, 1.0 - (number - 1) / rounds)


def exponential(base: float = 0.5) -> BetaSchedule:
    """β_i = base^(i - 1).

    Of 0.1 … 0.9, 0.5 was the best on Super Mario Bros., and slightly better than the indicator
    (Ross et al. 2011, section 5.2).

    Raises:
        UserError: `base` is not in [0, 1): β would never fall.
    """
    if not 0.0 <= base < 1.0:
        raise UserError(f"the base of beta's exponential schedule must be in [0, 1), not {base}")
    return lambda number: base ** (number - 1)


class BetaGate(Gate):
    """The expert acts with probability β, drawn at each step, and labels every step.

    Args:
        beta: Probability 0 … 1 of the expert acting, from a `BetaSchedule`.
        seed: Seed of the draws where an episode gives none.

    Raises:
        ValueError: β is no probability.
    """

    asks_novice = False
    asks_expert = True

    def __init__(self, beta: float, seed: int = 0) -> None:
        if not 0.0 <= beta <= 1.0:
            raise ValueError(f"beta must be in [0, 1], not {beta}")
        self.beta = beta
        self._seed = seed
        self._generator = np.random.default_rng(seed)

    def reset(self, seed: int | None = None) -> None:
        """Draw anew; the same seed gives the same draws."""
        # A key of our own, or the draws would repeat those of an environment of the same seed.
        self._generator = np.random.default_rng([self._seed, 0 if seed is None else 1 + seed, 2])

    def decide(self, context: GateContext) -> bool:
        """One Bernoulli draw."""
        return bool(self._generator.random() < self.beta)

    def thresholds(self) -> Mapping[str, float]:
        """The probability."""
        return {"beta": self.beta}
