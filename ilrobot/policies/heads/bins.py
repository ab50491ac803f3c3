"""Bins over continuous chunks, and the offset from each bin's centre.

Chunks are put into the nearest of K centres, found by k-means. The network predicts which bin and,
for every bin, what is left over; one offset is taught, that of the bin in which the label lies:

    L = -(1 - p_j)² log p_j + |a - (c_j + δ_j)|²,    j = argmin_k |a - c_k|²

Shafiullah et al. 2022, "Behavior Transformers: cloning k modes with one stone", section 3.2, here
over whole chunks; focal loss by Lin et al. 2017, "Focal loss for dense object detection", eq. 4.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from ilrobot.policies.heads.head import Head, draw_choice, focal_loss, focal_posterior, masked_mean
from ilrobot.policies.networks.network import Network

#: Number of bins.
BINS = 32

#: Most rounds of Lloyd's algorithm, which ends as soon as no centre moves.
_ITERATIONS = 50


class BinsHead(Head):
    """Focal loss of the bin plus the squared error of its offset; acts by one bin and its offset.

    The bin is drawn by its probability, one for the whole chunk.

    Args:
        network: Condition to (B, H, `outputs(A)`).
        horizon: Ticks in a chunk, H.
        size: Elements of an action, A.
        bins: Number of bins, K.
    """

    noise_shape = (1,)
    centres: Tensor

    def __init__(self, network: Network, horizon: int, size: int, bins: int = BINS) -> None:
        super().__init__()
        self.network = network
        self._size, self._bins = size, bins
        self.register_buffer("centres", torch.zeros(bins, horizon, size))

    @staticmethod
    def outputs(size: int, bins: int = BINS) -> int:
        """Features per tick: a logit and A offsets of each bin."""
        return bins * (1 + size)

    def fit(self, actions: Tensor, mask: Tensor) -> None:
        """See `Head`."""
        counts = mask[:, :, None].expand_as(actions)
        found = k_means(actions.flatten(1), self._bins, counts.flatten(1))
        self.centres.copy_(found.unflatten(1, self.centres.shape[1:]))

    def predict(self, condition: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of the bins (B, K), and the chunk that each stands for, (B, H, K, A)."""
        logits, offsets = self.network(condition).split([self._bins, self._bins * self._size], 2)
        offsets = offsets.unflatten(2, (self._bins, self._size))
        return logits.mean(dim=1), self.centres.transpose(0, 1) + offsets

    def bin_of(self, actions: Tensor, mask: Tensor) -> Tensor:
        """The nearest bin of each chunk by the ticks that count, shape (B,)."""
        distance = (actions[:, None] - self.centres).square().sum(dim=3)
        return (distance * mask[:, None]).sum(dim=2).argmin(dim=1)

    def loss(self, condition: Tensor, actions: Tensor, mask: Tensor) -> Tensor:
        """See `Head`."""
        logits, chunks = self.predict(condition)
        nearest = self.bin_of(actions, mask)
        left_over = (_of(chunks, nearest) - actions).square().mean(dim=2)
        return focal_loss(logits, nearest) + masked_mean(left_over, mask)

    def forward(self, condition: Tensor, noise: Tensor | None = None) -> Tensor:
        """See `Head`."""
        logits, chunks = self.predict(condition)
        return _of(chunks, draw_choice(focal_posterior(logits), noise))


def k_means(points: Tensor, count: int, counts: Tensor | None = None) -> Tensor:
    """Centres of Lloyd's algorithm, begun by k-means++; the same for the same points.

    Lloyd 1982, "Least squares quantization in PCM"; Arthur and Vassilvitskii 2007, "k-means++".
    Distances and means are over the elements that count, which is what `BinsHead.bin_of` goes by.

    Args:
        points: Shape (N, D), N at least 1.
        count: Number of centres; where there are fewer distinct points, some repeat.
        counts: Which elements of the points count, shape (N, D) bool (None: all).

    Returns:
        Shape (count, D).
    """
    generator = torch.Generator().manual_seed(0)
    points = points.cpu().double()
    known = torch.ones_like(points) if counts is None else counts.cpu().double()
    # A centre begins at a point: where that one is not known, at the mean of those that are.
    mean = (points * known).sum(dim=0) / known.sum(dim=0).clamp(min=1)
    points = torch.where(known > 0, points, mean)
    centres = points[torch.randint(len(points), (1,), generator=generator)]
    for _ in range(count - 1):
        nearest = _squared_distances(points, known, centres).amin(dim=1)
        far = nearest if bool(nearest.any()) else torch.ones_like(nearest)
        centres = torch.cat([centres, points[torch.multinomial(far, 1, generator=generator)]])
    for _ in range(_ITERATIONS):
        nearest = _squared_distances(points, known, centres).argmin(dim=1)
        belongs = functional.one_hot(nearest, count).double().T
        weight = belongs @ known
        summed = belongs @ (points * known)
        moved = torch.where(weight > 0, summed / weight.clamp(min=1), centres)
        if torch.equal(moved, centres):
            break
        centres = moved
    return centres.float()


def _squared_distances(points: Tensor, known: Tensor, centres: Tensor) -> Tensor:
    """Over the elements that are known: shapes (N, D), (N, D) and (K, D) to (N, K)."""
    seen = points * known
    square = (seen * points).sum(dim=1)[:, None]
    apart = square - 2 * seen @ centres.T + known @ centres.square().T
    return apart.clamp(min=0)


def _of(chunks: Tensor, chosen: Tensor) -> Tensor:
    """The chunk of the chosen bin: shapes (B, H, K, A) and (B,) to (B, H, A)."""
    return chunks.take_along_dim(chosen[:, None, None, None], dim=2).squeeze(2)
