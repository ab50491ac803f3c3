"""In what numbers a policy's head speaks of actions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ilrobot.data.windows import Windows
from ilrobot.policies.action_rotations import ActionRotations
from ilrobot.policies.config import PolicyConfig
from ilrobot.policies.encoder import ObservationEncoder
from ilrobot.policies.normalize import Normalizer, kinds
from ilrobot.policies.relative import RelativeActions, taught_chunks
from ilrobot.policies.task_frame import FramedActions
from ilrobot.spec import Spec


class ActionCode:
    """Actions as ways to go, in the task's frame, rotations in six numbers, normalised; and back.

    It is no module: what it is made of belongs to the policy, and is kept by these names there.

    Attributes:
        relative: Targets as ways from where it is (None: as they are).
        framed: Actions in the task's frame (None: in the world's).
        rotations: Rotations in six numbers (None: there are none).
        normalizer: Of what these come to.
        limits: Of the action.

    Args:
        spec: The task's.
        config: The policy's.
        vectors: The spec without pictures.
        encoder: The policy's; it knows what the actions are seen beside.
    """

    def __init__(
        self, spec: Spec, config: PolicyConfig, vectors: Spec, encoder: ObservationEncoder
    ) -> None:
        self._spec, self._encoder, self._clips = spec, encoder, config.clip_actions
        self.framed: FramedActions | None = None
        if config.frame:
            ways = config.actions != "absolute"
            self.framed = FramedActions(vectors, config.frame, ways=ways)
        self.relative: RelativeActions | None = None
        if config.actions != "absolute":
            self.relative = RelativeActions(vectors, stepwise=config.actions == "delta")
        self.rotations: ActionRotations | None = None
        numbers, self.size = kinds((spec.action,)), spec.choices or spec.action.size
        if spec.action.rotations:
            self.rotations = ActionRotations(vectors, config.actions)
            numbers, self.size = self.rotations.kinds, self.rotations.size
        ticks = 1 if self.relative is None else config.horizon
        self.normalizer = Normalizer(numbers * ticks, config.normalization)
        self.limits = ActionLimits(spec)

    @property
    def changes(self) -> bool:
        """Whether it gives other numbers than actions, by what is observed."""
        return any(m is not None for m in (self.relative, self.rotations, self.framed))

    def fit(self, windows: Windows) -> None:
        """Take ranges and normalisation from the windows that will be trained on."""
        actions = windows.actions.reshape(len(windows.actions), -1)
        for module in (self.relative, self.rotations, self.framed):
            if module is not None:
                module.low.copy_(torch.from_numpy(actions.min(axis=0)))
                module.high.copy_(torch.from_numpy(actions.max(axis=0)))
        counted = None
        if self.changes:
            actions, counted = self._taught(windows)
        self.normalizer.fit(actions, counted)

    def encode(self, actions: Tensor, observed: Tensor | None) -> Tensor:
        """Continuous actions (B, H, *action shape) to (B, H, C).

        Args:
            actions: In physical units.
            observed: Newest observation of each (B, F), see `ObservationEncoder.newest`; None is
                enough where it `changes` nothing.
        """
        chunk = actions.reshape(*actions.shape[:2], -1)
        if observed is not None:
            chunk = self._changed(chunk, observed)
        normalized: Tensor
        if self.relative is None:
            normalized = self.normalizer(chunk)
        else:
            normalized = self.normalizer(chunk.flatten(1)).unflatten(1, chunk.shape[1:])
        return normalized

    def decode(self, chunk: Tensor, observed: Tensor | None) -> Tensor:
        """Inverse of `encode`, with any leading dimensions: (..., H, C) to (..., H, *shape)."""
        if self.relative is None:
            actions: Tensor = self.normalizer.inverse(chunk)
        else:
            actions = self.normalizer.inverse(chunk.flatten(-2)).unflatten(-1, chunk.shape[-2:])
        if observed is not None:
            actions = self._restored(actions, observed)
        if self._clips:
            actions = self.limits(actions)
        return actions.reshape(*actions.shape[:-1], *self._spec.action.shape)

    @property
    def seen(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Least and greatest action of the training data, shape (size,) each, physical units."""
        known = self.relative or self.rotations or self.framed or self.normalizer
        return known.low.cpu().numpy(), known.high.cpu().numpy()

    @property
    def frozen(self) -> list[bool]:
        """Whether each element of the action did not move in the training data."""
        still = self.normalizer.constant
        if self.rotations is not None:  # of ways: those at the first tick of the chunk
            still = self.rotations.frozen(still[: self.rotations.size])
        if self.framed is not None:
            still = self.framed.frozen(still)
        if self.relative is not None:  # what moves along with what it commands does move
            moved = self.relative.moved.tolist()
            size = len(moved)  # what does not move does so at every tick of the chunk
            still = [c and not m for c, m in zip(still[:size], moved, strict=True)]
        return list(still)

    def _changed(self, actions: Tensor, observed: Tensor) -> Tensor:
        """Actions (B, H, A) as ways to go and rotations in six, (B, H, C), not yet normalised."""
        if self.relative is not None:
            actions = self.relative.encode(actions, observed)
        if self.framed is not None and self._encoder.view is not None:
            actions = self.framed.encode(actions, self._encoder.view.axis(observed))
        if self.rotations is not None:
            actions = self.rotations.encode(actions, observed)
        return actions

    def _restored(self, actions: Tensor, observed: Tensor) -> Tensor:
        """Inverse of `_changed`."""
        if self.rotations is not None:
            actions = self.rotations.decode(actions, observed)
        if self.framed is not None and self._encoder.view is not None:
            actions = self.framed.decode(actions, self._encoder.view.axis(observed))
        if self.relative is not None:
            actions = self.relative.decode(actions, observed)
        return actions

    def _taught(self, windows: Windows) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
        """What to normalise by, (N, C) or of ways (N, H · C), and of ways which of them count."""
        given, observed, counts = taught_chunks(windows, self._encoder)
        codes = self._changed(given, observed).float()
        if self.relative is None:
            return codes[counts].numpy(), None
        counted = counts[:, :, None].expand_as(codes)
        return codes.flatten(1).numpy(), counted.flatten(1).numpy()


class ActionLimits(nn.Module):
    """Cuts actions off where the task has limits."""

    _low: Tensor
    _high: Tensor

    def __init__(self, spec: Spec) -> None:
        super().__init__()
        for name, given in (("low", spec.action.low), ("high", spec.action.high)):
            side = torch.tensor(given or (-math.inf if name == "low" else math.inf,))
            self.register_buffer(f"_{name}", side.float(), persistent=False)

    def forward(self, actions: Tensor) -> Tensor:
        """Actions (..., size) within them."""
        return torch.minimum(torch.maximum(actions, self._low), self._high)
