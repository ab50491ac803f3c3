"""PegInsert: put a square peg into a hole that is 1 mm wider."""

import math
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from sims.panda import peg
from sims.panda.model import Array, Scene
from sims.tasks import cube
from sims.tasks.panda import ACTION_METADATA, STATE_METADATA, PandaEnv

LOW = (0.42, -0.16)
HIGH = (0.6, 0.16)
"""Peg and socket start between these corners, m."""
LEAST_DISTANCE = 0.14
"""They start at least this far apart, m: room for an open gripper."""
SOCKET_YAW = 0.4
"""Greatest yaw of the socket, rad; the peg's is 0.6."""
DEPTH = 0.03
"""The task is done while the peg's lower end is in the hole so deep, m."""


class PandaPegInsertEnv(PandaEnv):
    """Put a peg 30 mm square into a hole 31 mm square; see `PandaEnv`.

    Half a millimetre is free to either side, and 0.03 rad about the upright. The hole's mouth is
    bevelled by 2 mm, so that a peg which comes down beside it by less is led in by contact.

    ``environment_state`` (12,) tells how one thing lies from another, along the base's axes, since
    a millimetre counts here: x, y, z [m] from TCP to the peg's centre, x and y of the peg's long
    axis (a unit vector that points up), cos 4ψ and sin 4ψ with ψ the turn from hand to peg; then
    x, y, z [m] from the peg's lower end to the middle of the hole's mouth, cos 4ψ and sin 4ψ with ψ
    the turn from peg to socket.
    Start: the peg upright on the table, both in 18×32 cm, at least 14 cm apart; yaws within ±0.6
    and ±0.4 rad.
    Reward: −1 + 0.2 (1 − tanh(5 d)) + 0.4 (1 − tanh(5 e)) + 0.4 min(s / 3 cm, 1), with d the
    distance from TCP to peg, e that from the peg's lower end to the hole's mouth, or 0 where it is
    inside, and s how deep inside it is; 0 on success.
    """

    scene = Scene(fixture=peg.add_peg_and_socket)
    task_frame = ("peg", "hole")
    feature_metadata: ClassVar = {
        "state": STATE_METADATA,
        "environment_state": {
            "names": [
                *("ee_to_peg_x", "ee_to_peg_y", "ee_to_peg_z", "peg_axis_x", "peg_axis_y"),
                *("ee_to_peg_cos_4yaw", "ee_to_peg_sin_4yaw"),
                *("peg_to_hole_x", "peg_to_hole_y", "peg_to_hole_z"),
                *("peg_to_hole_cos_4yaw", "peg_to_hole_sin_4yaw"),
            ],
            "units": ["m"] * 3 + ["1"] * 4 + ["m"] * 3 + ["1"] * 2,
            "frame": "base",
        },
        "action": ACTION_METADATA,
    }

    def __init__(
        self,
        engine: str = "mujoco",
        render_mode: str | None = None,
        cameras: str | Sequence[str] = (),
    ) -> None:
        super().__init__(engine, render_mode, cameras)
        self._peg, self._peg_rotation = self.engine.pose("peg")
        self._socket, self._socket_rotation = self.engine.pose("socket")
        self._drawn = np.zeros((2, 3))

    def _environment_bounds(self) -> tuple[Array, Array]:
        high = np.array([2.0, 2.0, 2.0, *[1.001] * 4, 2.0, 2.0, 2.0, 1.001, 1.001])
        return -high, high

    def _environment_state(self) -> NDArray[np.float32]:
        tcp = self.engine.tcp_rotation
        hand = complex(tcp[0, 0], tcp[1, 0]) ** 4
        around_peg = complex(*cube.symmetric_yaw(self._peg_rotation))
        around_hole = complex(*cube.symmetric_yaw(self._socket_rotation))
        state = np.empty(12, dtype=np.float32)
        state[:3] = self._peg - self.engine.tcp_position
        state[3:5] = self._peg_rotation[:2, 2]
        state[5:7] = _turn(hand, around_peg)
        state[7:10] = -self._end()
        state[10:] = _turn(around_peg, around_hole)
        return state

    def _place(self) -> Array:
        while True:
            self._drawn[0] = cube.draw_pose(self.np_random, LOW, HIGH)
            self._drawn[1] = self.np_random.uniform([*LOW, -SOCKET_YAW], [*HIGH, SOCKET_YAW])
            if np.hypot(*(self._drawn[1, :2] - self._drawn[0, :2])) >= LEAST_DISTANCE:
                return np.empty((0, 3))

    def _arrange(self) -> None:
        (x, y, yaw), (hole_x, hole_y, hole_yaw) = self._drawn.tolist()
        self.engine.place("peg", np.array([x, y, peg.PEG_HALF_LENGTH]), yaw)
        self.engine.place("socket", np.array([hole_x, hole_y, 0.0]), hole_yaw)

    def _end(self) -> Array:
        """The middle of the peg's lower end, m, seen from the middle of the hole's mouth."""
        end: Array = self._peg - peg.PEG_HALF_LENGTH * self._peg_rotation[:, 2] - self._socket
        end[2] -= peg.SOCKET_HEIGHT
        return end

    def _depth(self, end: Array) -> float:
        """How deep the lower end is inside the hole, m."""
        inside = math.hypot(end[0], end[1]) < peg.PEG_HALF
        return max(-float(end[2]), 0.0) if inside else 0.0

    def _success(self) -> bool:
        return self._depth(self._end()) >= DEPTH

    def _reward(self) -> float:
        end, ahead = self._end(), self._peg - self.engine.tcp_position
        depth = self._depth(end)
        near = 1.0 - math.tanh(5.0 * math.sqrt(ahead @ ahead))
        over = 1.0 if depth > 0.0 else 1.0 - math.tanh(5.0 * math.sqrt(end @ end))
        return -1.0 + 0.2 * near + 0.4 * over + 0.4 * min(depth / DEPTH, 1.0)


def _turn(start: complex, end: complex) -> tuple[float, float]:
    """Cosine and sine of the angle from one direction in the plane to another."""
    turn = end * start.conjugate()
    turn /= max(abs(turn), 1e-9)
    return turn.real, turn.imag
