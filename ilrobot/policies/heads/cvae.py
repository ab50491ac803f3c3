"""A conditional variational autoencoder over chunks, as in ACT.

    L = |a - f(o, z)|₁ + β KL(q(z | o, a) ‖ N(0, I)),    z ~ q(z | o, a) = N(μ, diag σ²)

and z = 0 when it acts. Zhao et al. 2023, "Learning fine-grained bimanual manipulation with low-cost
hardware", section IV-C and appendix C; Sohn et al. 2015, "Learning structured output representation
using deep conditional generative models", eq. 4.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ilrobot.policies.heads.head import Head, masked_mean
from ilrobot.policies.networks.network import Network

#: Size of the latent z, and weight β of its divergence from the prior.
LATENT = 32
KL_WEIGHT = 10.0


class CvaeHead(Head):
    """L1 of the decoded chunk plus the weighted divergence; acts by what z = 0 decodes to.

    So it always gives one answer, that of the middle of the latent space. With β as large as
    ACT's, a latent that tells two ways apart costs more than it saves, and what is left is
    regression by L1, whose minimiser is the median of the labels.

    Args:
        posterior: Condition and chunk to (B, H, 2 · latent): means and log variances.
        decoder: Condition and latent in one vector to (B, H, A).
        latent: Size of z.
        kl_weight: β.
    """

    def __init__(
        self,
        posterior: Network,
        decoder: Network,
        latent: int = LATENT,
        kl_weight: float = KL_WEIGHT,
    ) -> None:
        super().__init__()
        self.posterior, self.decoder = posterior, decoder
        self._latent, self._kl_weight = latent, kl_weight

    def loss(self, condition: Tensor, actions: Tensor, mask: Tensor) -> Tensor:
        """See `Head`."""
        seen = actions * mask[:, :, None]
        mean, log_variance = self.posterior(condition, seen).mean(dim=1).chunk(2, dim=1)
        z = mean + torch.exp(log_variance / 2) * torch.randn_like(mean)
        error = (self.decode(condition, z) - actions).abs().mean(dim=2)
        return masked_mean(error, mask) + self._kl_weight * divergence(mean, log_variance)

    def forward(self, condition: Tensor, noise: Tensor | None = None) -> Tensor:
        """See `Head`."""
        return self.decode(condition, condition.new_zeros(condition.shape[0], self._latent))

    def decode(self, condition: Tensor, z: Tensor) -> Tensor:
        """The chunk of a latent: shapes (B, C) and (B, latent) to (B, H, A)."""
        chunk: Tensor = self.decoder(torch.cat([condition, z], dim=1))
        return chunk


def divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL(N(μ, diag σ²) ‖ N(0, I)) = Σ (μ² + σ² - 1 - log σ²) / 2, over the last axis."""
    terms = mean.square() + torch.exp(log_variance) - 1 - log_variance
    return terms.sum(dim=-1) / 2
