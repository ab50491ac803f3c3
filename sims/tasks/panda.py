"""What the Panda's tasks share: commands, observations, state, and the way an episode ends."""

import math
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from sims.cameras import chosen_cameras
from sims.panda import model as panda
from sims.panda.engine import make_engine
from sims.panda.ik import ArmKinematics
from sims.panda.joints import joint_metadata
from sims.panda.model import Array, Scene
from sims.panda.target import CommandedPose, finger_target

Observation = dict[str, NDArray[Any]]

TRANSLATION_LIMIT = 0.02
"""Greatest command along one axis, m per tick (0.4 m/s)."""
ROTATION_LIMIT = 0.1
"""Greatest command about one axis, rad per tick (2 rad/s)."""
START = np.array([0.45, 0.0, 0.2])
"""Centre of the start positions of the tool centre point, m."""
START_SPREAD = 0.02
"""Greatest deviation from ``START`` along each axis, m."""
HOLD_TICKS = 5
"""The episode ends when it was a success for so many ticks in a row (0.25 s)."""

IMAGE_SPACE = spaces.Box(0, 255, (panda.IMAGE_HEIGHT, panda.IMAGE_WIDTH, 3), np.uint8)

_ACTION_LOW = np.array([-TRANSLATION_LIMIT] * 3 + [-ROTATION_LIMIT] * 3 + [0.0], dtype=np.float32)
_ACTION_HIGH = np.array([TRANSLATION_LIMIT] * 3 + [ROTATION_LIMIT] * 3 + [1.0], dtype=np.float32)
_AXES = tuple(f"ee_{axis}_axis_{of}" for axis in "xy" for of in "xyz")

STATE_METADATA: dict[str, Any] = {
    "names": ["ee_x", "ee_y", "ee_z", *_AXES, "gripper_opening"],
    "units": ["m"] * 3 + ["1"] * 7,
    "frame": "base",
}
ACTION_METADATA: dict[str, Any] = {
    "names": ["dx", "dy", "dz", "rx", "ry", "rz", "gripper_opening"],
    "units": ["m/tick"] * 3 + ["rad/tick"] * 3 + ["1"],
    "frame": "base",
    "semantics": "delta",
    "controller": "ee_delta_gripper",
}


