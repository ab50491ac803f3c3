"""A conditional variational autoencoder over chunks, as in ACT.

    L = |a - f(o, z)|₁ + β KL(q(z | o, a) ‖ N(0, I)),    z ~ q(z | o, a) = N(μ, diag σ²)

and z = 0 when it acts, or z ~ N(0, I). The error is the mean over the ticks that count and over the
elements of an action, as in ACT's code. So β = b / (H · A) makes L the bound on the likelihood of a
chunk of H actions of A elements under Laplace noise of scale b; ACT's 10 weighs the divergence far
more. Zhao et al. 2023, "Learning fine-grained bimanual manipulation with low-cost hardware",
section IV-C and appendix C; Sohn et al. 2015, "Learning structured output representation using deep
conditional generative models", eq. 4.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ilrobot.policies.heads.head import Head, masked_mean
from ilrobot.policies.networks.network import Network

#: Size of the latent z.
LATENT = 32


class CvaeHead(Head):
    """L1 of the decoded chunk plus the weighted divergence.

    What z = 0 decodes to is one answer, that of the middle of the latent space. With β as large as
    ACT's, a latent that tells two ways apart costs more than it saves, and what is left is
    regression by L1, whose minimiser is the median of the labels.

    Args:
        posterior: Condition and chunk to (B, H, 2 · latent): means and log variances.
        decoder: Condition and latent in one vector to (B, H, A).
        kl_weight: β.
        drawn: Whether it acts by a latent drawn from the prior, not by 0.
        size: Of z.
    """

    def __init__(
        self,
        posterior: Network,
        decoder: Network,
        *,
        kl_weight: float,
        drawn: bool,
        size: int = LATENT,
    ) -> None:
        super().__init__()
        self.posterior, self.decoder = posterior, decoder
        self._kl_weight, self._size = kl_weight, size
        self.noise_shape = (size,) if drawn else None

    def loss(self, condition: Tensor, actions: Tensor, mask: Tensor) -> Tensor:
        """See `Head`."""
        seen = actions * mask[:, :, None]
        mean, log_variance = self.posterior(condition, seen).mean(dim=1).chunk(2, dim=1)
        z = mean + torch.exp(log_variance / 2) * torch.randn_like(mean)
        error = (self.decode(condition, z) - actions).abs().mean(dim=2)
        return masked_mean(error, mask) + self._kl_weight * divergence(mean, log_variance)

    def forward(self, condition: Tensor, noise: Tensor | None = None) -> Tensor:
        """See `Head`."""
        if self.noise_shape is None:
            return self.decode(condition, condition.new_zeros(condition.shape[0], self._size))
        if noise is None:
            raise ValueError(f"a latent that is drawn needs noise of shape (B, {self._size})")
        return self.decode(condition, noise)

    def decode(self, condition: Tensor, z: Tensor) -> Tensor:
        """The chunk of a latent: shapes (B, C) and (B, latent) to (B, H, A)."""
        chunk: Tensor = self.decoder(torch.cat([condition, z], dim=1))
        return chunk


def divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL(N(μ, diag σ²) ‖ N(0, I)) = Σ (μ² + σ² - 1 - log σ²) / 2, over the last axis."""
    terms = mean.square() + torch.exp(log_variance) - 1 - log_variance
    return terms.sum(dim=-1) / 2
