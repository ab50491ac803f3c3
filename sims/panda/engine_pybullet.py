"""The Panda on PyBullet: other contacts and another integrator, the same frames and timing."""

import contextlib
import os
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sims.panda import model as panda
from sims.panda.model import Array, Scene


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep PyBullet's banner off stderr, which it writes to from C."""
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


with _quiet():
    import pybullet

    from sims.panda.fixture_pybullet import FIXTURES, Fixture

_FREE_BODY = 13
"""Numbers that describe a cube: position, quaternion, linear and angular velocity."""


class PybulletEngine:
    """See `sims.panda.engine.Engine`; continuing from a saved state is bit-identical.

    PyBullet keeps contact points and impulses that cannot be saved as numbers. So every tick ends
    by setting the state anew from positions and velocities alone: what `get_state` returns is then
    all there is. It costs some 0.1 ms a tick, and the solver starts each tick without warm start.
    """

    def __init__(self, scene: Scene, *, window: bool = False) -> None:
        self._client = pybullet.connect(pybullet.GUI if window else pybullet.DIRECT)
        if self._client < 0:
            raise RuntimeError("PyBullet could not open a window; is there a display?")
        self._scene = scene
        call: dict[str, Any] = {"physicsClientId": self._client}
        self._call = call
        pybullet.setGravity(0.0, 0.0, -9.81, **call)
        pybullet.setTimeStep(panda.PHYSICS_DT, **call)
        pybullet.setPhysicsEngineParameter(deterministicOverlappingPairs=1, **call)
        plane = pybullet.createCollisionShape(pybullet.GEOM_PLANE, **call)
        board = pybullet.createVisualShape(
            pybullet.GEOM_BOX,
            halfExtents=panda.TABLE_HALF,
            rgbaColor=panda.WOOD,
            visualFramePosition=panda.TABLE_CENTRE,
            **call,
        )
        table = pybullet.createMultiBody(0.0, plane, board, **call)
        pybullet.changeDynamics(table, -1, lateralFriction=panda.TABLE_FRICTION, **call)
        self._load_arm()
        colours = panda.CUBE_COLOURS[: scene.cubes]
        self._cubes = [self._add_cube(5.0 + place, colour) for place, colour in enumerate(colours)]
        self._fixture: Fixture | None = None
        if scene.fixture is not None:
            self._fixture = FIXTURES[scene.fixture](call)
        if scene.goal:
            ball = pybullet.createVisualShape(
                pybullet.GEOM_SPHERE, radius=0.02, rgbaColor=panda.GREEN, **call
            )
            self._goal = pybullet.createMultiBody(0.0, -1, ball, **call)
            self._goal_position = [0.0, 0.0, 0.0]
        self.tcp_position: Array = np.zeros(3)
        self.tcp_rotation: Array = np.eye(3)
        self.fingers: Array = np.zeros(2)
        self.cube_positions: Array = np.zeros((scene.cubes, 3))
        self.cube_rotations: Array = np.zeros((scene.cubes, 3, 3))
        self._clean = pybullet.saveState(**call)
        self._state = self._measure()

    def _add_cube(self, aside: float, colour: tuple[float, ...]) -> int:
        # There it touches nothing: what does in `_clean` keeps its contacts through `set_state`.
        half, call = (panda.CUBE_HALF,) * 3, self._call
        shape = pybullet.createCollisionShape(pybullet.GEOM_BOX, halfExtents=half, **call)
        picture = pybullet.createVisualShape(
            pybullet.GEOM_BOX, halfExtents=half, rgbaColor=colour, **call
        )
        cube: int = pybullet.createMultiBody(
            panda.CUBE_MASS, shape, picture, (aside, aside, aside), **call
        )
        # The engine multiplies frictions: 1 leaves those of table and fingers as they are.
        pybullet.changeDynamics(
            cube, -1, lateralFriction=1.0, linearDamping=0.0, angularDamping=0.0, **call
        )
        return cube

    def _load_arm(self) -> None:
        call = self._call
        self._arm = pybullet.loadURDF(
            str(panda.urdf_folder() / "panda.urdf"),
            useFixedBase=True,
            flags=pybullet.URDF_USE_INERTIA_FROM_FILE,
            **call,
        )
        joints, links = {}, {}
        for index in range(pybullet.getNumJoints(self._arm, **call)):
            info = pybullet.getJointInfo(self._arm, index, **call)
            joints[info[1].decode()] = index
            links[info[12].decode()] = index
        self._joints = [joints[name] for name in (*panda.ARM_JOINTS, *panda.FINGER_JOINTS)]
        self._tcp = links[panda.TCP_LINK]
        touching = {links["panda_hand"], *self._joints[7:]}
        for link in range(-1, len(joints)):
            pybullet.changeDynamics(
                self._arm, link, linearDamping=0.0, angularDamping=0.0, jointDamping=0.0, **call
            )
            if link not in touching:
                pybullet.setCollisionFilterGroupMask(self._arm, link, 0, 0, **call)
        # The hand drives both fingers by one motor; this couples them as the gears there do.
        gear = pybullet.createConstraint(
            self._arm,
            self._joints[7],
            self._arm,
            self._joints[8],
            jointType=pybullet.JOINT_GEAR,
            jointAxis=[1, 0, 0],
            parentFramePosition=[0, 0, 0],
            childFramePosition=[0, 0, 0],
            **call,
        )
        pybullet.changeConstraint(
            gear, gearRatio=-1, erp=0.1, maxForce=2 * panda.FINGER_FORCE, **call
        )
        # A velocity constraint that removes this share of the error per step decays with the
        # same time constant as MuJoCo's servos.
        share = panda.PHYSICS_DT / panda.SERVO_LAG
        self._motors: dict[str, Any] = {
            "controlMode": pybullet.POSITION_CONTROL,
            "positionGains": [share] * 9,
            "forces": [*panda.ARM_TORQUE, panda.FINGER_FORCE, panda.FINGER_FORCE],
            **call,
        }

    def reset(self, arm: Array, finger: float, cubes: Array) -> None:
        """Stand still; see `Engine.reset`."""
        bodies = np.zeros((len(cubes), _FREE_BODY))
        bodies[:, :2], bodies[:, 2] = cubes[:, :2], panda.CUBE_HALF
        bodies[:, 5], bodies[:, 6] = np.sin(cubes[:, 2] / 2), np.cos(cubes[:, 2] / 2)
        arm_at_rest = [*arm, finger, finger, *np.zeros(9)]
        fixture = [] if self._fixture is None else self._fixture.measure()
        self.set_state(np.array([*arm_at_rest, *bodies.ravel(), *fixture]))

    def place(self, body: str, position: Array, yaw: float) -> None:
        """Stand a fixture's body; see `Engine.place`."""
        self._the_fixture.place(body, position, yaw)
        self.set_state(self._measure())

    def pose(self, name: str) -> tuple[Array, Array]:
        """Of something of the fixture; see `Engine.pose`."""
        return self._the_fixture.poses[name]

    def slide(self) -> Array:
        """Of the fixture's joint; see `Engine.slide`."""
        return self._the_fixture.slide

    @property
    def _the_fixture(self) -> Fixture:
        assert self._fixture is not None
        return self._fixture

    def step(self, start: Array, end: Array) -> None:
        """Simulate one tick; see `Engine.step`."""
        for chunk in range(1, panda.CHUNKS + 1):
            targets = start + (end - start) * (chunk / panda.CHUNKS)
            pybullet.setJointMotorControlArray(
                self._arm, self._joints, targetPositions=targets.tolist(), **self._motors
            )
            for _ in range(panda.SUBSTEPS):
                pybullet.stepSimulation(**self._call)
        self.set_state(self._measure())

    def _look(self) -> None:
        """Fill the arrays that the task reads."""
        call = self._call
        link = pybullet.getLinkState(self._arm, self._tcp, computeForwardKinematics=1, **call)
        self.tcp_position[:] = link[4]
        self.tcp_rotation[:] = np.reshape(pybullet.getMatrixFromQuaternion(link[5]), (3, 3))
        fingers = pybullet.getJointStates(self._arm, self._joints[7:], **call)
        self.fingers[:] = [state[0] for state in fingers]
        for index, cube in enumerate(self._cubes):
            position, quaternion = pybullet.getBasePositionAndOrientation(cube, **call)
            self.cube_positions[index] = position
            self.cube_rotations[index].flat = pybullet.getMatrixFromQuaternion(quaternion)

    def set_goal(self, position: Array) -> None:
        """Move the goal's marker; see `Engine.set_goal`."""
        self._goal_position = position.tolist()
        self._place_goal()

    def _place_goal(self) -> None:
        pybullet.resetBasePositionAndOrientation(
            self._goal, self._goal_position, [0, 0, 0, 1], **self._call
        )

    def get_state(self) -> Array:
        """Joint positions (9) and velocities (9), cubes' poses (7) and velocities (6), fixture."""
        return self._state.copy()

    def _measure(self) -> Array:
        """The state as PyBullet has it now."""
        joints = pybullet.getJointStates(self._arm, self._joints, **self._call)
        numbers = [state[0] for state in joints] + [state[1] for state in joints]
        for cube in self._cubes:
            position, quaternion = pybullet.getBasePositionAndOrientation(cube, **self._call)
            linear, angular = pybullet.getBaseVelocity(cube, **self._call)
            numbers += [*position, *quaternion, *linear, *angular]
        if self._fixture is not None:
            numbers += self._fixture.measure()
        return np.array(numbers)

    def set_state(self, state: Array) -> None:
        """Return to a saved state; see `Engine.set_state`."""
        call = self._call
        # Read back, a quaternion may differ in its last bit; so this vector is kept.
        self._state = np.array(state)
        # Contacts and impulses of whatever came before would leak into what comes now.
        pybullet.restoreState(self._clean, **call)
        pybullet.performCollisionDetection(**call)
        bodies, rest = np.split(state[18:], [_FREE_BODY * len(self._cubes)])
        for joint, position, velocity in zip(self._joints, state[:9], state[9:18], strict=True):
            pybullet.resetJointState(self._arm, joint, position, velocity, **call)
        for cube, body in zip(self._cubes, bodies.reshape(-1, _FREE_BODY), strict=True):
            pose, velocity = body[:7].tolist(), body[7:].tolist()
            pybullet.resetBasePositionAndOrientation(cube, pose[:3], pose[3:], **call)
            pybullet.resetBaseVelocity(cube, velocity[:3], velocity[3:], **call)
        if self._fixture is not None:
            self._fixture.restore(rest.tolist())
        if self._scene.goal:
            self._place_goal()
        self._look()

    def render(self, camera: str) -> NDArray[np.uint8]:
        """What the camera sees, by the software renderer; needs no GL."""
        width, height = panda.IMAGE_WIDTH, panda.IMAGE_HEIGHT
        seen = panda.CAMERAS[camera]
        eye, look_at, up = np.array([seen.eye, seen.look_at, seen.up])
        if seen.on_hand:
            eye = self.tcp_position + self.tcp_rotation @ eye
            look_at = self.tcp_position + self.tcp_rotation @ look_at
            up = self.tcp_rotation @ up
        view = pybullet.computeViewMatrix(eye.tolist(), look_at.tolist(), up.tolist())
        projection = pybullet.computeProjectionMatrixFOV(seen.fov, width / height, 0.02, 5.0)
        image = pybullet.getCameraImage(
            width,
            height,
            view,
            projection,
            shadow=0,
            renderer=pybullet.ER_TINY_RENDERER,
            flags=pybullet.ER_NO_SEGMENTATION_MASK,
            **self._call,
        )
        return np.reshape(np.asarray(image[2], dtype=np.uint8), (height, width, 4))[..., :3].copy()

    def show(self) -> None:
        """Nothing to do: PyBullet's window draws itself."""

    def close(self) -> None:
        """Disconnect."""
        if self._client >= 0:
            pybullet.disconnect(**self._call)
            self._client = -1
