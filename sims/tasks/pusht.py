"""Push-T in MuJoCo: push a T onto its outline with a round pusher, seen from above."""

from collections.abc import Sequence
from typing import Any, ClassVar

import gymnasium
import mujoco
import numpy as np
from gymnasium import spaces
from numpy.typing import ArrayLike, NDArray

from sims.cameras import chosen_cameras
from sims.canvas import BLUE, GREEN, GREY, RED, SLATE, Canvas
from sims.pusht.geometry import (
    BOX_CENTRES,
    BOX_HALF_SIZES,
    CENTRE_OF_MASS,
    GOAL_POSE,
    INERTIA,
    MASS,
    PUSHER_RADIUS,
    TABLE,
    WALL_FAR,
    WALL_NEAR,
    boxes,
    coverage,
    rotation,
)

Array = NDArray[np.float64]

RATE = 10
"""Control rate, Hz."""
SUBSTEP = 0.01
SUBSTEPS = 10
K_P, K_V = 100.0, 20.0
"""Gains of the pusher's position controller, 1/s² and 1/s: critically damped at 10 rad/s."""
SUCCESS_COVERAGE = 0.95

_POSITION_GAIN = 0.06
"""Share of a penetration that one substep takes out; Chipmunk's default gives 0.061."""


def _model() -> mujoco.MjModel:
    geoms = "".join(
        f'<geom type="box" pos="{cx} {cy} 0" size="{hx} {hy} 20" contype="1" conaffinity="2"/>'
        for (cx, cy), (hx, hy) in zip(BOX_CENTRES - CENTRE_OF_MASS, BOX_HALF_SIZES, strict=True)
    )
    walls = "".join(
        f'<geom type="plane" size="600 600 1" pos="{x} {y} 0" zaxis="{nx} {ny} 0"'
        ' contype="2" conaffinity="1"/>'
        for x, y, nx, ny in (
            (WALL_NEAR, 0, 1, 0),
            (WALL_FAR, 0, -1, 0),
            (0, WALL_NEAR, 0, 1),
            (0, WALL_FAR, 0, -1),
        )
    )
    # Without a warm start the solver has no memory, so a restored state continues bit for bit.
    # A contact takes out the whole approaching velocity within one substep (damping 1 / dt).
    # The pusher weighs so much that it does not feel the block: it is kinematic, yet the contact
    # knows its velocity, which a mocap body would hide.
    stiffness = _POSITION_GAIN / SUBSTEP**2
    return mujoco.MjModel.from_xml_string(f"""
    <mujoco>
      <option timestep="{SUBSTEP}" gravity="0 0 0" tolerance="1e-12">
        <flag warmstart="disable"/>
      </option>
      <compiler autolimits="true"/>
      <default>
        <geom condim="1" solref="{-stiffness} {-1.0 / SUBSTEP}"
              solimp="0.9999 0.9999 1 0.5 2"/>
      </default>
      <worldbody>
        {walls}
        <body name="pusher">
          <inertial pos="0 0 0" mass="1e7" diaginertia="1 1 1"/>
          <joint type="slide" axis="1 0 0"/>
          <joint type="slide" axis="0 1 0"/>
          <geom type="sphere" size="{PUSHER_RADIUS}" contype="2" conaffinity="1"/>
        </body>
        <body name="block">
          <inertial pos="0 0 0" mass="{MASS}" diaginertia="1500 1500 {INERTIA}"/>
          <joint type="slide" axis="1 0 0"/>
          <joint type="slide" axis="0 1 0"/>
          <joint type="hinge" axis="0 0 1"/>
          {geoms}
        </body>
      </worldbody>
    </mujoco>""")


