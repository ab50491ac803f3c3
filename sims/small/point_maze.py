"""A point that must go round a wall to its goal, and a wall that can be moved."""

from typing import Any, ClassVar, Literal

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from sims.canvas import BLUE, GREEN, GREY, RED, Canvas

RATE = 10
"""Control rate, Hz."""
DT = 1.0 / RATE
SPEED = 1.0
"""Greatest speed along each axis, m/s."""
GOAL = (0.0, 0.8)
"""In metres."""
REACHED = 0.1
"""Distance from the goal that counts as there, m."""
WALL_END = 0.4
"""The wall lies on y = 0 and leaves a gap between this |x| and the edge, m."""
EDGE = 1.0
"""Of the square, m from its middle."""
_SKIN = 0.01
"""Distance at which the wall stops the point, m."""

Gap = Literal["left", "right"]


class PointMazeEnv(gymnasium.Env[dict[str, NDArray[np.float32]], NDArray[np.float32]]):
    """Go round the end of a wall to a goal behind it; the wall is not observed.

    After the maze of Fu, Luo and Levine 2018, "Learning robust rewards with adversarial inverse
    reinforcement learning", section 7.2: whoever learnt a policy goes on to the old gap when the
    wall is moved; whoever learnt the reward finds the new one.

    Observation: ``state`` (2,) = x, y [m], world frame.
    Action: (2,) velocity [m/s] in ±1 along each axis, held for one step of 0.1 s.
    Reward: minus the distance from the goal after the step, in metres.
    Episode: from a random place below the wall, never ending by itself. Wall and edge stop the
    point and let it slide along. ``info``: ``is_success``, whether it is within 0.1 m of the goal.

    Args:
        gap: The side on which the wall leaves a gap.
        render_mode: None or ``rgb_array``.

    Raises:
        ValueError: for an argument out of range.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": RATE}  # noqa: RUF012
    feature_metadata: ClassVar[dict[str, dict[str, Any]]] = {
        "state": {"names": ["x", "y"], "units": ["m", "m"], "frame": "world"},
        "action": {
            "names": ["x_velocity", "y_velocity"],
            "units": ["m/s", "m/s"],
            "frame": "world",
            "semantics": "absolute",
            "controller": "velocity held for one step",
        },
    }

    def __init__(self, gap: Gap = "left", render_mode: str | None = None) -> None:
        if gap not in ("left", "right"):
            raise ValueError(f"gap must be 'left' or 'right', got {gap!r}")
        if render_mode not in (None, "rgb_array"):
            raise ValueError(f"render_mode must be None or 'rgb_array', got {render_mode!r}")
        self.gap = gap
        self.render_mode = render_mode
        edge = np.full(2, EDGE, dtype=np.float32)
        self.observation_space: spaces.Space[Any] = spaces.Dict(
            {"state": spaces.Box(-edge, edge, dtype=np.float32)}
        )
        self.action_space = spaces.Box(-SPEED, SPEED, shape=(2,), dtype=np.float32)
        self._x = self._y = 0.0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, NDArray[np.float32]], dict[str, Any]]:
        """Start below the wall: x within ±0.5 m, y from -0.9 to -0.7 m."""
        super().reset(seed=seed)
        self._x = float(self.np_random.uniform(-0.5, 0.5))
        self._y = float(self.np_random.uniform(-0.9, -0.7))
        return self._observation(), self._info()

    def step(
        self, action: NDArray[np.float32]
    ) -> tuple[dict[str, NDArray[np.float32]], float, bool, bool, dict[str, Any]]:
        """Move for 0.1 s; see the class for the units."""
        velocity = np.clip(np.asarray(action, dtype=np.float64), -SPEED, SPEED)
        x, y = (
            float(np.clip(place + DT * speed, -EDGE, EDGE))
            for place, speed in zip((self._x, self._y), velocity, strict=True)
        )
        if (self._y > 0) != (y > 0) and self._walled(x, y):
            y = _SKIN if self._y > 0 else -_SKIN
        self._x, self._y = x, y
        return self._observation(), -self._distance, False, False, self._info()

    def _walled(self, x: float, y: float) -> bool:
        """Whether the way to there meets the wall."""
        crossing = self._x + (x - self._x) * self._y / (self._y - y)
        return crossing > -WALL_END if self.gap == "left" else crossing < WALL_END

    @property
    def _distance(self) -> float:
        return float(np.hypot(self._x - GOAL[0], self._y - GOAL[1]))

    def _observation(self) -> dict[str, NDArray[np.float32]]:
        return {"state": np.array([self._x, self._y], dtype=np.float32)}

    def _info(self) -> dict[str, Any]:
        return {"is_success": self._distance <= REACHED}

    def get_state(self) -> NDArray[np.float64]:
        """All that evolves, (2,): x, y."""
        return np.array([self._x, self._y], dtype=np.float64)

    def set_state(self, state: NDArray[np.float64]) -> None:
        """Continue from a vector that ``get_state`` returned.

        Raises:
            ValueError: for another shape.
        """
        values = np.asarray(state, dtype=np.float64)
        if values.shape != (2,):
            raise ValueError(f"PointMaze's state has shape (2,), got {values.shape}")
        self._x, self._y = float(values[0]), float(values[1])

    def render(self) -> NDArray[np.uint8] | None:
        """Wall, goal and point in the square, (120, 120, 3) uint8."""
        if self.render_mode is None:
            return None
        canvas = Canvas(120, 120, left=-1.1, right=1.1, bottom=-1.1, top=1.1)
        inner, outer = (-WALL_END, EDGE) if self.gap == "left" else (-EDGE, WALL_END)
        canvas.curve(np.array([[inner, 0.0], [outer, 0.0]]), 0.03, GREY)
        canvas.disc(GOAL, REACHED, GREEN)
        canvas.disc((self._x, self._y), 0.06, BLUE if self._distance <= REACHED else RED)
        return canvas.pixels
