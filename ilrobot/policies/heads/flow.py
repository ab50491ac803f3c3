"""Flow matching: a straight way from noise to the chunk, walked at a velocity that is learnt.

    L = |v(x_t, t) - (a - ε)|²,    x_t = (1 - t) ε + t a,    t uniform within 0 and 1

and the chunk is x₁ of dx/dt = v(x, t), x₀ = ε, by Euler's method: in steps towards x + (1 - t) v,
of which the last reaches it. Lipman et al. 2023, "Flow matching for generative modeling", eq. 23
with σ_min = 0; Liu et al. 2023, "Flow straight and fast", eq. 1.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ilrobot.policies.heads.head import masked_mean
from ilrobot.policies.heads.iterated import TIME_STEPS, IteratedHead, Row, State, given
from ilrobot.policies.networks.network import Network


class FlowHead(IteratedHead):
    """Squared error of the velocity; acts by where the flow carries its noise.

    Args:
        make_network: Makes the network for a condition of a given size.
        condition: Size of the encoded observations.
        shape: Horizon and action size of the chunk.
        sample_steps: Steps of the sampler.
        clean: Whether the network predicts a, of which v = (a - x_t) / (1 - t), in place of v.
    """

    def __init__(
        self,
        make_network: Callable[[int], Network],
        *,
        condition: int,
        shape: tuple[int, int],
        sample_steps: int,
        clean: bool = False,
    ) -> None:
        times = torch.arange(sample_steps) * (TIME_STEPS / sample_steps)
        super().__init__(make_network, condition=condition, shape=shape, times=times)
        self.noise_shape = shape
        self._predicts_clean = clean

    def loss(
        self, condition: Tensor, actions: Tensor, mask: Tensor, noise: Tensor | None = None
    ) -> Tensor:
        """See `Head`; one random time per sample.

        Where the noise is given that a teacher made the actions of, it is one of the sampler's
        times: see `ilrobot.learners.distillation`.
        """
        if noise is None:
            noise = torch.randn_like(actions)
            t = torch.rand(len(actions), device=actions.device)
        else:
            drawn = torch.randint(self.steps, (len(actions),), device=actions.device)
            t = self.times[drawn] / TIME_STEPS
        sample = torch.lerp(noise, actions, t[:, None, None])
        prediction = self.predict(sample, self.embed_time(TIME_STEPS * t), condition)
        wanted = actions if self._predicts_clean else actions - noise
        return masked_mean((prediction - wanted).square().mean(dim=2), mask)

    def begin(self, condition: Tensor, noise: Tensor | None) -> tuple[State, tuple[Tensor, ...]]:
        """See `IteratedHead`."""
        left = 1 - self.times / TIME_STEPS
        share = 1 / (len(left) * left)
        return (given(noise),), (self.embed_times(), left, share)

    def clean(self, state: State, row: Row, condition: Tensor) -> Tensor:
        """See `IteratedHead`."""
        (sample,), (time, left, _) = state, row
        prediction = self.predict(sample, time, condition)
        return prediction if self._predicts_clean else sample + left * prediction

    def advance(self, state: State, clean: Tensor, row: Row) -> State:
        """See `IteratedHead`."""
        (sample,), (_, _, share) = state, row
        return (sample + share * (clean - sample),)
