"""What demonstrations say to inverse reinforcement learning: how often each feature was seen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from ilrobot.learners.inverse.world import Array, World

#: One row per state and one column per feature.
Features: TypeAlias = "Array | sparse.csr_array"


def one_hot(world: World) -> Features:
    """(S, S): a feature of its own for each state, so that the reward can be anything."""
    return sparse.csr_array(sparse.eye_array(world.states))


def feature_expectations(world: World, visits: Array, features: Features) -> Array:
    """μ = Σ_t γ^t Σ_s D_t(s) φ(s), (K,); Abbeel and Ng 2004, equation 3.

    Args:
        world: Where.
        visits: D, (T, S), of `demonstrated` or of `planning.occupancies`.
        features: φ, (S, K).
    """
    return np.asarray((world.discounts @ visits) @ features)


def check_features(world: World, expert: Array, features: Features) -> None:
    """Refuse features (S, K) and expectations (K,) that do not belong together.

    Raises:
        ValueError: They do not.
    """
    if features.shape[0] != world.states or expert.shape != (features.shape[1],):
        raise ValueError(
            f"features {features.shape} and expectations {expert.shape} do not fit a world of "
            f"{world.states} states"
        )


def demonstrated(world: World, demonstrations: Sequence[NDArray[np.int64]]) -> Array:
    """D, (T, S): the share of the demonstrations that is in each state at each step.

    Args:
        world: Where; how the demonstrations begin should be its `start`, or no policy can match
            them.
        demonstrations: The states of each, at most T of them. One that is shorter stays in its last
            state.

    Raises:
        ValueError: There are none; one is empty, longer than T, has a state that does not exist,
            goes where no action leads, or ends early where no action stays.
    """
    if not len(demonstrations):
        raise ValueError("no demonstrations")
    paths = np.empty((len(demonstrations), world.horizon), dtype=np.int64)
    for index, given in enumerate(demonstrations):
        path = np.asarray(given, dtype=np.int64)
        if not 0 < len(path) <= world.horizon:
            raise ValueError(
                f"demonstration {index} has {len(path)} states; 1 to {world.horizon} fit the world"
            )
        if path.min() < 0 or path.max() >= world.states:
            raise ValueError(f"demonstration {index} has a state outside 0 to {world.states - 1}")
        paths[index, : len(path)] = path
        paths[index, len(path) :] = path[-1]
    steps, which = np.unique(
        np.stack([paths[:, :-1].ravel(), paths[:, 1:].ravel()]), axis=1, return_inverse=True
    )
    possible = world.can_follow(*steps)[which]
    if not possible.all():
        index, step = divmod(int(possible.argmin()), world.horizon - 1)
        raise ValueError(
            f"demonstration {index}: no action leads from state {paths[index, step]} at step "
            f"{step} to state {paths[index, step + 1]}"
        )
    visits = np.zeros((world.horizon, world.states))
    np.add.at(visits, (np.arange(world.horizon), paths), 1 / len(paths))
    return visits
