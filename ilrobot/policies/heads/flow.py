"""Flow matching: a straight way from noise to the chunk, walked at a velocity that is learnt.

    L = |v(x_t, t) - (a - ε)|²,    x_t = (1 - t) ε + t a,    t uniform within 0 and 1

and the chunk is x₁ of dx/dt = v(x, t), x₀ = ε, by Euler's method: in steps towards x + (1 - t) v,
of which the last reaches it. Lipman et al. 2023, "Flow matching for generative modeling", eq. 23
with σ_min = 0; Liu et al. 2023, "Flow straight and fast", eq. 1.

What the network itself says, F, may be something else of which the clean chunk follows,

    a = c(t) x_t + d(t) F

``velocity``: c = 1 and d = 1 - t, as above. ``sample``: c = 0 and d = 1, the clean chunk.
``preconditioned``: c = t s² / v and d = (1 - t) s / √v with v = t² s² + (1 - t)². That is near the
clean chunk where all is noise and near the noise where little is left, and what F has to say is of
one size at every t, if chunks spread by s: Karras et al. 2022, "Elucidating the design space of
diffusion-based generative models", eqs. 7 and 8, for x_t / t, which is noised by (1 - t) / t.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ilrobot.policies.config import FlowPrediction
from ilrobot.policies.heads.head import masked_mean
from ilrobot.policies.heads.iterated import TIME_STEPS, IteratedHead, Row, State, given
from ilrobot.policies.networks.network import Network

#: How far chunks are taken to spread where the observation is known, normalised: s above.
CHUNK_SPREAD = 0.3


class FlowHead(IteratedHead):
    """Squared error of the velocity; acts by where the flow carries its noise.

    Args:
        make_network: Makes the network for a condition of a given size.
        condition: Size of the encoded observations.
        shape: Horizon and action size of the chunk.
        sample_steps: Steps of the sampler.
        prediction: What the network predicts.
        noise_scale: Of the noise that a chunk is drawn from; training has 1.
        prefix: See `IteratedHead`.
    """

    def __init__(
        self,
        make_network: Callable[[int], Network],
        *,
        condition: int,
        shape: tuple[int, int],
        sample_steps: int,
        prediction: FlowPrediction = "velocity",
        noise_scale: float = 1.0,
        prefix: int = 0,
    ) -> None:
        times = torch.arange(sample_steps) * (TIME_STEPS / sample_steps)
        super().__init__(make_network, condition=condition, shape=shape, times=times, prefix=prefix)
        self.noise_shape = shape
        self._prediction, self._noise_scale = prediction, noise_scale

    def loss(
        self, condition: Tensor, actions: Tensor, mask: Tensor, noise: Tensor | None = None
    ) -> Tensor:
        """See `Head`; one random time per sample.

        Where the noise is given that a teacher made the actions of, it is one of the sampler's
        times: see `ilrobot.learners.distillation`.
        """
        condition, mask = self.prefix.drawn(condition, actions, mask)
        if noise is None:
            noise = torch.randn_like(actions)
            t = torch.rand(len(actions), device=actions.device)
        else:
            drawn = torch.randint(self.steps, (len(actions),), device=actions.device)
            t = self.times[drawn] / TIME_STEPS
        sample = torch.lerp(noise, actions, t[:, None, None])
        prediction = self.predict(sample, self.embed_time(TIME_STEPS * t), condition)
        wanted = self._wanted(actions, noise, t[:, None, None])
        return masked_mean((prediction - wanted).square().mean(dim=2), mask)

    def _wanted(self, actions: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """What the network should say at time t of the way from this noise to these actions."""
        if self._prediction == "velocity":
            return actions - noise
        if self._prediction == "sample":
            return actions
        # (a - c x_t) / d, in which 1 - t cancels out.
        spread = _noised_spread(t)
        return ((1 - t) * actions - t * CHUNK_SPREAD**2 * noise) / (CHUNK_SPREAD * spread)

    def begin(self, condition: Tensor, noise: Tensor | None) -> tuple[State, tuple[Tensor, ...]]:
        """See `IteratedHead`."""
        t = self.times / TIME_STEPS
        share = 1 / (len(t) * (1 - t))
        of_sample, of_prediction = _clean_of(self._prediction, t)
        tables = (self.embed_times(), of_sample, of_prediction, share)
        return (self._noise_scale * given(noise),), tables

    def clean(self, state: State, row: Row, condition: Tensor) -> Tensor:
        """See `IteratedHead`."""
        (sample,), (time, of_sample, of_prediction, _) = state, row
        return of_sample * sample + of_prediction * self.predict(sample, time, condition)

    def advance(self, state: State, clean: Tensor, row: Row) -> State:
        """See `IteratedHead`."""
        (sample,), (*_, share) = state, row
        return (sample + share * (clean - sample),)


def _noised_spread(t: Tensor) -> Tensor:
    return torch.sqrt((t * CHUNK_SPREAD) ** 2 + (1 - t) ** 2)


def _clean_of(prediction: FlowPrediction, t: Tensor) -> tuple[Tensor, Tensor]:
    """The shares c and d of sample and prediction in the clean chunk."""
    if prediction == "velocity":
        return torch.ones_like(t), 1 - t
    if prediction == "sample":
        return torch.zeros_like(t), torch.ones_like(t)
    spread = _noised_spread(t)
    return t * (CHUNK_SPREAD / spread) ** 2, (1 - t) * CHUNK_SPREAD / spread
