"""From a history of named observations to one vector: numbers, and what pictures show."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ilrobot.policies.config import Mode
from ilrobot.policies.normalize import LEAST_OBSERVATION_SHARE, Normalizer, kinds
from ilrobot.policies.pictures import PictureEncoder
from ilrobot.policies.rotations import SIX, matrices, six
from ilrobot.policies.task_frame import FrameView
from ilrobot.spec import Feature
from ilrobot.turning import Turning


class ObservationEncoder(nn.Module):
    """Normalises, turns angles into sine and cosine, rotations into six, and flattens the history.

    Args:
        features: The vector observations, in order.
        n_obs: Observations in the history.
        mode: How values that are no angles or rotations are normalised.
        view: What is told of each observation besides, in the task's frame (None: nothing).
        cameras: The pictures.

    Attributes:
        size: Features in the vector, each tick's after the other's: its numbers, then its pictures.
    """

    plain: Tensor
    angles: Tensor

    def __init__(
        self,
        features: tuple[Feature, ...],
        n_obs: int,
        mode: Mode,
        view: FrameView | None = None,
        cameras: tuple[Feature, ...] = (),
    ) -> None:
        super().__init__()
        self._features = features
        self._n_obs = n_obs
        turning = Turning.of(features)
        plain, angles, self._rotations = turning.plain, turning.angles, turning.rotations
        self.register_buffer("plain", torch.tensor(plain, dtype=torch.int64), persistent=False)
        self.register_buffer("angles", torch.tensor(angles, dtype=torch.int64), persistent=False)
        self.normalizer = Normalizer(kinds(features), mode, least_share=LEAST_OBSERVATION_SHARE)
        self.view = view
        told = 0 if view is None else view.size
        self._numbers = len(plain) + 2 * len(angles) + SIX * len(self._rotations) + told
        self.pictures = PictureEncoder(cameras) if cameras else None
        shown = 0 if self.pictures is None else self.pictures.size
        self.size = n_obs * (self._numbers + shown)

    @property
    def affine(self) -> bool:
        """Whether it normalises and does nothing else: no angles, no rotations, no view."""
        plain = not len(self.angles) and not self._rotations and self.view is None
        return plain and self.pictures is None

    def fit(self, observations: Mapping[str, NDArray[np.float32]]) -> None:
        """Take the normalisation from single observations, name to shape (N, size)."""
        self.normalizer.fit(np.concatenate([observations[f.name] for f in self._features], axis=1))
        if self.view is not None:
            self.view.adopt(self.normalizer)

    def newest(self, observations: Mapping[str, Tensor], ticks: int = 1) -> Tensor:
        """What is observed now, or at the newest `ticks`, (B · ticks, O), physical units."""
        return self._joined(observations)[:, -ticks:].flatten(0, 1)

    def forward(self, observations: Mapping[str, Tensor]) -> Tensor:
        """Histories of shape (B, n_obs, *shape) each to one vector of shape (B, size)."""
        numbers = self.encode(self._joined(observations))
        if self.pictures is None:
            return numbers
        each = numbers.unflatten(1, (self._n_obs, self._numbers))
        return torch.cat([each, self.pictures(observations)], dim=2).flatten(1)

    def noise(self, condition: Tensor) -> Tensor:
        """Standard normal on the numbers of a condition (B, size), and none on what pictures show.

        A picture that is shifted is noise enough.
        """
        drawn = torch.randn_like(condition)
        if self.pictures is None:
            return drawn
        each = drawn.unflatten(1, (self._n_obs, -1))
        shown = torch.zeros_like(each[..., self._numbers :])
        return torch.cat([each[..., : self._numbers], shown], dim=2).flatten(1)

    def encode(self, joined: Tensor) -> Tensor:
        """The numbers of histories whose features lie side by side, (B, n_obs, O) to (B, size)."""
        encoded: Tensor = self.normalizer(joined)
        parts = []
        if len(self.angles):
            radians = joined.index_select(2, self.angles)
            parts += [radians.sin(), radians.cos()]
        parts += [six(matrices(joined[..., r.part], r.unit)) for r in self._rotations]
        if parts:
            encoded = torch.cat([encoded.index_select(2, self.plain), *parts], dim=2)
        if self.view is not None:
            encoded = torch.cat([encoded, self.view(joined)], dim=2)
        return encoded.flatten(1)

    def _joined(self, observations: Mapping[str, Tensor]) -> Tensor:
        # Of a single number there is no axis to flatten yet.
        rows = [
            values.flatten(2) if f.shape else values[:, :, None]
            for f in self._features
            for values in (observations[f.name].to(self.normalizer.offset.dtype),)
        ]
        return torch.cat(rows, dim=2) if len(rows) > 1 else rows[0]
