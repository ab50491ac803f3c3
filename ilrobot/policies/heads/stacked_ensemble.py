"""An ensemble whose members are computed as one head, each for its own part of the batch.

It learns, answers and is kept as an `EnsembleHead` of the same members is. Only heads of which each
layer with weights has a stacked form can be in one, which are those on an MLP.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ilrobot.policies.heads.ensemble import EnsembleHead
from ilrobot.policies.heads.guidance import Guidance
from ilrobot.policies.heads.head import Head
from ilrobot.policies.networks.stacked import can_stack, stack, unstack


def make_ensemble(members: Sequence[Head], choices: int | None) -> EnsembleHead:
    """The fastest ensemble that there is for these members."""
    if members[0].apart and can_stack(members[0]):
        return StackedEnsemble(members, choices)
    return EnsembleHead(members, choices)


class StackedEnsemble(EnsembleHead):
    """See `EnsembleHead`, also for how its weights are named where they are kept.

    Args:
        members: Heads of the same kind, each with initial weights of its own.
        choices: Number of choices, where actions are choices.
    """

    def __init__(self, members: Sequence[Head], choices: int | None) -> None:
        Head.__init__(self)  # the members are not kept apart
        self.noise_shape = members[0].noise_shape
        self._choices = choices
        self._count = len(members)
        self.together = stack(members)
        self.together.parts = self._count
        self.register_state_dict_post_hook(_name_by_member)
        self.register_load_state_dict_pre_hook(_stack_members)

    @property
    def members(self) -> Sequence[Head]:  # type: ignore[override]
        """Its heads, each a copy."""
        alone = [unstack(self.together, index) for index in range(self._count)]
        for head in alone:
            head.parts = 1
        return alone

    def one_by_one(self) -> EnsembleHead:
        """The same of heads that are asked one after the other, copies of these."""
        return EnsembleHead(self.members, self._choices)

    def fit(self, actions: Tensor, mask: Tensor) -> None:
        """See `Head`."""
        self.together.fit(actions, mask)

    def loss(self, condition: Tensor, actions: Tensor, mask: Tensor) -> Tensor:
        """See `EnsembleHead`."""
        return self.together.loss(condition, actions, mask)

    def forward(
        self, condition: Tensor, noise: Tensor | None = None, guidance: Guidance | None = None
    ) -> Tensor:
        """See `Head`."""
        return self.combine(self.chunks(condition, noise, guidance))

    def chunks(
        self, condition: Tensor, noise: Tensor | None = None, guidance: Guidance | None = None
    ) -> Tensor:
        """See `EnsembleHead`."""
        drawn = None if noise is None else self._for_each(noise)
        led = () if guidance is None else (Guidance(*map(self._for_each, guidance)),)
        chunks: Tensor = self.together(self._for_each(condition), drawn, *led)
        return chunks.unflatten(0, (self._count, -1))

    def _for_each(self, given: Tensor) -> Tensor:
        return given.repeat(self._count, *(1 for _ in given.shape[1:]))

    def clip_gradients(self, greatest: float) -> None:
        """See `EnsembleHead`."""
        gradients = [p.grad for p in self.parameters() if p.grad is not None]
        norms = torch.stack([g.flatten(1).norm(dim=1) for g in gradients]).norm(dim=0)
        scale = (greatest / (norms + 1e-6)).clamp(max=1)
        for gradient in gradients:
            gradient.mul_(scale.reshape(-1, *(1 for _ in gradient.shape[1:])))


def _name_by_member(
    ensemble: StackedEnsemble, state: dict[str, Any], prefix: str, _metadata: Any
) -> None:
    """Of ``together.x``, which holds all, ``members.0.x`` and so on."""
    stacked = {name for name, _ in ensemble.together.named_parameters()}
    for name in ensemble.together.state_dict():
        value = state.pop(f"{prefix}together.{name}")
        for index in range(ensemble._count):
            own = value[index] if name in stacked else value
            state[f"{prefix}members.{index}.{name}"] = own


def _stack_members(
    ensemble: StackedEnsemble, state: dict[str, Any], prefix: str, *_rest: Any
) -> None:
    """The other way round; what is missing stays missing."""
    stacked = {name for name, _ in ensemble.together.named_parameters()}
    for name in ensemble.together.state_dict():
        keys = [f"{prefix}members.{index}.{name}" for index in range(ensemble._count)]
        if all(key in state for key in keys):
            values = [state.pop(key) for key in keys]
            value = torch.stack(values) if name in stacked else values[0]
            state[f"{prefix}together.{name}"] = value
