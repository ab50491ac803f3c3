"""DART: the expert always acts, disturbed as the novice would err.

Laskey, Lee, Fox, Dragan and Goldberg 2017, arXiv:1703.09327. The noise is not the gate's:
`ilrobot.noisy_expert.NoisyExpert`, fitted by `ilrobot.learners.interactive.dart`.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from ilrobot.gates.gate import Gate, GateContext


class DartGate(Gate):
    """No choice.

    Args:
        covariance: Of the noise on the expert, for the log.
    """

    asks_novice = False
    asks_expert = True

    def __init__(self, covariance: ArrayLike) -> None:
        self._noise = float(np.sqrt(np.trace(np.asarray(covariance, np.float64))))

    def decide(self, context: GateContext) -> bool:
        """The expert."""
        return True

    def thresholds(self) -> Mapping[str, float]:
        """√tr Σ, which decides nothing: the noise's size in the action's units."""
        return {"noise": self._noise}
