"""Where a policy doubts itself: HG-DAgger's map of risk, over states that were visited.

Kelly et al. 2019, arXiv:1810.02890, section III: with τ from the doubts at takeovers
(`ilrobot.gates.human.risk_threshold`), states of less doubt are those that the policy may be
trusted with, and the others risky.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ilrobot.data.recordings import Recordings, lives
from ilrobot.ensemble import doubt, spread
from ilrobot.learners.interactive.novice import histories
from ilrobot.observed import vector_spec
from ilrobot.policies.in_batches import opinions
from ilrobot.policies.policy import Policy
from ilrobot.spec import Spec

#: Elements that vary less than this share of their size are constants with rounding.
_STILL = 1e-6


@dataclass(frozen=True)
class RiskMap:
    """Doubt over states.

    Attributes:
        axes: Names of the two observed elements, with their units.
        states: These elements at some ticks, shape (N, 2).
        doubt: Of the policy there, shape (N,); see `ilrobot.ensemble`.
    """

    axes: tuple[str, str]
    states: NDArray[np.float64]
    doubt: NDArray[np.float64]


def risk_map(policy: Policy, recordings: Recordings, most: int = 1_500) -> RiskMap | None:
    """Doubt at ticks all over some recordings, but for those that a rewind undid.

    The map's axes are the two elements that move most in the course of an episode, the second apart
    from what the first says of it; of positions, where two are observed.

    Args:
        policy: Of several members.
        recordings: With its observations.
        most: Number of ticks that are looked at, evenly over all.

    Returns:
        None where fewer than two elements move.
    """
    frames = np.flatnonzero(lives(recordings))
    frames = frames[np.unique(np.linspace(0, len(frames) - 1, most).round().astype(np.int64))]
    vectors = vector_spec(policy.spec)
    states = np.concatenate(
        [
            recordings.column(f.name)[frames].reshape(len(frames), -1).astype(np.float64)
            for f in vectors.observations
        ],
        axis=1,
    )
    elements = _elements(vectors)
    episodes = np.searchsorted(recordings.starts, frames, side="right") - 1
    chosen = _two_elements(states, episodes, [unit for _, unit in elements])
    if chosen is None:
        return None
    noise = None
    if policy.noise_shape is not None:
        shape = (len(frames), *policy.noise_shape)
        noise = np.random.default_rng(0).standard_normal(shape, dtype=np.float32)
    _, members = opinions(policy, histories(policy, recordings, frames), noise)
    spreads = spread(members[:, :, 0], policy.spec, policy.disagreement_scale)
    x, y = (
        f"{name} [{unit}]" if unit else name for name, unit in map(elements.__getitem__, chosen)
    )
    return RiskMap((x, y), states[:, chosen], doubt(spreads))


def _two_elements(
    states: NDArray[np.float64], episodes: NDArray[np.int64], units: Sequence[str]
) -> list[int] | None:
    """Columns of the map; see `risk_map`."""
    apart = states.copy()
    for episode in np.unique(episodes):
        apart[episodes == episode] -= apart[episodes == episode].mean(axis=0)
    move = apart.std(axis=0) > _STILL * np.maximum(1.0, np.abs(states).max(axis=0))
    positions = move & (np.array(units) == "m")
    able = positions if np.count_nonzero(positions) > 1 else move
    if np.count_nonzero(able) < 2:
        return None
    first = int(np.where(able, apart.std(axis=0), -1.0).argmax())
    along = apart[:, first] / np.linalg.norm(apart[:, first])
    apart -= np.outer(along, along @ apart)
    able[first] = False
    return [first, int(np.where(able, apart.std(axis=0), -1.0).argmax())]


def _elements(spec: Spec) -> list[tuple[str, str]]:
    """Name and unit of each element of the observations, in their order."""
    found = []
    for feature in spec.observations:
        numbers = [f"{feature.name.removeprefix('observation.')} {e}" for e in range(feature.size)]
        units = feature.units or ("",) * feature.size
        found += list(zip(feature.names or numbers, units, strict=True))
    return found
