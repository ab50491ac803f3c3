"""Push-T's state with what follows of it: the corners of the T, where the pusher is beside it.

Nothing is added that the five numbers do not say; a small network need not find it out by itself.
Diffusion Policy's own low-dimensional policies are given key points of the T as well (Chi et al.
2023).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from ilrobot.spec import Feature

#: Gymnasium id of the task, once `register` was called.
TASK = "benchmarks/PushTGeometry-v0"

#: Corners of the two boxes of the T in its own frame, pixels, shape (8, 2).
_CORNERS = np.array(
    [(-60, 0), (60, 0), (60, 30), (-60, 30), (-15, 30), (15, 30), (15, 120), (-15, 120)], float
)
_GOAL = 256.0
_GOAL_ANGLE = np.pi / 4
#: Pixels and sine of an angle from the goal within which a difference counts most.
_NEAR, _NEAR_SINE = 32.0, 0.2

NAMES = (
    *(f"corner_{index}_{axis}" for index in range(len(_CORNERS)) for axis in "xy"),
    *("beside_x", "beside_y", "near_x", "near_y", "near_angle"),
)
UNITS = ("px",) * (2 * len(_CORNERS) + 2) + ("1",) * 3


def with_geometry(state: NDArray[Any]) -> NDArray[np.float32]:
    """States and what follows of them.

    Args:
        state: Agent x, y, block x, y in pixels and the block's angle, shape (..., 5).

    Returns:
        The same, then the corners in the world, the agent in the block's frame (both in pixels),
        and how far the block is from its goal: tanh of x and y in units of 32 px, and of the sine
        of the angle in units of 0.2. Shape (..., 5 + 21).
    """
    state = np.asarray(state, np.float64)
    agent, block, angle = state[..., :2], state[..., 2:4], state[..., 4]
    cosine, sine = np.cos(angle), np.sin(angle)
    turn = np.stack([np.stack([cosine, -sine], -1), np.stack([sine, cosine], -1)], -2)
    corners = np.einsum("...ij,kj->...ki", turn, _CORNERS) + block[..., None, :]
    beside = np.einsum("...ji,...j->...i", turn, agent - block)
    near = np.tanh((block - _GOAL) / _NEAR)
    near_angle = np.tanh(np.sin(angle - _GOAL_ANGLE) / _NEAR_SINE)[..., None]
    flat = corners.reshape(*corners.shape[:-2], -1)
    told = [state, flat, beside, near, near_angle]
    return np.concatenate(told, axis=-1).astype(np.float32)


def described(state: Feature) -> Feature:
    """The feature of such states."""
    return replace(
        state,
        shape=(state.size + len(NAMES),),
        names=(*state.names, *NAMES),
        units=(*state.units, *UNITS),
        low=None,
        high=None,
    )


class WithGeometry(gym.ObservationWrapper[Any, Any, Any]):
    """`gym_pusht/PushT-v0` whose observation is `with_geometry` of its state."""

    def __init__(self) -> None:
        super().__init__(gym.make("gym_pusht/PushT-v0", obs_type="state").unwrapped)
        self.observation_space = gym.spaces.Box(-np.inf, np.inf, (5 + len(NAMES),), np.float32)

    def observation(self, observation: NDArray[Any]) -> NDArray[np.float32]:
        """See `with_geometry`."""
        return with_geometry(observation)


def register() -> None:
    """Make `TASK` known to Gymnasium in this process."""
    import gym_pusht  # noqa: F401

    if TASK not in gym.registry:
        gym.register(TASK, entry_point=f"{__name__}:WithGeometry", max_episode_steps=300)
