"""A mixture of Gaussians over whole chunks.

    p(a | o) = Σ_k π_k(o) Π_{t,i} N(a_ti; μ_kti(o), σ_kti(o)²)

Bishop 1994, "Mixture density networks", eq. 22 and 23; with five modes, and drawing at test from
modes whose spread is taken away, Mandlekar et al. 2021, "What matters in learning from offline
human demonstrations for robot manipulation", appendix on BC.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from ilrobot.policies.heads.gaussian import gaussian_nll
from ilrobot.policies.heads.head import Head, draw_choice
from ilrobot.policies.networks.network import Network

#: Modes of the mixture.
MODES = 5
#: Least standard deviation in normalised units. Without one the likelihood of data that can be
#: fitted exactly has no maximum, and narrow modes outvote everything else: of chunks of 32 at the
#: Junction 8 of 60 crashed with 0.1, 41 of 60 with 0.01, and 28 of 40 with robomimic's 1e-4, which
#: is for unsteady hands.
LEAST_STD = 0.1


class MixtureHead(Head):
    """Negative log-likelihood of the chunk, per tick and element; acts by the mean of one mode.

    The mode is drawn by its weight, one for the whole chunk. With one mode it is a `GaussianHead`.

    Args:
        network: Condition to (B, H, `outputs(A)`).
        size: Elements of an action, A.
        modes: Number of modes, K.
    """

    noise_shape = (1,)

    def __init__(self, network: Network, size: int, modes: int = MODES) -> None:
        super().__init__()
        self.network = network
        self._size, self._modes = size, modes

    @staticmethod
    def outputs(size: int, modes: int = MODES) -> int:
        """Features per tick: a weight, A means and A spreads of each mode."""
        return modes * (1 + 2 * size)

    def distribution(self, condition: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits of the modes (B, K), means and log standard deviations, each (B, H, K, A)."""
        logits, rest = self.network(condition).split(
            [self._modes, 2 * self._modes * self._size], dim=2
        )
        mean, raw = rest.unflatten(2, (self._modes, 2 * self._size)).chunk(2, dim=3)
        return logits.mean(dim=1), mean, torch.log(functional.softplus(raw) + LEAST_STD)

    def loss(self, condition: Tensor, actions: Tensor, mask: Tensor) -> Tensor:
        """See `Head`."""
        logits, mean, log_std = self.distribution(condition)
        of_mode = -gaussian_nll(actions[:, :, None], mean, log_std).sum(dim=3)
        counts = mask.to(of_mode.dtype)
        of_mode = (of_mode * counts[:, :, None]).sum(dim=1)
        likelihood = torch.logsumexp(functional.log_softmax(logits, dim=1) + of_mode, dim=1)
        return -likelihood / (counts.sum(dim=1) * self._size)

    def forward(self, condition: Tensor, noise: Tensor | None = None) -> Tensor:
        """See `Head`."""
        logits, mean, _ = self.distribution(condition)
        mode = draw_choice(logits, noise)
        return mean.take_along_dim(mode[:, None, None, None], dim=2).squeeze(2)
