"""The Panda on MuJoCo."""

from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from sims.panda import model as panda
from sims.panda.model import Array, Scene
from sims.panda.spec import scene_model

_STATE = mujoco.mjtState.mjSTATE_INTEGRATION


class MujocoEngine:
    """See `sims.panda.engine.Engine`; continuing from a saved state is bit-identical.

    Attributes:
        model: The scene as MuJoCo compiled it.
        data: Its state.
    """

    def __init__(self, scene: Scene, *, window: bool = False) -> None:
        self.model = scene_model(scene)
        self.data = mujoco.MjData(self.model)
        self._picture: Any = None
        self._window = window
        self._viewer: Any = None
        data = self.data
        site = self.model.site("tcp").id
        self.tcp_position: Array = data.site_xpos[site]
        self.tcp_rotation: Array = data.site_xmat[site].reshape(3, 3)
        self.fingers: Array = data.qpos[7:9]
        bodies = slice(0, 0)
        if scene.cubes:  # they were added one after the other
            first = self.model.body("cube").id
            bodies = slice(first, first + scene.cubes)
        self.cube_positions: Array = data.xpos[bodies]
        self.cube_rotations: Array = data.xmat[bodies].reshape(-1, 3, 3)
        self._targets = np.empty(9)
        self._state_size = mujoco.mj_stateSize(self.model, _STATE)

    def reset(self, arm: Array, finger: float, cubes: Array) -> None:
        """Stand still; see `Engine.reset`."""
        data = self.data
        mujoco.mj_resetData(self.model, data)
        data.qpos[:7] = arm
        data.qpos[7:9] = finger
        data.ctrl[:] = data.qpos[:9]
        poses = data.qpos[9 : 9 + 7 * len(cubes)].reshape(-1, 7)
        for pose, (x, y, yaw) in zip(poses, cubes, strict=True):
            pose[:3] = x, y, panda.CUBE_HALF
            pose[3:] = np.cos(yaw / 2), 0.0, 0.0, np.sin(yaw / 2)
        mujoco.mj_kinematics(self.model, data)

    def place(self, body: str, position: Array, yaw: float) -> None:
        """Stand a fixture's body, free or fixed to the world, at ``position`` (3,), m, at rest."""
        pose = np.array([*position, np.cos(yaw / 2), 0.0, 0.0, np.sin(yaw / 2)])
        fixed = int(self.model.body(body).mocapid[0])
        if fixed >= 0:
            self.data.mocap_pos[fixed], self.data.mocap_quat[fixed] = pose[:3], pose[3:]
        else:
            self.data.joint(body).qpos[:] = pose
        mujoco.mj_kinematics(self.model, self.data)

    def pose(self, name: str) -> tuple[Array, Array]:
        """Of something of the fixture; see `Engine.pose`."""
        if name == "handle":
            site = self.data.site(name)
            return site.xpos, site.xmat.reshape(3, 3)
        body = self.data.body(name)
        return body.xpos, body.xmat.reshape(3, 3)

    def slide(self) -> Array:
        """Of the fixture's joint; see `Engine.slide`."""
        opening: Array = self.data.joint("drawer").qpos
        return opening

    def step(self, start: Array, end: Array) -> None:
        """Simulate one tick; see `Engine.step`."""
        model, data, ctrl = self.model, self.data, self.data.ctrl
        np.subtract(end, start, out=self._targets)
        self._targets /= panda.CHUNKS
        ctrl[:] = start
        for _ in range(panda.CHUNKS):
            ctrl += self._targets
            mujoco.mj_step(model, data, panda.SUBSTEPS)
        # mj_step leaves the poses of the moment before its last integration.
        mujoco.mj_kinematics(model, data)

    def set_goal(self, position: Array) -> None:
        """Move the goal's marker; see `Engine.set_goal`."""
        self.model.site("goal").pos[:] = position
        mujoco.mj_kinematics(self.model, self.data)

    def get_state(self) -> Array:
        """MuJoCo's integration state: time, positions, velocities, controls, warm start."""
        state = np.empty(self._state_size)
        mujoco.mj_getState(self.model, self.data, state, _STATE)
        return state

    def set_state(self, state: Array) -> None:
        """Return to a saved state; see `Engine.set_state`."""
        mujoco.mj_setState(self.model, self.data, state, _STATE)
        mujoco.mj_kinematics(self.model, self.data)

    def render(self, camera: str) -> NDArray[np.uint8]:
        """What the camera sees; the first call opens a GL context."""
        if self._picture is None:
            from sims.panda.picture import Picture

            self._picture = Picture(self.model)
        pixels: NDArray[np.uint8] = self._picture.draw(self.data, camera)
        return pixels

    def show(self) -> None:
        """Update the window; the first call opens it."""
        if not self._window:
            return
        if self._viewer is None:
            import mujoco.viewer

            self._viewer = mujoco.viewer.launch_passive(
                self.model, self.data, show_left_ui=False, show_right_ui=False
            )
        self._viewer.sync()

    def close(self) -> None:
        """Close pictures and window."""
        if self._picture is not None:
            self._picture.close()
            self._picture = None
        if self._viewer is not None:
            self._viewer.close()
            self._viewer = None
