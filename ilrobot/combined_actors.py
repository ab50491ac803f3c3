"""Several actors as one: drawn anew at every step, or each for its stretch of the episode.

A policy that does not act sees the tick, so that its history has no gap; one that begins to act
plans afresh, so that nothing is executed that it planned before others acted.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import numpy as np

from ilrobot.actors import Action, Actor, Decision, Observation
from ilrobot.errors import UserError


class _Combined(Actor):
    """At each tick one of some actors acts; the others see it."""

    def __init__(self, members: Sequence[Actor]) -> None:
        self._members = tuple(members)
        self._acting: int | None = None

    def reset(self, seed: int | None = None) -> None:
        """Begin an episode; each member draws of its own."""
        self._acting = None
        sequence = np.random.SeedSequence([0 if seed is None else 1 + seed, 4])
        for member, key in zip(
            self._members, sequence.generate_state(len(self._members)), strict=True
        ):
            member.reset(int(key))

    def act(self, observation: Observation, now: float) -> Decision:
        """The action of the member whose turn it is."""
        index = self._choose()
        if index != self._acting:
            self._members[index].flush()
        self._acting = index
        for other, member in enumerate(self._members):
            if other != index:
                member.observe(observation)
        return self._members[index].act(observation, now)

    def observe(self, observation: Observation) -> None:
        """All see it."""
        for member in self._members:
            member.observe(observation)

    def flush(self) -> None:
        """All forget their plans."""
        for member in self._members:
            member.flush()

    def rewind(self, past: Sequence[Observation], executed: Action | None) -> None:
        """All see the past as it is now."""
        for member in self._members:
            member.rewind(past, executed)

    @abstractmethod
    def _choose(self) -> int:
        """Whose turn it is at this tick."""


class MixtureActor(_Combined):
    """A stochastic mixture: who acts is drawn anew at every step.

    Args:
        members: The actors; none may be given to one that never acts.
        weights: Their probabilities, which sum to one.

    Raises:
        UserError: The weights are no distribution over the members.
    """

    def __init__(self, members: Sequence[Actor], weights: Sequence[float]) -> None:
        super().__init__(members)
        self._weights = np.array(weights, dtype=np.float64)
        if len(self._weights) != len(self._members):
            raise UserError(
                f"{len(self._members)} policies with {len(self._weights)} weights make no mixture"
            )
        if len(members) and ((self._weights < 0).any() or abs(self._weights.sum() - 1) > 1e-6):
            raise UserError(
                f"the weights {[float(w) for w in weights]} are no probabilities that sum to one"
            )
        self._generator = np.random.default_rng(0)

    def reset(self, seed: int | None = None) -> None:
        """Draw anew; the same seed gives the same draws."""
        super().reset(seed)
        self._generator = np.random.default_rng([0 if seed is None else 1 + seed, 5])

    def _choose(self) -> int:
        drawn = self._generator.random() * self._weights.sum()
        index = int(np.searchsorted(np.cumsum(self._weights), drawn, side="right"))
        return min(index, len(self._members) - 1)


class SequenceActor(_Combined):
    """A non-stationary policy: each member acts for a block of steps, the last one for ever.

    Args:
        members: In the order of the episode; none may be given to one that never acts.
        block: Steps that each of them acts.

    Raises:
        UserError: The block is shorter than one step.
    """

    def __init__(self, members: Sequence[Actor], block: int = 1) -> None:
        super().__init__(members)
        if block < 1:
            raise UserError(f"a block must have at least 1 step, not {block}")
        self._block = block
        self._step = 0

    def reset(self, seed: int | None = None) -> None:
        """Begin with the first."""
        super().reset(seed)
        self._step = 0

    def observe(self, observation: Observation) -> None:
        """Somebody else's step counts, too."""
        super().observe(observation)
        self._step += 1

    def rewind(self, past: Sequence[Observation], executed: Action | None) -> None:
        """Go on from the step that it is now."""
        super().rewind(past, executed)
        self._step = len(past)

    def _choose(self) -> int:
        index = min(self._step // self._block, len(self._members) - 1)
        self._step += 1
        return index
