"""Chunks of actions as a few codes: an autoencoder whose latent is a sum of code vectors.

The latent φ(a) is replaced level by level by the nearest vector e of a codebook to what is left of
it, and the sum of those is decoded:

    L = |a - ψ(Σ e)|₁ + |sg[φ(a)] - Σ e|² + λ |φ(a) - sg[Σ e]|²

with sg the value without its gradient; the decoder's gradient is passed on to φ(a) as it is. Lee et
al. 2024, "Behavior generation with latent actions", section 3.2; Zeghidour et al. 2021,
"SoundStream", algorithm 1; van den Oord et al. 2017, "Neural discrete representation learning",
eq. 3.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ilrobot.policies.heads.bins import k_means
from ilrobot.policies.heads.head import masked_mean

#: Code vectors of each level.
CODES = 8
#: Levels.
LEVELS = 2

_LATENT = 32
_WIDTH = 128
#: λ.
_COMMITMENT = 0.25
_STEPS = 500
_BATCH = 256
_LEARNING_RATE = 2e-3


class ResidualVq(nn.Module):
    """Fitted once, before the policy that speaks in its codes is trained; then it stays as it is.

    Args:
        horizon: Ticks in a chunk, H.
        size: Elements of an action, A.
    """

    codebooks: Tensor

    def __init__(self, horizon: int, size: int) -> None:
        super().__init__()
        self._shape = (horizon, size)
        self.encoder = _mlp(horizon * size, _LATENT)
        self.decoder = _mlp(_LATENT, horizon * size)
        self.codebooks = nn.Parameter(torch.zeros(LEVELS, CODES, _LATENT))
        self.requires_grad_(False)

    def codes(self, actions: Tensor, mask: Tensor) -> Tensor:
        """The codes of chunks (B, H, A), by the ticks that count, (B, H): shape (B, LEVELS)."""
        return self._quantize(self._encode(actions, mask))[0]

    def decode(self, codes: Tensor) -> Tensor:
        """The chunks that codes (B, LEVELS) stand for, shape (B, H, A)."""
        vectors = [book[code] for book, code in zip(self.codebooks, codes.unbind(1), strict=True)]
        return self._decode(torch.stack(vectors).sum(dim=0))

    @torch.enable_grad()
    def fit(self, actions: Tensor, mask: Tensor) -> None:
        """Learn codes for chunks (N, H, A), of which the ticks (N, H) count that the mask says.

        The codebooks begin as the clusters of what each level is given, so that none of the codes
        lies where nothing is.
        """
        self.requires_grad_(True)
        optimizer = torch.optim.Adam(self.parameters(), lr=_LEARNING_RATE)
        generator = torch.Generator().manual_seed(0)
        self._begin(self._encode(actions, mask).detach())
        for _ in range(_STEPS):
            batch = torch.randint(len(actions), (_BATCH,), generator=generator)
            loss = self._loss(actions[batch], mask[batch]).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        self.requires_grad_(False)

    def _begin(self, left: Tensor) -> None:
        for book in self.codebooks.data:
            book.copy_(k_means(left, CODES))
            left = left - book[_nearest(left, book)]

    def _loss(self, actions: Tensor, mask: Tensor) -> Tensor:
        latent = self._encode(actions, mask)
        _, quantized = self._quantize(latent)
        chunk = self._decode(latent + (quantized - latent).detach())
        apart = (latent.detach() - quantized).square() + _COMMITMENT * (
            latent - quantized.detach()
        ).square()
        return masked_mean((chunk - actions).abs().mean(dim=2), mask) + apart.mean(dim=1)

    def _quantize(self, latent: Tensor) -> tuple[Tensor, Tensor]:
        """Codes (B, LEVELS) of latents, and the sum of their vectors."""
        codes, quantized = [], torch.zeros_like(latent)
        for book in self.codebooks:
            codes.append(_nearest(latent.detach() - quantized.detach(), book))
            quantized = quantized + book[codes[-1]]
        return torch.stack(codes, dim=1), quantized

    def _encode(self, actions: Tensor, mask: Tensor) -> Tensor:
        latent: Tensor = self.encoder((actions * mask[:, :, None]).flatten(1))
        return latent

    def _decode(self, latent: Tensor) -> Tensor:
        chunk: Tensor = self.decoder(latent)
        return chunk.unflatten(1, self._shape)


def _nearest(points: Tensor, vectors: Tensor) -> Tensor:
    """Shapes (B, D) and (K, D) to (B,)."""
    return (points[:, None] - vectors).square().sum(dim=2).argmin(dim=1)


def _mlp(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(inputs, _WIDTH),
        nn.SiLU(),
        nn.Linear(_WIDTH, _WIDTH),
        nn.SiLU(),
        nn.Linear(_WIDTH, outputs),
    )
