"""From the noising process back to a clean chunk: three solvers as tables of one step.

With ᾱ at this step and ᾱ' at the next, p the network's prediction and z standard normal, a step is

    x̂₀ = clip(c₀ x + c₁ p)                  the clean chunk that p means
    d  = x̂₀ + c₄ (x̂₀ - x̂₀ of the step before)
    x' = c₂ d + c₃ x + c₅ z

- ``ddim``: c₃ = √(1-ᾱ')/√(1-ᾱ), c₂ = √ᾱ' - c₃ √ᾱ. Song et al. 2021, "Denoising diffusion implicit
  models", eq. 12 with σ = 0; the noise is recomputed from the clipped x̂₀, so that x' lies between
  the two.
- ``ddpm``: the same with σ² = (1-ᾱ')/(1-ᾱ) (1-ᾱ/ᾱ') (there eq. 16 with η = 1), c₅ = σ and 1-ᾱ'-σ²
  in place of 1-ᾱ'. With all steps that is Ho et al. 2020, "Denoising diffusion probabilistic
  models", eq. 6 and 7; z is part of the noise that the head takes.
- ``dpm``: DPM-Solver++(2M) of Lu et al. 2022, "DPM-Solver++", algorithm 2: with λ = log √(ᾱ/(1-ᾱ))
  and h the difference of λ at two steps that follow each other, c₄ = h'/(2 h), and all else as for
  ``ddim``, which its first and last steps are.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ilrobot.policies.config import Prediction, Solver

_MAX_BETA = 0.999
#: λ at which ``dpm`` begins, where the noise is twelve times the chunk.
_FIRST_LAMBDA = -2.5


def cosine_alpha_bar(steps: int) -> Tensor:
    """ᾱ after each of `steps` steps of the squared-cosine schedule, float64 of shape (steps,).

    β_t = min(1 - f(t+1)/f(t), 0.999) with f(t) = cos²((t/T + 0.008) / 1.008 · π/2). Nichol and
    Dhariwal 2021, "Improved denoising diffusion probabilistic models", eq. 17.
    """
    t = torch.arange(steps + 1, dtype=torch.float64) / steps
    f = torch.cos((t + 0.008) / 1.008 * math.pi / 2).square()
    beta = (1 - f[1:] / f[:-1]).clamp(max=_MAX_BETA)
    return torch.cumprod(1 - beta, dim=0)


def solver_tables(
    alpha_bar: Tensor, steps: int, solver: Solver, prediction: Prediction
) -> tuple[Tensor, Tensor]:
    """Timesteps of a solver and the six coefficients of each of its steps.

    Args:
        alpha_bar: The schedule, float64 of shape (T,).
        steps: Steps of the solver, at most T. Its timesteps are i T / steps rounded down, i
            descending, so that it begins within one step of pure noise and ends with the least
            noised; those of ``dpm`` lie evenly in λ. To begin with pure noise instead, and end one
            step before (Lin et al. 2024, "Common diffusion noise schedules and sample steps are
            flawed", table 2), was worse: with exact denoisers of mixtures in 2 to 20 steps, and at
            the Junction in 1 to 10 (14 of 40 crashes, not 11, with 10; 29, not 23, with 2).
        solver: Which.
        prediction: What p is.

    Returns:
        int64 of shape (steps,) and float32 of shape (steps, 6).
    """
    even = torch.arange(steps - 1, -1, -1) * len(alpha_bar) // steps
    t = _even_in_lambda(alpha_bar, steps) if solver == "dpm" else even
    now = alpha_bar[t]
    later = torch.cat([alpha_bar[t[1:]], torch.ones(1, dtype=alpha_bar.dtype)])
    kept, lost = now.sqrt(), (1 - now).sqrt()
    none = torch.zeros_like(now)
    variance = none
    if solver == "ddpm":
        variance = (1 - later) / (1 - now) * (1 - now / later)
    next_sample = (1 - later - variance).sqrt() / lost
    next_clean = later.sqrt() - next_sample * kept
    extrapolate = none.clone()
    if solver == "dpm":
        gaps = _lambda(now).diff()
        extrapolate[1:-1] = gaps[1:] / (2 * gaps[:-1])
    if prediction == "epsilon":
        from_sample, from_prediction = 1 / kept, -lost / kept
    elif prediction == "velocity":
        from_sample, from_prediction = kept, -lost
    else:
        from_sample, from_prediction = none, torch.ones_like(kept)
    columns = (from_sample, from_prediction, next_clean, next_sample, extrapolate, variance.sqrt())
    return t, torch.stack(columns, dim=1).float()


def _even_in_lambda(alpha_bar: Tensor, steps: int) -> Tensor:
    """Timesteps that fall, no two alike, shape (steps,); a further one would be the chunk's."""
    of_time = _lambda(alpha_bar)
    rank = torch.arange(steps)
    wanted = torch.lerp(
        of_time[0], of_time.new_tensor(_FIRST_LAMBDA), (rank + 1).to(of_time) / steps
    )
    nearest = (of_time - wanted[:, None]).abs().argmin(dim=1)
    apart = (nearest - rank).cummax(dim=0).values + rank
    return torch.minimum(apart, len(alpha_bar) - steps + rank).flip(0)


def _lambda(alpha_bar: Tensor) -> Tensor:
    return torch.log(alpha_bar / (1 - alpha_bar)) / 2
