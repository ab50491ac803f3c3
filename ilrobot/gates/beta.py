"""DAgger: a coin decides at each step."""

from __future__ import annotations

import numpy as np

from ilrobot.gates.gate import GateContext


class BetaGate:
    """The expert acts with probability β, drawn at each step, and labels every step.

    The mixture β π* + (1 - β) π of DAgger (Ross, Gordon and Bagnell 2011, section 3); how β falls
    from round to round is decided by whoever makes the gate.

    Args:
        beta: Probability 0 … 1 of the expert acting.
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
