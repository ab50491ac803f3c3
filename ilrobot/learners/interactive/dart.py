"""DART: disturb the supervisor as the trained robot will err, so that it shows how to recover.

Laskey, Lee, Fox, Dragan and Goldberg 2017, "DART: Noise injection for robust imitation learning",
arXiv:1703.09327. The supervisor demonstrates under noise N(0, Σ), executed and not labelled
(`ilrobot.noisy_expert.NoisyExpert`). The Σ under which the present policy's errors are likeliest is

    Σ̂ = E[(π(o) - a*)(π(o) - a*)ᵀ]

over the supervisor's trajectories that the policy was not trained on. A better policy is still to
come, so where the final policy's error over a whole trajectory of T ticks is known beforehand, α =
E[Σₜ |π(o) - a*|²], the noise keeps its shape and is scaled to that:

    Σ = α / (T tr Σ̂) · Σ̂

Without α it is Σ̂, as in the authors' own programs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ilrobot.data.labels import held_out_places, labels
from ilrobot.data.recordings import Recordings
from ilrobot.data.windows import Windows
from ilrobot.errors import UserError
from ilrobot.learners.refitting import cloning_of
from ilrobot.policies.loading import load_policy
from ilrobot.policies.policy import Policy
from ilrobot.run import Run

_BATCH = 1024


def fit_noise(
    dataset: Recordings, policy_run: Path, *, alpha: float | None = None, seed: int = 0
) -> NDArray[np.float64]:
    """Σ for `NoisyExpert`, from a dataset and the policy that was trained on its beginning.

    The same dataset, policy and seed give the same Σ.

    Args:
        dataset: What was demonstrated so far; episodes that came after training are held out, too.
        policy_run: Run of the policy.
        alpha: The final policy's expected squared error, summed over a trajectory (None: Σ̂).
        seed: Of the noise that the policy's sampler takes, if it takes any.

    Returns:
        Shape (A, A), in products of the action's units.

    Raises:
        UserError: Nothing is held out, α is not positive, or the actions are choices.
    """
    policy = load_policy(policy_run)
    episodes = held_out_episodes(dataset, policy_run)
    covariance = error_covariance(dataset, policy, episodes, seed)
    if alpha is None:
        return covariance
    teaches, _ = labels(dataset)
    chosen = np.isin(np.arange(dataset.num_episodes), episodes)
    ticks = int((teaches & np.repeat(chosen, dataset.lengths)).sum())
    return anticipated(covariance, alpha, ticks / len(episodes))


def held_out_episodes(dataset: Recordings, policy_run: Path) -> NDArray[np.int64]:
    """The episodes that teach and that a policy was not trained on, ascending.

    Args:
        dataset: It begins with what the policy was trained on.
        policy_run: Run of the policy.

    Raises:
        UserError: There is none.
    """
    cloning, trained = cloning_of(policy_run), Run.read(policy_run).description.dataset.episodes
    supervised, _ = labels(dataset)
    of_frame = np.repeat(np.arange(dataset.num_episodes), dataset.lengths)
    known = np.arange(dataset.num_frames) < dataset.starts[min(trained, dataset.num_episodes)]
    kept: NDArray[np.int64] = np.zeros(0, dtype=np.int64)
    if cloning is not None:
        config, more = cloning.config.train, cloning.dataset.episodes - trained
        teaches, _ = labels(dataset, config.weighting)
        useful = np.unique(of_frame[teaches & known])
        places = held_out_places(useful.size + more, config.held_out, config.seed)
        kept = useful[places[: useful.size]]
    episodes = np.unique(of_frame[supervised & (~known | np.isin(of_frame, kept))])
    if not episodes.size:
        raise UserError(
            f"{policy_run} was trained on every demonstration, so its errors on others are not "
            "known; train it with --held-out above 0 on at least two demonstrations"
        )
    return episodes


def error_covariance(
    dataset: Recordings, policy: Policy, episodes: Sequence[int] | NDArray[np.int64], seed: int
) -> NDArray[np.float64]:
    """Σ̂: the mean over all labelled ticks of (π(o) - a*)(π(o) - a*)ᵀ, about 0 and not the mean.

    Args:
        dataset: With the supervisor's labels a*.
        policy: π; of a chunk its first action counts.
        episodes: Which.
        seed: Of the sampler's noise.

    Returns:
        Shape (A, A), symmetric; singular where an element never errs.

    Raises:
        UserError: The actions are choices, or nothing in these episodes teaches.
    """
    if dataset.spec.choices is not None:
        raise UserError("DART disturbs continuous actions, and this task's are choices")
    windows = Windows(
        dataset,
        n_obs=policy.config.n_obs,
        horizon=1,
        episodes=episodes,
        cameras=policy.config.cameras,
    )
    generator = torch.Generator().manual_seed(seed)
    size, angles = dataset.spec.action.size, list(dataset.spec.action.angles)
    total = torch.zeros(size, size, dtype=torch.float64)
    policy.eval()
    with torch.no_grad():
        for index in torch.arange(len(windows)).split(_BATCH):
            batch, noise = windows.take(index), None
            if policy.noise_shape is not None:
                noise = torch.randn(len(index), *policy.noise_shape, generator=generator)
            acted = policy(batch.observations, noise)[:, 0].reshape(len(index), size)
            wanted = batch.actions[:, 0].reshape(len(index), size)
            if policy.rotations is not None:
                wanted = policy.rotations.nearest(wanted, acted)
            error = (acted - wanted).double()
            turned = torch.remainder(error[:, angles] + math.pi, 2 * math.pi) - math.pi
            error[:, angles] = turned
            total += error.T @ error
    return (total / len(windows)).numpy()


def anticipated(covariance: NDArray[np.float64], alpha: float, ticks: float) -> NDArray[np.float64]:
    """The covariance scaled so that the noise over a trajectory has the expected square α.

    A policy that never erred gives no direction to err in: nothing is added then.

    Args:
        covariance: Σ̂.
        alpha: In the action's squared units, over a whole trajectory.
        ticks: T.

    Raises:
        UserError: α is not positive.
    """
    if not 0 < alpha < np.inf:
        raise UserError(f"DART's error of the final policy must be positive, not {alpha}")
    trace = float(np.trace(covariance))
    return covariance * (alpha / (ticks * trace)) if trace > 0 else covariance
