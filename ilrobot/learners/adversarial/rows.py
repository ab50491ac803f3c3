"""Transitions as tensors that a discriminator is trained on, the ends of episodes included."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ilrobot.data.transitions import Transitions


@dataclass(frozen=True)
class Rows:
    """Transitions in physical units.

    Attributes:
        observations: Shape (N, O).
        actions: Shape (N, A).
        next_observations: Shape (N, O); where the episode ended by itself, its own observation:
            of a recording no other is known, and a policy's shall not be told from it by that.
        terminal: 1 where the episode ended by itself, (N,).
        absorbing: 1 where the episode was over before the step, so that neither observation nor
            action counts, (N,).
    """

    observations: Tensor
    actions: Tensor
    next_observations: Tensor
    terminal: Tensor
    absorbing: Tensor

    @classmethod
    def of(
        cls,
        transitions: Transitions,
        tensor: Callable[[NDArray[np.generic]], Tensor],
        *,
        absorbing: bool,
    ) -> Rows:
        """What was recorded, and where wanted the absorbing state that it ended in.

        Each episode that ends by itself enters a state in which it stays, whatever is done
        (Kostrikov et al. 2019, "Discriminator-Actor-Critic", section 4.2): a row for each end.

        Args:
            transitions: Recorded.
            tensor: Makes a tensor where the discriminator is.
            absorbing: Whether to add these rows.
        """
        ends = np.flatnonzero(transitions.terminal) if absorbing else np.zeros(0, np.int64)
        steps = np.concatenate([np.arange(len(transitions)), ends])
        over = np.arange(len(steps)) >= len(transitions)
        return cls(
            tensor(transitions.observations[steps]),
            tensor(transitions.actions[steps]),
            tensor(transitions.next_as_recorded[steps]),
            tensor(transitions.terminal[steps] | over),
            tensor(over),
        )

    @classmethod
    def joined(cls, parts: Sequence[Rows]) -> Rows:
        """One after the other."""
        return cls(*(torch.cat([getattr(part, f.name) for part in parts]) for f in fields(cls)))

    def __len__(self) -> int:
        return len(self.observations)

    def take(self, chosen: Tensor) -> Rows:
        """Those of these indexes."""
        return Rows(*(getattr(self, field.name)[chosen] for field in fields(self)))

    def draw(self, count: int, generator: torch.Generator, weights: Tensor | None = None) -> Rows:
        """So many, each drawn from all: alike, or by weights of shape (N,) on the CPU."""
        if weights is None:
            chosen = torch.randint(len(self), (count,), generator=generator)
        else:
            chosen = torch.multinomial(weights, count, replacement=True, generator=generator)
        return self.take(chosen.to(self.observations.device))

    def state(self) -> dict[str, Tensor]:
        """As plain tensors."""
        return {field.name: getattr(self, field.name).cpu() for field in fields(self)}
