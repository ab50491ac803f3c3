"""Denoising diffusion over chunks of actions, sampled by DDIM.

With ᾱ_t the product of 1 - β up to t, a chunk x₀ is noised to x_t = √ᾱ_t x₀ + √(1-ᾱ_t) ε, and the
network predicts ε, x₀ or the velocity √ᾱ_t ε - √(1-ᾱ_t) x₀ from x_t and t. Ho et al. 2020,
"Denoising diffusion probabilistic models", eq. 14; Salimans and Ho 2022, "Progressive
distillation", appendix D; Song et al. 2021, "Denoising diffusion implicit models", eq. 12, σ = 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn

from ilrobot.policies.heads.head import Head, masked_mean
from ilrobot.policies.networks.network import Network

Prediction = Literal["epsilon", "sample", "velocity"]

#: Size of the embedding of the diffusion step.
STEP_EMBEDDING = 128

_MAX_BETA = 0.999


def cosine_alpha_bar(steps: int) -> Tensor:
    """ᾱ after each of `steps` steps of the squared-cosine schedule, float64 of shape (steps,).

    β_t = min(1 - f(t+1)/f(t), 0.999) with f(t) = cos²((t/T + 0.008) / 1.008 · π/2). Nichol and
    Dhariwal 2021, "Improved denoising diffusion probabilistic models", eq. 17.
    """
    t = torch.arange(steps + 1, dtype=torch.float64) / steps
    f = torch.cos((t + 0.008) / 1.008 * math.pi / 2).square()
    beta = (1 - f[1:] / f[:-1]).clamp(max=_MAX_BETA)
    return torch.cumprod(1 - beta, dim=0)


def sinusoidal_table(steps: int, size: int) -> Tensor:
    """Embedding of each step, shape (steps, size): sines and cosines of falling frequency."""
    half = size // 2
    frequency = torch.exp(torch.arange(half) * (-math.log(10_000) / (half - 1)))
    phase = torch.arange(steps)[:, None] * frequency
    return torch.cat([phase.sin(), phase.cos()], dim=1)


class DiffusionHead(Head):
    """Denoises a chunk; the action chunk must be normalised to [-1, 1].

    One `denoise_step` is the body of the loop that `forward` runs `steps` times, so that an
    exporter can wrap it as a loop.

    Args:
        make_network: Makes the network for a condition of a given size.
        condition: Size of the encoded observations.
        train_steps: Steps of the forward process, T.
        sample_steps: Steps of the sampler, at most T.
        prediction: What the network predicts.
        shape: Horizon and action size of the chunk.
    """

    alpha_bar: Tensor
    table: Tensor
    order: Tensor
    timesteps: Tensor
    coefficients: Tensor

    def __init__(
        self,
        make_network: Callable[[int], Network],
        *,
        condition: int,
        train_steps: int,
        sample_steps: int,
        prediction: Prediction,
        shape: tuple[int, int],
    ) -> None:
        super().__init__()
        self.noise_shape = shape
        self.steps = sample_steps
        self._train_steps = train_steps
        self._prediction = prediction
        alpha_bar = cosine_alpha_bar(train_steps)
        timesteps, coefficients = ddim_tables(alpha_bar, sample_steps, prediction)
        self.register_buffer("alpha_bar", alpha_bar.float(), persistent=False)
        self.register_buffer(
            "table", sinusoidal_table(train_steps, STEP_EMBEDDING), persistent=False
        )
        self.register_buffer("order", torch.arange(sample_steps), persistent=False)
        self.register_buffer("timesteps", timesteps, persistent=False)
        self.register_buffer("coefficients", coefficients, persistent=False)
        self.embed = nn.Sequential(
            nn.Linear(STEP_EMBEDDING, 2 * STEP_EMBEDDING),
            nn.Mish(),
            nn.Linear(2 * STEP_EMBEDDING, STEP_EMBEDDING),
        )
        self.network = make_network(condition + STEP_EMBEDDING)

    def loss(self, condition: Tensor, actions: Tensor, mask: Tensor) -> Tensor:
        """Mean squared error of the prediction at one random step per sample."""
        count = len(actions)
        t = torch.randint(self._train_steps, (count,), device=actions.device)
        noise = torch.randn_like(actions)
        kept = self.alpha_bar[t][:, None, None]
        noisy = kept.sqrt() * actions + (1 - kept).sqrt() * noise
        targets = {
            "epsilon": noise,
            "sample": actions,
            "velocity": kept.sqrt() * noise - (1 - kept).sqrt() * actions,
        }
        error = self._predict(noisy, t, condition) - targets[self._prediction]
        return masked_mean(error.square().mean(dim=2), mask)

    def forward(self, condition: Tensor, noise: Tensor | None = None) -> Tensor:
        """The whole DDIM loop, unrolled: deterministic given `noise`."""
        if noise is None:
            raise ValueError("a diffusion policy needs noise of shape (B, horizon, action size)")
        sample = noise
        for index in self.order.split(1):
            sample = self.denoise_step(sample, index, condition)
        return sample

    def denoise_step(self, sample: Tensor, index: Tensor, condition: Tensor) -> Tensor:
        """One step of DDIM.

        Args:
            sample: Shape (B, H, A); standard normal before the first step.
            index: Which step, 0 to steps - 1; int64 of shape (1,).
            condition: Encoded observations, shape (B, C).

        Returns:
            The sample for the next step; after the last one, the chunk within [-1, 1].
        """
        t = self.timesteps.index_select(0, index).expand(sample.shape[0])
        row = self.coefficients.index_select(0, index)
        from_sample, from_prediction, next_clean, next_sample = row.unbind(1)
        prediction = self._predict(sample, t, condition)
        clean = (from_sample * sample + from_prediction * prediction).clamp(-1.0, 1.0)
        return next_clean * clean + next_sample * sample

    def _predict(self, sample: Tensor, t: Tensor, condition: Tensor) -> Tensor:
        step = self.embed(self.table.index_select(0, t))
        prediction: Tensor = self.network(torch.cat([condition, step], dim=1), sample)
        return prediction


def ddim_tables(alpha_bar: Tensor, steps: int, prediction: Prediction) -> tuple[Tensor, Tensor]:
    """Timesteps of the sampler and the four coefficients of each step.

    With p the prediction, x̂₀ = clip(c₀ x + c₁ p) and x' = c₂ x̂₀ + c₃ x. The noise is recomputed
    from the clipped x̂₀, so that x' lies on the path between the two.

    Args:
        alpha_bar: The schedule, shape (T,).
        steps: Steps of the sampler; its timesteps are i T / steps rounded down, i descending, so
            that sampling begins within one step of pure noise.
        prediction: What p is.

    Returns:
        int64 of shape (steps,) and float32 of shape (steps, 4).
    """
    t = torch.arange(steps - 1, -1, -1) * len(alpha_bar) // steps
    now = alpha_bar[t]
    later = torch.cat([alpha_bar[t[1:]], torch.ones(1, dtype=alpha_bar.dtype)])
    kept, lost = now.sqrt(), (1 - now).sqrt()
    next_sample = (1 - later).sqrt() / lost
    next_clean = later.sqrt() - next_sample * kept
    if prediction == "epsilon":
        from_sample, from_prediction = 1 / kept, -lost / kept
    elif prediction == "velocity":
        from_sample, from_prediction = kept, -lost
    else:
        from_sample, from_prediction = torch.zeros_like(kept), torch.ones_like(kept)
    table = torch.stack([from_sample, from_prediction, next_clean, next_sample], dim=1)
    return t, table.float()
