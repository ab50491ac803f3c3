"""A point on a line that shall stay near the middle: learnt in seconds, with all that can end."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

TASK = "line_world/Line-v0"
LIMIT = 20
#: Beyond this it has fallen.
EDGE = 1.5


class Line(gym.Env[NDArray[np.float32], NDArray[np.float32]]):
    """x' = x + a / 4, |a| ≤ 2; reward 1 - |x'|; ends by itself beyond the edge, or goes on."""

    observation_space = spaces.Box(-np.inf, np.inf, (2,), np.float32)
    action_space = spaces.Box(-2.0, 2.0, (1,), np.float32)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        super().reset(seed=seed)
        self.x = float(self.np_random.uniform(-1, 1))
        return self._seen(), {}

    def step(
        self, action: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        self.x += float(action[0]) / 4
        info = {"is_success": abs(self.x) < 0.1}
        return self._seen(), 1 - abs(self.x), abs(self.x) > EDGE, False, info

    def _seen(self) -> NDArray[np.float32]:
        return np.array([self.x, 5.0 + 100 * self.x], dtype=np.float32)


gym.register(TASK, Line, max_episode_steps=LIMIT)
