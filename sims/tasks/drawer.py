"""Drawer: grip a drawer's handle and pull it open."""

import math
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from sims.panda import drawer
from sims.panda.model import Array, Scene
from sims.tasks.panda import ACTION_METADATA, STATE_METADATA, PandaEnv

CABINET_LOW = (0.62, -0.12, -0.35)
CABINET_HIGH = (0.68, 0.12, 0.35)
"""x, y [m] of the middle of the cabinet's front and its yaw [rad] lie between these."""
OPEN = 0.12
"""The task is done while the drawer is open so far, m."""


class PandaDrawerEnv(PandaEnv):
    """Pull a drawer open by 12 cm at its handle; see `PandaEnv`.

    The drawer resists with 3 N of friction and stays where it is left.

    ``environment_state`` (6,): x, y, z [m] of the handle, x and y of the direction in which the
    drawer opens (a unit vector), how far it is open [m].
    Start: the cabinet anywhere in 6×24 cm, its yaw within ±0.35 rad, the drawer shut.
    Reward: −1 + 0.25 (1 − tanh(5 d)) + 0.75 min(s / 12 cm, 1), with d the distance from TCP to
    handle and s how far the drawer is open; 0 on success.
    """

    scene = Scene(fixture=drawer.add_drawer)
    feature_metadata: ClassVar = {
        "state": STATE_METADATA,
        "environment_state": {
            "names": ["handle_x", "handle_y", "handle_z", "pull_x", "pull_y", "drawer_opening"],
            "units": ["m", "m", "m", "1", "1", "m"],
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
        self._handle, _ = self.engine.pose("handle")
        _, self._cabinet = self.engine.pose("cabinet")
        self._opening = self.engine.slide()
        self._drawn = np.zeros(3)

    def _environment_bounds(self) -> tuple[Array, Array]:
        low = np.array([0.0, -1.0, 0.0, -1.001, -1.001, -0.05])
        return low, np.array([1.0, 1.0, 0.2, 1.001, 1.001, drawer.TRAVEL + 0.05])

    def _environment_state(self) -> NDArray[np.float32]:
        state = np.empty(6, dtype=np.float32)
        state[:3] = self._handle
        state[3:5] = -self._cabinet[:2, 0]
        state[5] = self._opening[0]
        return state

    def _place(self) -> Array:
        self._drawn = self.np_random.uniform(CABINET_LOW, CABINET_HIGH)
        return np.empty((0, 3))

    def _arrange(self) -> None:
        x, y, yaw = self._drawn.tolist()
        self.engine.place("cabinet", np.array([x, y, 0.0]), yaw)

    def _success(self) -> bool:
        return bool(self._opening[0] >= OPEN)

    def _reward(self) -> float:
        ahead = self._handle - self.engine.tcp_position
        near = 1.0 - math.tanh(5.0 * math.sqrt(ahead @ ahead))
        return -1.0 + 0.25 * near + 0.75 * min(max(float(self._opening[0]) / OPEN, 0.0), 1.0)