class PandaEnv(gymnasium.Env[Any, NDArray[np.float32]]):
    """One arm over a table, commanded at 20 Hz in steps of the tool centre point (TCP).

    Action (7,): dx, dy, dz [m per tick, ±0.02], a rotation vector rx, ry, rz [rad per tick, ±0.1],
    both along the axes of the base frame, and the opening of the gripper [0 closed … 1 open],
    absolute. Values beyond the limits are clipped. The steps move a commanded pose that is kept
    from tick to tick, clipped to the workspace and leashed to within 5 cm and 0.3 rad of the
    achieved pose, so that a command against an obstacle never winds up.

    Observation: ``state`` (10,) is the position of the TCP [m], the x and y axes of its rotation
    matrix (the 6-D representation of Zhou et al. 2019, arXiv:1812.07035: it neither wraps nor
    jumps) and the opening of the gripper [0 … 1]; ``environment_state`` is what the task adds.
    No velocities: they help a simulator's expert and hurt those who imitate it.
    ``images.<camera>`` (240, 320, 3) uint8 is what each camera named in ``cameras`` sees:
    ``front`` stands beyond the table, ``wrist`` rides on the hand. Pictures are read-only.

    Reward: −1 … 0, see `_reward`; 0 on success, so that a return counts the ticks lost.
    Episode: ``terminated`` after 5 successful ticks in a row. ``info``: ``is_success``.

    Args:
        engine: ``mujoco`` or ``pybullet``.
        render_mode: None, ``rgb_array`` (320×240) or ``human`` (a window).
        cameras: Names of those that are observed, as a sequence or with commas between them.

    Raises:
        ValueError: for another engine, render mode or camera, and for an action of another shape or
            with a number that is not finite.
        RuntimeError: where pictures are asked for and this machine cannot draw them.
    """

    metadata: dict[str, Any] = {  # noqa: RUF012
        "render_modes": ["rgb_array", "human"],
        "render_fps": panda.RATE,
    }
    feature_metadata: ClassVar[dict[str, dict[str, Any]]]
    scene: ClassVar[Scene]

    camera_names = tuple(panda.CAMERAS)

    def __init__(
        self,
        engine: str = "mujoco",
        render_mode: str | None = None,
        cameras: str | Sequence[str] = (),
    ) -> None:
        if render_mode not in (None, *self.metadata["render_modes"]):
            raise ValueError(
                f"render_mode must be None, 'rgb_array' or 'human', got {render_mode!r}"
            )
        self.render_mode = render_mode
        self._observed_cameras = chosen_cameras(cameras, self.camera_names)
        self._pictures: dict[str, NDArray[np.uint8]] = {}
        self.joint_metadata = joint_metadata(engine)
        self.engine = make_engine(engine, self.scene, window=render_mode == "human")
        self._kinematics = ArmKinematics()
        self.action_space = spaces.Box(_ACTION_LOW, _ACTION_HIGH, dtype=np.float32)
        low, high = self._environment_bounds()
        state_low = np.array([-1.0] * 9 + [-0.1])
        state_high = np.array([1.0] * 9 + [1.1])
        # Rounding may carry an element of a rotation matrix past ±1.
        state_low[3:9] -= 1e-3
        state_high[3:9] += 1e-3
        self.observation_space = spaces.Dict(
            {
                "state": spaces.Box(state_low.astype(np.float32), state_high.astype(np.float32)),
                "environment_state": spaces.Box(low.astype(np.float32), high.astype(np.float32)),
                **{f"images.{name}": IMAGE_SPACE for name in self._observed_cameras},
            }
        )
        # One vector holds what the task remembers, so that saving it is one copy.
        self._memory = np.zeros(7 + 9 + 3 + 1)
        self._target = CommandedPose(self._memory[0:7])
        self.joint_targets = self._memory[7:16]
        """Commanded joints (9,): seven of the arm in rad, two fingers in m."""
        self._goal = self._memory[16:19]
        self._held = self._memory[19:20]
        self._joint_goal = np.empty(9)
        if self._observed_cameras:  # whether it can be drawn at all is told now
            self.engine.render(self._observed_cameras[0])

    # What a task defines ------------------------------------------------------------------

    @abstractmethod
    def _environment_bounds(self) -> tuple[Array, Array]:
        """Least and greatest ``environment_state``."""

    @abstractmethod
    def _environment_state(self) -> NDArray[np.float32]:
        """The observation ``environment_state``."""

    @abstractmethod
    def _place(self) -> Array:
        """Draw goal and objects from ``self.np_random``: (n, 3), x, y, yaw of each cube."""

    def _arrange(self) -> None:
        """Place the fixture that `_place` drew, if the scene has one; the arm stands by then."""

    @abstractmethod
    def _success(self) -> bool:
        """Whether the task is done at this instant."""

    @abstractmethod
    def _reward(self) -> float:
        """In [−1, 0) while the task is not done; it rises with progress."""

    # Gymnasium ----------------------------------------------------------------------------

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Draw a start pose, gripper open and pointing down, and what the task places."""
        super().reset(seed=seed)
        self._pictures.clear()
        self._target.point_down(START + self.np_random.uniform(-START_SPREAD, START_SPREAD, 3))
        self._goal[:] = 0.0
        self._held[:] = 0.0
        cubes = self._place()
        self.joint_targets[:7] = self._kinematics.settle(self._target.pose)
        self.joint_targets[7:] = panda.FINGER_STROKE
        self.engine.reset(self.joint_targets[:7], panda.FINGER_STROKE, cubes)
        self._arrange()
        if self.scene.goal:
            self.engine.set_goal(self._goal)
        if self.render_mode == "human":
            self.engine.show()
        return self._observation(), {"is_success": self._success()}

    def step(
        self, action: NDArray[np.float32]
    ) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Move for one tick of 50 ms; see the class for ``action``."""
        command = _checked(action)
        self._pictures.clear()
        engine, target = self.engine, self._target
        target.move(command[:6], engine.tcp_position, engine.tcp_rotation)
        self._joint_goal[:7] = self._kinematics.solve(
            self.joint_targets[:7], target.pose, 1.0 / panda.RATE
        )
        self._joint_goal[7:] = finger_target(
            command[6], float(self.joint_targets[7]), engine.fingers
        )
        engine.step(self.joint_targets, self._joint_goal)
        self.joint_targets[:] = self._joint_goal
        success = self._success()
        self._held[0] = self._held[0] + 1.0 if success else 0.0
        if self.render_mode == "human":
            self.engine.show()
        terminated = bool(self._held[0] >= HOLD_TICKS)
        reward = 0.0 if success else self._reward()
        return self._observation(), reward, terminated, False, {"is_success": success}

    def render(self) -> NDArray[np.uint8] | None:
        """What the camera ``front`` sees, (240, 320, 3), in mode ``rgb_array``."""
        return self.render_camera("front") if self.render_mode == "rgb_array" else None

    def camera_heading(self, name: str) -> float | None:
        """Where a camera looks, rad about the base's z axis (None: it turns with the hand)."""
        (camera,) = chosen_cameras(name, self.camera_names)
        if panda.CAMERAS[camera].on_hand:
            return None
        right, _, _ = panda.CAMERAS[camera].axes().T
        # The viewing direction is level with the picture's right, a quarter turn to its left.
        return math.atan2(right[0], -right[1])

    def render_camera(self, name: str) -> NDArray[np.uint8]:
        """What one of ``camera_names`` sees, (240, 320, 3), read-only; drawn once per state."""
        if name not in self._pictures:
            (camera,) = chosen_cameras(name, self.camera_names)
            picture = self.engine.render(camera)
            picture.flags.writeable = False
            self._pictures[camera] = picture
        return self._pictures[name]

    def close(self) -> None:
        """Free the simulator."""
        self.engine.close()

    # State --------------------------------------------------------------------------------

    def get_state(self) -> Array:
        """Everything the coming ticks depend on but the random numbers, as one flat vector.

        Commanded quaternion (4, w first) and position (3), joint targets (9), goal (3), ticks of
        success held (1), then the engine's own state.
        """
        return np.concatenate([self._memory, self.engine.get_state()])

    def set_state(self, state: Array) -> None:
        """Continue from a vector that ``get_state`` of the same task and engine gave.

        On MuJoCo the same actions then give the same bits.

        Raises:
            ValueError: for another length.
        """
        values = np.array(state, dtype=np.float64)
        expected = self.get_state().shape
        if values.shape != expected:
            raise ValueError(
                f"{type(self).__name__} has a state of shape {expected}, got {values.shape}"
            )
        self._pictures.clear()
        split = len(self._memory)
        self._memory[:] = values[:split]
        self.engine.set_state(values[split:])
        if self.scene.goal:
            self.engine.set_goal(self._goal)

    @property
    def commanded_target(self) -> Array:
        """Where the commanded position is, m, by element of the action; NaN for the others (7,)."""
        return np.array([*self._target.position, *(math.nan,) * 4])

    # Inside -------------------------------------------------------------------------------

    def _observation(self) -> Observation:
        state = np.empty(10, dtype=np.float32)
        engine = self.engine
        state[:3] = engine.tcp_position
        state[3:9].reshape(2, 3)[:] = engine.tcp_rotation.T[:2]
        state[9] = (engine.fingers[0] + engine.fingers[1]) / (2 * panda.FINGER_STROKE)
        return {
            "state": state,
            "environment_state": self._environment_state(),
            **{f"images.{name}": self.render_camera(name) for name in self._observed_cameras},
        }


def _checked(action: NDArray[np.float32]) -> Array:
    """The action as float64 within its limits."""
    values = np.asarray(action, dtype=np.float64)
    if values.shape != (7,):
        raise ValueError(f"an action has shape (7,), got {values.shape}")
    if not np.isfinite(values).all():
        bad = int(np.flatnonzero(~np.isfinite(values))[0])
        name = ACTION_METADATA["names"][bad]
        raise ValueError(f"action[{bad}] ({name}) is {values[bad]}; actions must be finite")
    return np.minimum(np.maximum(values, _ACTION_LOW), _ACTION_HIGH)
