"""A hand in a plane that shall come to a goal: alike wherever they are, and it says so."""

from __future__ import annotations

from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from ilrobot.actors import Actor, Decision, Observation, Source

TASK = "planar_world/Planar-v0"
SPEED, NEAR, LIMIT = 0.1, 0.12, 16


class Planar(gym.Env[NDArray[np.float32], NDArray[np.float32]]):
    """hand' = hand + a, |a_i| ≤ 0.1 m; success within 0.12 m of the goal.

    Args:
        falls: Ticks after which an attempt that has not succeeded fails (0: it goes on).
    """

    metadata: ClassVar[dict[str, Any]] = {"render_modes": [], "render_fps": 10}
    task_frame = ("hand", "goal")
    feature_metadata: ClassVar = {
        "state": {
            "names": ["hand_x", "hand_y", "goal_x", "goal_y"],
            "units": ["m"] * 4,
            "frame": "base",
        },
        "action": {
            "names": ["dx", "dy", "gripper_opening"],
            "units": ["m/tick", "m/tick", "1"],
            "frame": "base",
            "semantics": "delta",
        },
    }
    observation_space = spaces.Box(-2.0, 2.0, (4,), np.float32)
    action_space = spaces.Box(
        np.array([-SPEED, -SPEED, 0], np.float32), np.array([SPEED, SPEED, 1], np.float32)
    )

    def __init__(self, falls: int = 0) -> None:
        self.falls = falls

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        super().reset(seed=seed)
        self.ticks = 0
        self.hand = self.np_random.uniform(-1, 1, 2)
        angle = self.np_random.uniform(0, 2 * np.pi)
        self.goal = self.hand + 0.8 * np.array([np.cos(angle), np.sin(angle)])
        return self._seen(), {}

    def step(
        self, action: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        self.hand = self.hand + np.clip(action[:2], -SPEED, SPEED)
        away = float(np.linalg.norm(self.goal - self.hand))
        self.ticks += 1
        fell = self.ticks == self.falls
        return self._seen(), -away, fell, False, {"is_success": away < NEAR}

    def _seen(self) -> NDArray[np.float32]:
        return np.concatenate([self.hand, self.goal]).astype(np.float32)


class Expert(Actor):
    """Goes straight to the goal."""

    def act(self, observation: Observation, now: float) -> Decision:
        hand, goal = np.split(observation["observation.state"], 2)
        step = np.clip(goal - hand, -SPEED, SPEED)
        return Decision(np.array([*step, 0.5], dtype=np.float32), Source.DEMO)


gym.register(TASK, Planar, max_episode_steps=LIMIT)
