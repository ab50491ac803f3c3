"""What a sampler is told of the chunk that it is to make: actions that will be executed anyway.

While a prediction is under way, d actions of the plan are executed. It is trained to go on from
them: of each chunk the first d labels are told, and the others alone count,

    L = ℓ(a_d … a_{H-1} | o, a_0 … a_{d-1}),    d uniform within 0 and D

with ℓ the head's own loss. Black, Ren, Equi and Levine 2025, "Training-time action conditioning for
efficient real-time chunking", arXiv:2512.05964. There each tick of a sample has a time of its own,
which for those told is that of a clean chunk. Here all ticks have one time and what is told is part
of the condition, so that every network can be told, and a step of the sampler costs no more.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ilrobot.policies.heads.guidance import Guidance


class Prefix:
    """Tells a head what its chunk begins with.

    Attributes:
        features: By how many the condition grows: for each of D ticks, whether it is told, and the
            action.

    Args:
        most: D; 0 tells nothing.
        size: Elements of an action, A.
    """

    def __init__(self, most: int, size: int) -> None:
        self._most = most
        self.features = most * (1 + size)

    def drawn(self, condition: Tensor, actions: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """For training: told of each label up to a delay that is drawn.

        Told are labels that count, without a gap, and at least one is left to predict.

        Args:
            condition: Encoded observations, shape (B, C).
            actions: Normalised labels, shape (B, H, A).
            mask: Which of them count, at least one of each row, shape (B, H) bool.

        Returns:
            The condition, shape (B, C + features), and which ticks count, shape (B, H) bool.
        """
        if not self._most:
            return condition, mask
        delay = torch.randint(self._most + 1, (len(mask),), device=mask.device)
        without_gap = mask.long().cumprod(dim=1).sum(dim=1)
        delay = delay.minimum(without_gap).minimum(mask.sum(dim=1) - 1)
        told = torch.arange(mask.shape[1], device=mask.device) < delay[:, None]
        known = told[:, : self._most].to(actions.dtype)
        return self._append(condition, known, actions), mask & ~told

    def given(self, condition: Tensor, guidance: Guidance | None) -> tuple[Tensor, Guidance | None]:
        """For acting: told of the actions that no step of the sampler may move.

        The others are free then. Where none is told, the sampler is led as any other is.

        Args:
            condition: Encoded observations, shape (B, C).
            guidance: Where the sampler is to be led (None: nowhere).

        Returns:
            The condition, shape (B, C + features), and where it is led.
        """
        if not self._most:
            return condition, guidance
        if guidance is None:
            return torch.cat(
                [condition, condition.new_zeros(len(condition), self.features)], 1
            ), None
        frozen = (guidance.weights >= 1).to(condition.dtype)
        known = frozen[:, :, : self._most].amin(dim=1)
        any_known = known.amax(dim=1)[:, None, None]
        weights = any_known * frozen + (1 - any_known) * guidance.weights
        led = Guidance(guidance.prefix, weights)
        return self._append(condition, known, guidance.prefix), led

    def _append(self, condition: Tensor, known: Tensor, actions: Tensor) -> Tensor:
        told = actions[:, : self._most] * known[:, :, None]
        return torch.cat([condition, known, told.flatten(1)], dim=1)
