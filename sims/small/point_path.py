"""A point that must stay on y = sin 2x: small errors of a policy compound along the path."""

from typing import Any, ClassVar

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from sims.canvas import BLUE, GREY, RED, Canvas

RATE = 10
"""Control rate, Hz."""
DT = 1.0 / RATE
SPEED = 0.2 * np.pi
"""Constant speed along x, m/s: 100 steps cover two periods of the path."""
ACCELERATION_LIMIT = 4.0
"""Largest lateral acceleration commanded, m/s²; the path itself asks for at most 4·SPEED² ≈ 1.6."""
CORRIDOR = 0.2
"""Largest deviation from the path, m, of an episode that counts as a success."""
KERB = 0.5
"""The point cannot get further from the path than this, m, so a step never costs more."""
PERIOD = np.pi
"""Of the path along x, m."""
STEEPEST = 4.0
LONGEST_HORIZON = 1000


def path_height(x: float) -> float:
    """Height of the path, y = sin 2x, in metres; ``x`` in metres."""
    return float(np.sin(2.0 * x))


class PointPathEnv(gymnasium.Env[dict[str, NDArray[np.float32]], NDArray[np.float32]]):
    """Follow y = sin 2x at constant speed along x by accelerating sideways.

    The path runs along a ridge: off it by d, the point is pushed further off by ``instability``·d,
    so its deviation obeys d̈ = ``instability``·d + (error of the action). A policy whose action is
    off by a constant ε strays by ε t²/2 at first and then exponentially, into places where clean
    demonstrations never were: the compounding error of behavioural cloning (Ross and Bagnell 2010,
    J ≤ J* + T²ε for bounded costs) in a small world. Data gathered where the learner goes, as in
    DAgger, teaches it the way back.

    Observation: ``state`` (3,) = x [m], y [m], lateral velocity [m/s], world frame.
    Action: (1,) lateral acceleration [m/s²] in ±4, held for one step of 0.1 s.
    Reward: minus the distance |y − sin 2x| after the step, in metres.
    Episode: ``horizon`` steps from a random phase of the path, then ``terminated``; success is
    reaching the end without ever having been further than 0.2 m from the path. A kerb on either
    side stops the point at 0.5 m and sets it parallel to the path.
    ``info``: ``is_success``, ``deviation`` (signed, m), ``max_deviation`` (m).

    Args:
        horizon: steps of an episode, 1 to 1000.
        process_noise: standard deviation of a Gaussian disturbance of the lateral acceleration,
            drawn once per step from the seeded generator, m/s².
        instability: steepness of the ridge, 1/s², 0 to 4; 0 leaves a double integrator.
        periodic: observe x within one period of the path, [0, π) m; then what there is to know
            about the path is the same however long it is.
        render_mode: None or ``rgb_array``.

    Raises:
        ValueError: for an argument out of range.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": RATE}  # noqa: RUF012
    feature_metadata: ClassVar[dict[str, dict[str, Any]]] = {
        "state": {"names": ["x", "y", "y_velocity"], "units": ["m", "m", "m/s"], "frame": "world"},
        "action": {
            "names": ["y_acceleration"],
            "units": ["m/s^2"],
            "frame": "world",
            "semantics": "absolute",
            "controller": "lateral acceleration held for one step",
        },
    }

    def __init__(
        self,
        horizon: int = 100,
        process_noise: float = 0.0,
        instability: float = 2.0,
        periodic: bool = False,
        render_mode: str | None = None,
    ) -> None:
        if not 1 <= horizon <= LONGEST_HORIZON:
            raise ValueError(f"horizon must be in [1, {LONGEST_HORIZON}] steps, got {horizon}")
        if not (np.isfinite(process_noise) and process_noise >= 0.0):
            raise ValueError(f"process_noise must be >= 0 m/s², got {process_noise}")
        if not 0.0 <= instability <= STEEPEST:
            raise ValueError(f"instability must be in [0, {STEEPEST}] 1/s², got {instability}")
        if render_mode not in (None, "rgb_array"):
            raise ValueError(f"render_mode must be None or 'rgb_array', got {render_mode!r}")
        self.horizon = horizon
        self.process_noise = process_noise
        self.instability = instability
        self.periodic = periodic
        self.render_mode = render_mode
        unbounded = np.full(3, np.inf, dtype=np.float32)
        self.observation_space: spaces.Space[Any] = spaces.Dict(
            {"state": spaces.Box(-unbounded, unbounded, dtype=np.float32)}
        )
        self.action_space = spaces.Box(
            -ACCELERATION_LIMIT, ACCELERATION_LIMIT, shape=(1,), dtype=np.float32
        )
        self._x_start = self._y = self._velocity = self._max_deviation = 0.0
        self._step_count = 0

    @property
    def _x(self) -> float:
        return self._x_start + self._step_count * SPEED * DT

    @property
    def _deviation(self) -> float:
        return self._y - path_height(self._x)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, NDArray[np.float32]], dict[str, Any]]:
        """Start on the path (within 1 cm) at a phase drawn from one period of it."""
        super().reset(seed=seed)
        self._step_count = 0
        self._x_start = float(self.np_random.uniform(0.0, np.pi))
        self._y = path_height(self._x_start) + float(self.np_random.uniform(-0.01, 0.01))
        self._velocity = self._path_velocity()
        self._max_deviation = abs(self._deviation)
        return self._observation(), self._info()

    def step(
        self, action: NDArray[np.float32]
    ) -> tuple[dict[str, NDArray[np.float32]], float, bool, bool, dict[str, Any]]:
        """Accelerate sideways for 0.1 s; see the class for the units."""
        command = float(np.clip(action[0], -ACCELERATION_LIMIT, ACCELERATION_LIMIT))
        acceleration = command + self.instability * self._deviation
        if self.process_noise > 0.0:
            acceleration += self.process_noise * float(self.np_random.standard_normal())
        self._y += self._velocity * DT + 0.5 * acceleration * DT**2
        self._velocity += acceleration * DT
        self._step_count += 1
        if abs(self._deviation) > KERB:
            self._y = path_height(self._x) + float(np.copysign(KERB, self._deviation))
            self._velocity = self._path_velocity()
        deviation = abs(self._deviation)
        self._max_deviation = max(self._max_deviation, deviation)
        terminated = self._step_count >= self.horizon
        return self._observation(), -deviation, terminated, False, self._info()

    def _path_velocity(self) -> float:
        return 2.0 * SPEED * float(np.cos(2.0 * self._x))

    def _observation(self) -> dict[str, NDArray[np.float32]]:
        x = self._x % PERIOD if self.periodic else self._x
        return {"state": np.array([x, self._y, self._velocity], dtype=np.float32)}

    def _info(self) -> dict[str, Any]:
        finished = self._step_count >= self.horizon
        return {
            "is_success": finished and self._max_deviation <= CORRIDOR,
            "deviation": self._deviation,
            "max_deviation": self._max_deviation,
        }

    def get_state(self) -> NDArray[np.float64]:
        """All that evolves, (5,): start x, y, lateral velocity, steps taken, max deviation."""
        return np.array(
            [self._x_start, self._y, self._velocity, self._step_count, self._max_deviation],
            dtype=np.float64,
        )

    def set_state(self, state: NDArray[np.float64]) -> None:
        """Continue from a vector that ``get_state`` returned.

        Raises:
            ValueError: for another shape.
        """
        values = np.asarray(state, dtype=np.float64)
        if values.shape != (5,):
            raise ValueError(f"PointPath's state has shape (5,), got {values.shape}")
        self._x_start, self._y, self._velocity = (float(value) for value in values[:3])
        self._step_count = int(values[3])
        self._max_deviation = float(values[4])

    def render(self) -> NDArray[np.uint8] | None:
        """The path, the point and a window of 6 m about it, (120, 240, 3) uint8."""
        if self.render_mode is None:
            return None
        left, right = self._x - 3.0, self._x + 3.0
        canvas = Canvas(240, 120, left=left, right=right, bottom=-1.5, top=1.5)
        xs = np.linspace(left, right, 100)
        canvas.curve(np.stack([xs, np.sin(2.0 * xs)], axis=1), 0.03, GREY)
        inside = abs(self._deviation) <= CORRIDOR
        canvas.disc((self._x, self._y), 0.08, BLUE if inside else RED)
        return canvas.pixels
