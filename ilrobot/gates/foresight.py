"""What SafeDAgger learns: whether the novice is about to stray, without asking the expert.

Zhang and Cho 2017, arXiv:1605.06450: a safety policy c(o) foretells whether ε(o) > τ,
so that the expert gives actions only while it acts.

    expert acts  ⇔  c(o) > 1/5

They fit c by plain cross-entropy and decide at 1/2, and choose τ so that a fifth of the first data
is unsafe. Where that fifth cannot be told from the rest with certainty, c stays below 1/2
everywhere and nobody is ever called. Here a missed mistake counts as much as four needless calls,
which is what weighting both classes of the first data alike would come to: the expert acts where
straying is likelier than on the first data's average. Later policies are judged by the same two
numbers, so that a better one calls less.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from ilrobot.actors import Observation
from ilrobot.errors import UserError
from ilrobot.gates.gate import GateContext

#: Share of the first data that is unsafe, and the probability above which the expert acts.
UNSAFE = 0.2


class Classifier(Protocol):
    """Foretells, such as `ilrobot.learners.interactive.safety_classifier.SafetyClassifier`."""

    def __call__(self, observation: Observation) -> float:
        """Probability in [0, 1] that the novice strays from the expert at this tick."""


class Foresight:
    """Probability that the novice strays.

    Args:
        classifier: Was fitted to the novice's present policy.
    """

    asks_expert = False
    name = "probability of straying"

    def __init__(self, classifier: Classifier) -> None:
        self._classifier = classifier

    def __call__(self, context: GateContext) -> float:
        """1 where the novice is late or its action is not finite: the expert is to act.

        Raises:
            UserError: The classifier's value is no probability.
        """
        if context.policy_action is None or not np.isfinite(context.policy_action).all():
            return 1.0
        value = float(self._classifier(context.observation))
        if not 0.0 <= value <= 1.0:
            raise UserError(f"the classifier must give a probability of straying, not {value}")
        return value