class PushTEnv(gymnasium.Env[Any, NDArray[np.float32]]):
    """The Push-T benchmark of Florence et al. 2021 and Chi et al. 2023 on another engine.

    Observations, actions, rate, controller, start states (seed by seed), reward and success are
    those of ``gym_pusht/PushT-v0`` with ``obs_type="state"``, so that policies and human
    demonstrations carry over; contacts are MuJoCo's. As there, contacts are frictionless and the
    table takes all momentum from the block within one substep of 10 ms (pushing is quasi-static
    with an ellipsoidal limit surface in the ratio of inertia to mass).

    Observation: (5,) float64 = pusher x, y [px], block x, y [px], block angle [rad in [0, 2π)];
    table frame, y down, [0, 512]². The block's position is the middle of its bar's outer edge.
    With ``cameras`` a dict: these five numbers as ``state`` and the picture as ``images.top``.
    Action: (2,) target x, y of the pusher [px], tracked at 100 Hz by a PD controller.
    Reward: min(coverage / 0.95, 1). ``terminated`` with success at coverage > 0.95.
    ``info``: ``is_success``, ``coverage``, ``pos_agent``, ``vel_agent``, ``block_pose``,
    ``goal_pose``.

    Args:
        render_mode: None or ``rgb_array``.
        render_size: side of the square picture, px, 32 to 1024.
        cameras: ``top`` or nothing; the picture is (render_size, render_size, 3) uint8.

    Raises:
        ValueError: for another render mode, size or camera.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": RATE}  # noqa: RUF012
    feature_metadata: ClassVar[dict[str, dict[str, Any]]] = {
        "state": {
            "names": ["agent_x", "agent_y", "block_x", "block_y", "block_angle"],
            "units": ["px", "px", "px", "px", "rad"],
            "frame": "table",
        },
        "action": {
            "names": ["target_x", "target_y"],
            "units": ["px", "px"],
            "frame": "table",
            "semantics": "absolute",
            "controller": "PD on the pusher's position, 100 Hz, k_p = 100, k_v = 20",
        },
    }

    camera_names = ("top",)

    def __init__(
        self,
        render_mode: str | None = None,
        render_size: int = 192,
        cameras: str | Sequence[str] = (),
    ) -> None:
        if render_mode not in (None, "rgb_array"):
            raise ValueError(f"render_mode must be None or 'rgb_array', got {render_mode!r}")
        if not 32 <= render_size <= 1024:
            raise ValueError(f"render_size must be in [32, 1024] px, got {render_size}")
        self.render_mode = render_mode
        self.render_size = render_size
        self._observed_cameras = chosen_cameras(cameras, self.camera_names)
        state: spaces.Space[Any] = spaces.Box(
            np.zeros(5), np.array([TABLE, TABLE, TABLE, TABLE, 2.0 * np.pi]), dtype=np.float64
        )
        picture = spaces.Box(0, 255, (render_size, render_size, 3), np.uint8)
        self.observation_space = state
        if self._observed_cameras:
            images = {f"images.{name}": picture for name in self._observed_cameras}
            self.observation_space = spaces.Dict({"state": state, **images})
        self.action_space = spaces.Box(0.0, TABLE, shape=(2,), dtype=np.float32)
        self._model = _model()
        self._data = mujoco.MjData(self._model)
        self._target: Array | None = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Start from gym-pusht's distribution, or from ``options["reset_to_state"]``.

        ``reset_to_state`` holds the five numbers of an observation (the angle may be any real)
        and is reproduced as given, unlike in gym-pusht.

        Raises:
            ValueError: for a ``reset_to_state`` that is not five finite numbers.
        """
        super().reset(seed=seed)
        given = (options or {}).get("reset_to_state")
        if given is None:
            pusher = self.np_random.integers(50, 450), self.np_random.integers(50, 450)
            drawn = self.np_random.integers(100, 400), self.np_random.integers(100, 400)
            angle = float(self.np_random.uniform(-np.pi, np.pi))
            # gym-pusht sets the position of the upright block and then turns it about its centre
            # of mass; the published start states are therefore shifted, and so are these.
            centre = np.array(drawn) + CENTRE_OF_MASS
        else:
            state = np.asarray(given, dtype=np.float64)
            if state.shape != (5,) or not np.isfinite(state).all():
                raise ValueError(f"reset_to_state must be five finite numbers, got {given}")
            pusher, angle = (state[0], state[1]), float(state[4])
            centre = state[2:4] + rotation(angle) @ CENTRE_OF_MASS
        self._data.qpos[:] = [*pusher, *centre, angle]
        self._data.qvel[:] = 0.0
        self._target = None
        return self._observation(), self._info(success=False)

    def step(self, action: NDArray[np.float32]) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Track the target for 0.1 s; see the class for units."""
        target = np.asarray(action, dtype=np.float64)
        self._target = target
        data = self._data
        for _ in range(SUBSTEPS):
            velocity = data.qvel[:2]
            velocity = velocity + (K_P * (target - data.qpos[:2]) - K_V * velocity) * SUBSTEP
            data.qvel[:2] = velocity
            mujoco.mj_step(self._model, data)
            data.qvel[:2] = velocity
            data.qvel[2:] = 0.0
        info = self._info()
        reward = min(info["coverage"] / SUCCESS_COVERAGE, 1.0)
        return self._observation(), reward, info["is_success"], False, info

    def _block_pose(self) -> Array:
        angle = float(self._data.qpos[4])
        origin = self._data.qpos[2:4] - rotation(angle) @ CENTRE_OF_MASS
        return np.array([origin[0], origin[1], angle])

    def _observation(self) -> Array | dict[str, NDArray[Any]]:
        pose = self._block_pose()
        state = np.array([*self._data.qpos[:2], pose[0], pose[1], pose[2] % (2.0 * np.pi)])
        if not self._observed_cameras:
            return state
        pictures = {f"images.{name}": self._draw() for name in self._observed_cameras}
        return {"state": state, **pictures}

    def _info(self, success: bool | None = None) -> dict[str, Any]:
        pose = self._block_pose()
        covered = coverage(pose)
        return {
            "is_success": covered > SUCCESS_COVERAGE if success is None else success,
            "coverage": covered,
            "pos_agent": self._data.qpos[:2].copy(),
            "vel_agent": self._data.qvel[:2].copy(),
            "block_pose": pose,
            "goal_pose": GOAL_POSE.copy(),
        }

    def get_state(self) -> Array:
        """Pusher x, y; block's centre of mass x, y; angle; pusher velocity x, y; (7,)."""
        return np.concatenate([self._data.qpos, self._data.qvel[:2]])

    def set_state(self, state: ArrayLike) -> None:
        """Continue from a vector that ``get_state`` returned.

        Raises:
            ValueError: for another shape.
        """
        values = np.asarray(state, dtype=np.float64)
        if values.shape != (7,):
            raise ValueError(f"Push-T's state has shape (7,), got {values.shape}")
        self._data.qpos[:] = values[:5]
        self._data.qvel[:] = [*values[5:], 0.0, 0.0, 0.0]
        self._target = None

    def render(self) -> NDArray[np.uint8] | None:
        """The table from above, goal green, (render_size, render_size, 3) uint8.

        For people there is a red dot where the last action wanted the pusher.
        """
        return None if self.render_mode is None else self._draw(self._target)

    def render_camera(self, name: str) -> NDArray[np.uint8]:
        """What one of ``camera_names`` sees, and the dot of `render`; uint8 of the same shape."""
        chosen_cameras(name, self.camera_names)
        return self._draw(self._target)

    def _draw(self, target: Array | None = None) -> NDArray[np.uint8]:
        size = self.render_size
        canvas = Canvas(size, size, left=0.0, right=TABLE, bottom=TABLE, top=0.0)
        near, far = WALL_NEAR - 2.0, WALL_FAR + 2.0
        corners = [(near, near), (far, near), (far, far), (near, far), (near, near)]
        canvas.curve(corners, 2.0, GREY)
        for pose, colour in ((GOAL_POSE, GREEN), (self._block_pose(), SLATE)):
            for corners_of_box in boxes(pose):
                canvas.polygon(corners_of_box, colour)
        canvas.disc(self._data.qpos[:2], PUSHER_RADIUS, BLUE)
        if target is not None:
            canvas.disc(target, 4.0, RED)
        return canvas.pixels
