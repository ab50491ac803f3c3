"""The drawer, and peg and socket, on PyBullet: of the boxes that MuJoCo has, with its contacts."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
import pybullet

from sims.panda import drawer, peg
from sims.panda import model as panda
from sims.panda.box import Box
from sims.panda.model import Array

_LEVEL = [0.0, 0.0, 0.0, 1.0]


class Fixture(ABC):
    """What a scene has beside arm and cubes.

    Attributes:
        poses: Position (3,) and rotation (3, 3) of each thing a task looks at, filled in place.
        slide: How far its joint is open, (1,), m.

    Args:
        call: Keyword arguments of every call of PyBullet.
    """

    poses: dict[str, tuple[Array, Array]]

    def __init__(self, call: dict[str, Any]) -> None:
        self._call = call
        self.slide: Array = np.zeros(1)

    @abstractmethod
    def place(self, body: str, position: Array, yaw: float) -> None:
        """Stand a body there, at rest."""

    @abstractmethod
    def measure(self) -> list[float]:
        """Its state; as many numbers each time."""

    @abstractmethod
    def restore(self, numbers: Sequence[float]) -> None:
        """Return to what `measure` gave, and fill what a task reads."""

    def _stand(self, body: int, position: Sequence[float], yaw: float) -> None:
        turned = [0.0, 0.0, float(np.sin(yaw / 2)), float(np.cos(yaw / 2))]
        pybullet.resetBasePositionAndOrientation(body, list(position), turned, **self._call)

    def _pose(self, body: int) -> list[float]:
        position, quaternion = pybullet.getBasePositionAndOrientation(body, **self._call)
        return [*position, *quaternion]

    def _fill(self, name: str, position: Sequence[float], quaternion: Sequence[float]) -> None:
        pose, turned = self.poses[name]
        pose[:] = position
        turned[:] = np.reshape(pybullet.getMatrixFromQuaternion(quaternion), (3, 3))

    def _shapes(self, boxes: Sequence[Box]) -> tuple[int, int]:
        """The boxes as one collision shape and as one picture."""
        kinds = [pybullet.GEOM_BOX] * len(boxes)
        sizes, places = [box.size for box in boxes], [box.position for box in boxes]
        turns = [(*box.orientation[1:], box.orientation[0]) for box in boxes]
        touched = pybullet.createCollisionShapeArray(
            kinds,
            halfExtents=sizes,
            collisionFramePositions=places,
            collisionFrameOrientations=turns,
            **self._call,
        )
        seen = pybullet.createVisualShapeArray(
            kinds,
            halfExtents=sizes,
            visualFramePositions=places,
            visualFrameOrientations=turns,
            rgbaColors=[box.colour for box in boxes],
            **self._call,
        )
        return touched, seen


class PegAndSocket(Fixture):
    """See `sims.panda.peg`; state: the peg's pose (7) and velocity (6), the socket's pose (7)."""

    def __init__(self, call: dict[str, Any]) -> None:
        super().__init__(call)
        self.poses = {name: (np.zeros(3), np.eye(3)) for name in ("peg", "socket")}
        half = (peg.PEG_HALF, peg.PEG_HALF, peg.PEG_HALF_LENGTH)
        shape = pybullet.createCollisionShape(pybullet.GEOM_BOX, halfExtents=half, **call)
        seen = pybullet.createVisualShape(
            pybullet.GEOM_BOX, halfExtents=half, rgbaColor=panda.RED, **call
        )
        mass, low, inertia = peg.mass_properties()
        # PyBullet's base is the centre of mass; the shapes hang above it.
        self._centre = [0.0, 0.0, -low]
        self._peg = pybullet.createMultiBody(
            mass,
            shape,
            seen,
            (0.5, 0.1, peg.PEG_HALF_LENGTH),
            baseInertialFramePosition=[0.0, 0.0, low],
            **call,
        )
        pybullet.changeDynamics(
            self._peg,
            -1,
            lateralFriction=1.0,
            linearDamping=0.0,
            angularDamping=0.0,
            localInertiaDiagonal=inertia,
            **call,
        )
        touched, seen = self._shapes(peg.socket_boxes())
        self._socket = pybullet.createMultiBody(0.0, touched, seen, (0.5, -0.1, 0.0), **call)
        pybullet.changeDynamics(self._socket, -1, lateralFriction=panda.TABLE_FRICTION, **call)

    def place(self, body: str, position: Array, yaw: float) -> None:
        """See `Fixture`."""
        if body == "socket":
            self._stand(self._socket, position.tolist(), yaw)
            return
        x, y, z = position.tolist()
        self._stand(self._peg, [x, y, z - self._centre[2]], yaw)
        pybullet.resetBaseVelocity(self._peg, [0.0] * 3, [0.0] * 3, **self._call)

    def measure(self) -> list[float]:
        """See `Fixture`."""
        linear, angular = pybullet.getBaseVelocity(self._peg, **self._call)
        return [*self._pose(self._peg), *linear, *angular, *self._pose(self._socket)]

    def restore(self, numbers: Sequence[float]) -> None:
        """See `Fixture`."""
        pose, velocity, socket = numbers[:7], numbers[7:13], numbers[13:]
        call = self._call
        pybullet.resetBasePositionAndOrientation(self._peg, pose[:3], pose[3:], **call)
        pybullet.resetBaseVelocity(self._peg, velocity[:3], velocity[3:], **call)
        pybullet.resetBasePositionAndOrientation(self._socket, socket[:3], socket[3:], **call)
        centre, turn = pybullet.multiplyTransforms(pose[:3], pose[3:], self._centre, _LEVEL)
        self._fill("peg", centre, turn)
        self._fill("socket", socket[:3], socket[3:])


class Drawer(Fixture):
    """See `sims.panda.drawer`; state: the cabinet's pose (7), the drawer's position and speed."""

    def __init__(self, call: dict[str, Any]) -> None:
        super().__init__(call)
        self.poses = {name: (np.zeros(3), np.eye(3)) for name in ("cabinet", "handle")}
        touched, seen = self._shapes(drawer.cabinet_boxes())
        inner_touched, inner_seen = self._shapes(drawer.drawer_boxes())
        self._cabinet = pybullet.createMultiBody(
            0.0,
            touched,
            seen,
            (0.65, 0.0, 0.0),
            linkMasses=[drawer.mass()],
            linkCollisionShapeIndices=[inner_touched],
            linkVisualShapeIndices=[inner_seen],
            linkPositions=[(0.0, 0.0, 0.0)],
            linkOrientations=[_LEVEL],
            linkInertialFramePositions=[(0.0, 0.0, 0.0)],
            linkInertialFrameOrientations=[_LEVEL],
            linkParentIndices=[0],
            linkJointTypes=[pybullet.JOINT_PRISMATIC],
            linkJointAxis=[(-1.0, 0.0, 0.0)],
            **call,
        )
        for link in (-1, 0):
            pybullet.changeDynamics(
                self._cabinet, link, lateralFriction=panda.TABLE_FRICTION, **call
            )
        pybullet.changeDynamics(
            self._cabinet,
            0,
            jointLowerLimit=0.0,
            jointUpperLimit=drawer.TRAVEL,
            linearDamping=0.0,
            angularDamping=0.0,
            jointDamping=drawer.DAMPING,
            **call,
        )
        # A motor that wants to stand still is friction.
        pybullet.setJointMotorControl2(
            self._cabinet,
            0,
            pybullet.VELOCITY_CONTROL,
            targetVelocity=0.0,
            force=drawer.FRICTION,
            **call,
        )

    def place(self, body: str, position: Array, yaw: float) -> None:
        """See `Fixture`."""
        self._stand(self._cabinet, position.tolist(), yaw)
        pybullet.resetJointState(self._cabinet, 0, 0.0, 0.0, **self._call)

    def measure(self) -> list[float]:
        """See `Fixture`."""
        position, speed = pybullet.getJointState(self._cabinet, 0, **self._call)[:2]
        return [*self._pose(self._cabinet), position, speed]

    def restore(self, numbers: Sequence[float]) -> None:
        """See `Fixture`."""
        pose, (opening, speed) = numbers[:7], numbers[7:]
        call = self._call
        pybullet.resetBasePositionAndOrientation(self._cabinet, pose[:3], pose[3:], **call)
        pybullet.resetJointState(self._cabinet, 0, opening, speed, **call)
        x, y, z = drawer.HANDLE
        handle, turn = pybullet.multiplyTransforms(pose[:3], pose[3:], [x - opening, y, z], _LEVEL)
        self._fill("cabinet", pose[:3], pose[3:])
        self._fill("handle", handle, turn)
        self.slide[0] = opening


#: By what adds the same thing to a scene of MuJoCo.
FIXTURES: dict[Any, type[Fixture]] = {
    drawer.add_drawer: Drawer,
    peg.add_peg_and_socket: PegAndSocket,
}
