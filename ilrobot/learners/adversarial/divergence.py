"""Whether a discriminator diverges, though its numbers stay finite."""

from __future__ import annotations

import math
from collections import deque

#: It errs clearly more than guessing beyond so many times as much; in long runs that went well
#: single rounds of GAIL came to 1.4, and AIRL was below 0.8 at their end.
MARGIN = 1.5
#: Last rounds of which more than half have to be so; of few steps each there are more.
_ROUNDS, _UPDATES = 10, 160


def guessing_loss(untaught: float) -> float:
    """What it errs by guessing: log 2, or what a discriminator that learnt nothing errs, if more.

    At its optimum it errs no more than that, for its networks could say 0 of everything. So GAIL's
    guesses; AIRL's logit is then -log π, from which it begins, however far off that is.
    """
    return max(untaught, math.log(2))


class LastRounds:
    """In which of the last rounds a discriminator erred clearly more than guessing.

    Args:
        updates: Steps of the discriminator in each round.
    """

    def __init__(self, updates: int) -> None:
        self._looked_at = max(_ROUNDS, math.ceil(_UPDATES / updates))
        self._worse: deque[bool] = deque(maxlen=self._looked_at)

    def add(self, loss: float, guessing: float) -> None:
        """Another round, by its mean loss."""
        self._worse.append(loss > MARGIN * guessing)

    @property
    def diverging(self) -> str:
        """In how many of them it did, in words (empty: in half of them or fewer)."""
        worse = sum(self._worse)
        return (
            f"{worse} of the last {self._looked_at} rounds" if 2 * worse > self._looked_at else ""
        )

    def state(self) -> list[bool]:
        """All of it."""
        return list(self._worse)

    def load_state(self, state: list[bool]) -> None:
        """Inverse of `state`."""
        self._worse.clear()
        self._worse.extend(state)
