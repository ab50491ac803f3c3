"""Trajectories cut into pieces of equal length, as tensors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ilrobot.data.transitions import Transitions


@dataclass(frozen=True)
class Pieces:
    """M pieces of L steps, in physical units; a piece at an episode's end may be shorter.

    Attributes:
        observations: (M, L, O).
        actions: (M, L, A).
        next_observations: (M, L, O); where the episode ended by itself, its own observation: of a
            demonstration no other is known, and a policy's shall not be told from it by that.
        there: (M, L), 1 where the piece has a step and 0 after its end.
    """

    observations: Tensor
    actions: Tensor
    next_observations: Tensor
    there: Tensor

    @classmethod
    def of(
        cls, transitions: Transitions, length: int, tensor: Callable[[NDArray[np.generic]], Tensor]
    ) -> Pieces:
        """Cut each episode from its first step on; steps that follow each other stay together.

        Where steps of an episode are left out, such as a policy's between two corrections, what
        comes after them begins a piece.

        Args:
            transitions: In their order.
            length: L.
            tensor: Makes a tensor of float32 where it is needed.
        """
        episode = transitions.episode
        apart = np.diff(episode, prepend=episode[:1] - 1) != 0
        apart[1:] |= (transitions.next_observations[:-1] != transitions.observations[1:]).any(
            axis=1
        )
        begins = np.flatnonzero(apart)
        since = np.arange(len(episode)) - np.repeat(begins, np.diff([*begins, len(episode)]))
        first = np.flatnonzero(since % length == 0)
        steps = first[:, None] + np.arange(length)
        ends = np.append(first[1:], len(episode))
        there = steps < ends[:, None]
        steps = np.minimum(steps, ends[:, None] - 1)
        return cls(
            tensor(transitions.observations[steps]),
            tensor(transitions.actions[steps]),
            tensor(transitions.next_as_recorded[steps]),
            tensor(there),
        )

    @classmethod
    def joined(cls, parts: list[Pieces]) -> Pieces:
        """One after the other."""
        return cls(*(torch.cat([getattr(part, f.name) for part in parts]) for f in fields(cls)))

    def __len__(self) -> int:
        return len(self.there)

    def take(self, chosen: Tensor) -> Pieces:
        """Those of these indexes."""
        return Pieces(*(getattr(self, field.name)[chosen] for field in fields(self)))

    def summed(self, each: Tensor) -> Tensor:
        """A number of each step, (M·L,), summed over each piece, (M,)."""
        return (each.reshape(self.there.shape) * self.there).sum(dim=1)

    def steps(self) -> tuple[Tensor, Tensor, Tensor]:
        """Observations, actions and next observations of all steps, (M·L, …) each."""
        return (
            self.observations.flatten(0, 1),
            self.actions.flatten(0, 1),
            self.next_observations.flatten(0, 1),
        )

    def state(self) -> dict[str, Tensor]:
        """As plain tensors."""
        return {field.name: getattr(self, field.name).cpu() for field in fields(self)}
