"""A point that must pass an obstacle on either side: the mean of two right answers crashes."""

from typing import Any, ClassVar

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from sims.canvas import BLUE, GREEN, GREY, RED, SLATE, Canvas

RATE = 10
"""Control rate, Hz."""
DT = 1.0 / RATE
SPEED = 1.0
"""Constant speed along x, m/s."""
LATERAL_LIMIT = 1.0
"""Largest lateral speed, m/s."""
OBSTACLE_RADIUS = 0.5
POINT_RADIUS = 0.1
ROAD_HALF_WIDTH = 1.5
ROAD_END = 6.0
"""The episode ends in success where x passes this, m."""


class JunctionEnv(gymnasium.Env[dict[str, NDArray[np.float32]], NDArray[np.float32]]):
    """Drive along x at constant speed and pass a round obstacle on the left or on the right.

    Both sides are equally good and the start tells nothing about which a demonstrator will take,
    so the action just before the obstacle has two modes, full left and full right. Their mean
    drives straight into the obstacle: a policy needs a head that can hold two modes.

    Observation: ``state`` (2,) = x, y [m] of the point; ``environment_state`` (2,) = x, y [m] of
    the obstacle's centre; world frame, x along the road, left is +y.
    Action: (1,) lateral velocity [m/s] in ±1, held for one step of 0.1 s.
    Reward: 1 on the step that reaches the end of the road, −1 on a crash, else 0.
    Episode: about 60 steps; ``terminated`` at the end of the road (success, x ≥ 6 m) or on a
    crash, which is touching the obstacle (0.5 m + the point's own 0.1 m) or leaving the road
    (|y| > 1.4 m). ``info``: ``is_success``, ``crashed``.

    Args:
        render_mode: None or ``rgb_array``.

    Raises:
        ValueError: for another render mode.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": RATE}  # noqa: RUF012
    feature_metadata: ClassVar[dict[str, dict[str, Any]]] = {
        "state": {"names": ["x", "y"], "units": ["m", "m"], "frame": "world"},
        "environment_state": {
            "names": ["obstacle_x", "obstacle_y"],
            "units": ["m", "m"],
            "frame": "world",
        },
        "action": {
            "names": ["y_velocity"],
            "units": ["m/s"],
            "frame": "world",
            "semantics": "absolute",
            "controller": "lateral velocity held for one step",
        },
    }

    def __init__(self, render_mode: str | None = None) -> None:
        if render_mode not in (None, "rgb_array"):
            raise ValueError(f"render_mode must be None or 'rgb_array', got {render_mode!r}")
        self.render_mode = render_mode
        point_high = np.array([ROAD_END + SPEED * DT, ROAD_HALF_WIDTH + LATERAL_LIMIT * DT])
        self.observation_space: spaces.Space[Any] = spaces.Dict(
            {
                "state": spaces.Box(
                    np.array([0.0, -point_high[1]], dtype=np.float32),
                    point_high.astype(np.float32),
                    dtype=np.float32,
                ),
                "environment_state": spaces.Box(
                    np.array([0.0, -ROAD_HALF_WIDTH], dtype=np.float32),
                    np.array([ROAD_END, ROAD_HALF_WIDTH], dtype=np.float32),
                    dtype=np.float32,
                ),
            }
        )
        self.action_space = spaces.Box(-LATERAL_LIMIT, LATERAL_LIMIT, shape=(1,), dtype=np.float32)
        self._point = np.zeros(2)
        self._obstacle = np.zeros(2)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, NDArray[np.float32]], dict[str, Any]]:
        """Start within 2 cm of the middle of the road, the obstacle between x = 2.8 and 3.2 m."""
        super().reset(seed=seed)
        self._point = np.array([0.0, self.np_random.uniform(-0.02, 0.02)])
        self._obstacle = np.array([self.np_random.uniform(2.8, 3.2), 0.0])
        return self._observation(), self._info()

    def step(
        self, action: NDArray[np.float32]
    ) -> tuple[dict[str, NDArray[np.float32]], float, bool, bool, dict[str, Any]]:
        """Drive on for 0.1 s with the lateral velocity ``action``; see the class for the units."""
        lateral = float(np.clip(action[0], -LATERAL_LIMIT, LATERAL_LIMIT))
        self._point = self._point + np.array([SPEED, lateral]) * DT
        info = self._info()
        reward = 1.0 if info["is_success"] else -1.0 if info["crashed"] else 0.0
        terminated = info["is_success"] or info["crashed"]
        return self._observation(), reward, terminated, False, info

    def _observation(self) -> dict[str, NDArray[np.float32]]:
        return {
            "state": self._point.astype(np.float32),
            "environment_state": self._obstacle.astype(np.float32),
        }

    def _info(self) -> dict[str, Any]:
        gap = float(np.hypot(*(self._point - self._obstacle))) - OBSTACLE_RADIUS - POINT_RADIUS
        crashed = gap < 0.0 or abs(float(self._point[1])) > ROAD_HALF_WIDTH - POINT_RADIUS
        return {"is_success": bool(self._point[0] >= ROAD_END and not crashed), "crashed": crashed}

    def get_state(self) -> NDArray[np.float64]:
        """All that evolves, (4,): point x, y and obstacle x, y in metres."""
        return np.concatenate([self._point, self._obstacle])

    def set_state(self, state: NDArray[np.float64]) -> None:
        """Continue from a vector that ``get_state`` returned.

        Raises:
            ValueError: for another shape.
        """
        values = np.array(state, dtype=np.float64)
        if values.shape != (4,):
            raise ValueError(f"Junction's state has shape (4,), got {values.shape}")
        self._point, self._obstacle = values[:2], values[2:]

    def render(self) -> NDArray[np.uint8] | None:
        """The road from above with the obstacle and the point, (120, 240, 3) uint8."""
        if self.render_mode is None:
            return None
        canvas = Canvas(240, 120, left=-0.2, right=ROAD_END + 0.2, bottom=-1.6, top=1.6)
        for side in (-1.0, 1.0):
            edge = side * ROAD_HALF_WIDTH
            canvas.curve([(-0.2, edge), (ROAD_END + 0.2, edge)], 0.03, GREY)
        canvas.curve([(ROAD_END, -ROAD_HALF_WIDTH), (ROAD_END, ROAD_HALF_WIDTH)], 0.03, GREEN)
        canvas.disc(self._obstacle, OBSTACLE_RADIUS, SLATE)
        canvas.disc(self._point, POINT_RADIUS, RED if self._info()["crashed"] else BLUE)
        return canvas.pixels
