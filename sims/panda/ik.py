"""Differential inverse kinematics of the arm, through mink's tasks and daqp's solver."""

import daqp
import mink
import numpy as np

from sims.panda import model as panda
from sims.panda.model import Array
from sims.panda.spec import kinematic_model

_POSITION_COST = 1.0
_ORIENTATION_COST = 0.3
_POSTURE_WEIGHT = 1e-4
"""w below. Small enough to cost no accuracy; it settles the redundant joint near `model.HOME`."""


class ArmKinematics:
    """Joint targets for poses of the tool centre point.

    One solve is one Gauss-Newton step of mink's quadratic program,
    min ½ Δqᵀ H Δq + cᵀ Δq, with H and c of its frame task plus w I and w (q - q_home) of a weak
    pull to the home posture, subject to `model.POSTURE_LOW`, `model.POSTURE_HIGH` and the greatest
    joint speeds as simple bounds on Δq. Targets move a little from tick to tick, so one step
    tracks them; the rest of the error goes in the next.
    """

    def __init__(self) -> None:
        self._model = kinematic_model()
        self._configuration = mink.Configuration(self._model, q=panda.HOME)
        self._frame = mink.FrameTask("tcp", "site", _POSITION_COST, _ORIENTATION_COST)
        self._posture_hessian = _POSTURE_WEIGHT * np.eye(7)
        self._no_rows = np.zeros((0, 7))

    def solve(self, joints: Array, pose: Array, dt: float) -> Array:
        """One step from ``joints`` towards ``pose``, as fast as ``dt`` allows.

        Args:
            joints: Present joint targets (7,), rad.
            pose: Wanted pose of the tool centre point (7,), base frame: quaternion (w first),
                then position in m.
            dt: Time for the step, s; limits |Δq| to ``ARM_VELOCITY * dt``.

        Returns:
            New joint targets (7,), rad.

        Raises:
            RuntimeError: if the solver finds no solution.
        """
        configuration = self._configuration
        configuration.update(joints)
        self._frame.set_target(mink.SE3(pose))
        hessian, gradient = self._frame.compute_qp_objective(configuration)
        hessian += self._posture_hessian
        gradient += _POSTURE_WEIGHT * (joints - panda.HOME)
        reach = panda.ARM_VELOCITY * dt
        step, _, flag, _ = daqp.solve(
            hessian,
            gradient,
            self._no_rows,
            np.minimum(reach, panda.POSTURE_HIGH - joints),
            np.maximum(-reach, panda.POSTURE_LOW - joints),
        )
        if flag < 1:
            raise RuntimeError(f"inverse kinematics: daqp stopped with flag {flag} at q = {joints}")
        return joints + step

    def settle(self, pose: Array) -> Array:
        """Joints (7,) for a pose, iterated from `model.HOME`; the same pose gives the same bits."""
        joints = panda.HOME.copy()
        for _ in range(30):
            joints = self.solve(joints, pose, dt=1.0)
        return joints
