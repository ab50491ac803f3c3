"""The partition function of trajectories, estimated from some of them by importance weights.

Finn, Levine and Abbeel 2016, "Guided cost learning": with p(τ) = exp R(τ) / Z of Ziebart et al.
2008, under the dynamics, and trajectories τ_j of a known density q

    log Z ≈ log (1/M) Σ_j exp (R(τ_j) - log q(τ_j))          (equation 3; their cost is -R)

The dynamics are part of p and of q and cancel: log q is the sum of log π(a|s) over the trajectory.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

#: The demonstrated half of the samples is so much of what the density is made of.
_LOG_HALF = math.log(0.5)


def log_partition(returns: Tensor, log_density: Tensor) -> Tensor:
    """log Z from trajectories drawn by q, a scalar; differentiable in the returns.

    Args:
        returns: R(τ_j), (M,).
        log_density: log q(τ_j), (M,).
    """
    return torch.logsumexp(returns - log_density, dim=0) - math.log(len(returns))


def fused_density(log_densities: Tensor) -> Tensor:
    """log q where the trajectories are of several policies, as many of each: (K, M) to (M,).

    The mixture of all, q = 1/K Σ_κ q_κ, whoever drew a trajectory (section 4.2, equation 4).
    """
    return torch.logsumexp(log_densities, dim=0) - math.log(len(log_densities))


def joined_density(returns: Tensor, log_density: Tensor, log_z: Tensor) -> Tensor:
    """log μ of half demonstrations, half samples: μ = ½ exp(R) / Z + ½ q, (M,).

    Nobody knows the density of the demonstrations; it is taken to be the model's (Finn,
    Christiano, Abbeel and Levine 2016, "A connection between GANs, IRL and energy-based models",
    section 2.3), so that no weight exp(R) / μ exceeds 2 Z.

    Args:
        returns: R, (M,).
        log_density: log q, (M,).
        log_z: The last estimate of log Z, a scalar.
    """
    return torch.logaddexp(returns - log_z, log_density) + _LOG_HALF


def effective_samples(returns: Tensor, log_density: Tensor) -> float:
    """(Σ w)² / Σ w² of the weights w, from 1, where one outweighs all, to M (Kong 1992)."""
    weights = torch.softmax(returns - log_density, dim=0)
    return float(1 / weights.square().sum())
