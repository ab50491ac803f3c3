"""Codes of whole chunks, and the offset from what they decode to.

The codes of a chunk are those of `residual_vq`, fitted before. The network predicts them and, for
each code of each level, a part of the offset; the parts of the label's codes are taught:

    L = Σ_l -(1 - p_l)² log p_l + |a - (ψ(c) + Σ_l δ_l,c_l)|₁,    p_l = p(c_l | o, c_1 … c_{l-1})

Lee et al. 2024, "Behavior generation with latent actions" (VQ-BeT), section 3.3. Each level is
predicted given the codes before it, which the authors' code has as an option: what the second means
depends on the first, and drawn apart the two may belong to different chunks. The parts of the loss
weigh alike; in the authors' code the first code weighs 5, the second 0.5 and the offset 100. Focal
loss by Lin et al. 2017, "Focal loss for dense object detection", eq. 4.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from ilrobot.policies.heads.head import Head, draw_choice, focal_loss, focal_posterior, masked_mean
from ilrobot.policies.heads.residual_vq import CODES, LEVELS, ResidualVq
from ilrobot.policies.networks.network import Network

#: Features of the network that the codes are predicted from.
FEATURES = 64


class VqHead(Head):
    """Focal loss of the codes plus L1 of the decoded chunk with its offset.

    Acts by codes that are drawn by their probability, level after level, and their offset.

    Args:
        network: Condition to (B, H, `outputs(A)`).
        horizon: Ticks in a chunk, H.
        size: Elements of an action, A.
    """

    noise_shape = (LEVELS,)
    #: Fitting gives the autoencoder batches that are of no member.
    apart = False

    def __init__(self, network: Network, horizon: int, size: int) -> None:
        super().__init__()
        self.network = network
        self.vq = ResidualVq(horizon, size)
        self.choosers = nn.ModuleList(
            nn.Sequential(
                nn.Linear(FEATURES + level * CODES, FEATURES), nn.SiLU(), nn.Linear(FEATURES, CODES)
            )
            for level in range(LEVELS)
        )
        self._size = size

    @staticmethod
    def outputs(size: int) -> int:
        """Features per tick: those for the codes, and A offsets of each code of each level."""
        return FEATURES + LEVELS * CODES * size

    def fit(self, actions: Tensor, mask: Tensor) -> None:
        """See `Head`."""
        self.vq.fit(actions, mask)

    def predict(self, condition: Tensor) -> tuple[Tensor, Tensor]:
        """Features (B, FEATURES), and the parts of the offset, (B, H, LEVELS, CODES, A)."""
        features, offsets = self.network(condition).split(
            [FEATURES, LEVELS * CODES * self._size], 2
        )
        return features.mean(dim=1), offsets.unflatten(2, (LEVELS, CODES, self._size))

    def logits(self, features: Tensor, before: list[Tensor]) -> Tensor:
        """Of the codes of the next level, (B, CODES), given those before it, each (B,)."""
        known = [functional.one_hot(code, CODES).to(features) for code in before]
        logits: Tensor = self.choosers[len(before)](torch.cat([features, *known], dim=1))
        return logits

    def loss(self, condition: Tensor, actions: Tensor, mask: Tensor) -> Tensor:
        """See `Head`."""
        features, offsets = self.predict(condition)
        codes = list(self.vq.codes(actions, mask).unbind(1))
        surprise = [
            focal_loss(self.logits(features, codes[:level]), code)
            for level, code in enumerate(codes)
        ]
        error = (self.decode(codes, offsets) - actions).abs().mean(dim=2)
        return torch.stack(surprise).sum(dim=0) + masked_mean(error, mask)

    def forward(self, condition: Tensor, noise: Tensor | None = None) -> Tensor:
        """See `Head`."""
        if noise is None:
            raise ValueError(f"a head that draws codes needs noise of shape (B, {LEVELS})")
        features, offsets = self.predict(condition)
        codes: list[Tensor] = []
        for level in range(LEVELS):
            likely = focal_posterior(self.logits(features, codes))
            codes.append(draw_choice(likely, noise[:, level : level + 1]))
        return self.decode(codes, offsets)

    def decode(self, codes: list[Tensor], offsets: Tensor) -> Tensor:
        """The chunk of codes, with its offset."""
        chosen = torch.stack(codes, dim=1)
        parts = offsets.take_along_dim(chosen[:, None, :, None, None], dim=3).squeeze(3)
        return self.vq.decode(chosen) + parts.sum(dim=2)
