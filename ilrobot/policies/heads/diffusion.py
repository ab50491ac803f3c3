"""Denoising diffusion over chunks of actions.

With ᾱ_t the product of 1 - β up to t, a chunk x₀ is noised to x_t = √ᾱ_t x₀ + √(1-ᾱ_t) ε, and the
network predicts ε, x₀ or the velocity √ᾱ_t ε - √(1-ᾱ_t) x₀ from x_t and t. Ho et al. 2020,
"Denoising diffusion probabilistic models", eq. 14; Salimans and Ho 2022, "Progressive
distillation", appendix D; Chi et al. 2023, "Diffusion Policy". How it samples: `solvers`.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ilrobot.policies.config import Prediction, Solver
from ilrobot.policies.heads.head import masked_mean
from ilrobot.policies.heads.iterated import IteratedHead, Row, State, given
from ilrobot.policies.heads.solvers import cosine_alpha_bar, solver_tables
from ilrobot.policies.networks.network import Network


class DiffusionHead(IteratedHead):
    """Denoises a chunk, which ends within [-1, 1].

    Its noise is that of the first sample, of shape (H, A). ``ddpm`` adds noise after every step but
    the last: there it is of shape (steps, H, A), that of the first sample first.

    Args:
        make_network: Makes the network for a condition of a given size.
        condition: Size of the encoded observations.
        shape: Horizon and action size of the chunk.
        train_steps: Steps of the forward process, T.
        sample_steps: Steps of the sampler, at most T.
        prediction: What the network predicts.
        solver: How it samples.
        prefix: See `IteratedHead`.
    """

    alpha_bar: Tensor
    coefficients: Tensor

    def __init__(
        self,
        make_network: Callable[[int], Network],
        *,
        condition: int,
        shape: tuple[int, int],
        train_steps: int,
        sample_steps: int,
        prediction: Prediction,
        solver: Solver = "ddim",
        prefix: int = 0,
    ) -> None:
        alpha_bar = cosine_alpha_bar(train_steps)
        times, coefficients = solver_tables(alpha_bar, sample_steps, solver, prediction)
        super().__init__(make_network, condition=condition, shape=shape, times=times, prefix=prefix)
        self.noise_shape = (sample_steps, *shape) if solver == "ddpm" else shape
        self._train_steps = train_steps
        self._prediction, self._solver = prediction, solver
        self.register_buffer("alpha_bar", alpha_bar.float(), persistent=False)
        self.register_buffer("coefficients", coefficients, persistent=False)

    def loss(self, condition: Tensor, actions: Tensor, mask: Tensor) -> Tensor:
        """Mean squared error of the prediction at one random step per sample."""
        condition, mask = self.prefix.drawn(condition, actions, mask)
        t = torch.randint(self._train_steps, (len(actions),), device=actions.device)
        noise = torch.randn_like(actions)
        kept = self.alpha_bar[t][:, None, None]
        signal, spread = kept.sqrt(), (1 - kept).sqrt()
        prediction = self.predict(signal * actions + spread * noise, self.embed_time(t), condition)
        wanted = {"epsilon": noise, "sample": actions}.get(self._prediction)
        if wanted is None:
            wanted = signal * noise - spread * actions
        return masked_mean((prediction - wanted).square().mean(dim=2), mask)

    def begin(self, condition: Tensor, noise: Tensor | None) -> tuple[State, tuple[Tensor, ...]]:
        """See `IteratedHead`; the state is the sample and the clean chunk last seen in it."""
        sample = given(noise)
        added: tuple[Tensor, ...] = ()
        if self._solver == "ddpm":
            # The last step adds nothing, so that what comes round to it does not count.
            by_step = sample.transpose(0, 1).clone(memory_format=torch.contiguous_format)
            sample, added = by_step[0], (by_step.roll(-1, 0),)
        tables = (self.embed_times(), *self.coefficients.unbind(1), *added)
        return (sample, torch.zeros_like(sample)), tables

    def clean(self, state: State, row: Row, condition: Tensor) -> Tensor:
        """See `IteratedHead`; within [-1, 1]."""
        sample, (time, from_sample, from_prediction, *_) = state[0], row
        prediction = self.predict(sample, time, condition)
        return (from_sample * sample + from_prediction * prediction).clamp(-1.0, 1.0)

    def advance(self, state: State, clean: Tensor, row: Row) -> State:
        """See `IteratedHead`, and `solvers` for the coefficients."""
        sample, before = state
        next_clean, next_sample, further, spread, *noise = row[3:]
        direction = clean + further * (clean - before)
        sample = next_clean * direction + next_sample * sample
        for drawn in noise:
            sample = sample + spread * drawn
        return sample, clean
