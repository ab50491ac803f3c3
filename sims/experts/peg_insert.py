"""The scripted expert of PegInsert; like its fellows in `sims.experts.panda` it is Markov."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sims.experts.motion import GAIN, Observed, command, fetch, rise, turn_down


class PandaPegInsertExpert:
    """Grasp the peg, bring its lower end over the hole, turn and right it, lower it as it fits.

    It steers the peg as it is seen, not as it should lie in the hand, so a peg that slipped or
    turned between the fingers is put right. A peg that fell over it cannot set up again.
    """

    _half_length = 0.04
    _mouth = 0.04
    """Height of the hole's mouth, m."""
    _grip_above = 0.015
    """How far above its middle the peg is gripped, m."""
    _grip = 0.375
    """Opening of a gripper closed on the peg."""
    _travel_height = 0.065
    """Height at which the peg's lower end travels, m."""
    _wait_height = 0.0445
    """Height at which it waits over the hole until it fits, m."""

    def __init__(self, env: Any = None) -> None:
        """``env`` is not read: every expert is made from its environment."""

    def reset(self, seed: int | None = None) -> None:
        """Nothing to do: the expert has no memory and draws nothing."""

    def act(self, observation: Observed) -> NDArray[np.float32]:
        """The action (7,) of `PandaEnv` for ``state`` (10,) and ``environment_state`` (12,)."""
        state = observation["state"].astype(np.float64)
        around = observation["environment_state"].astype(np.float64)
        peg, tilt = state[:3] + around[:3], around[3:5]
        axis = np.array([*tilt, max(1.0 - float(tilt @ tilt), 0.0) ** 0.5])
        end = peg - self._half_length * axis
        to_hole = around[7:9]
        beside = float(np.hypot(*to_hole))
        present = np.arctan2(state[4], state[3])
        # The least turns that bring the square peg to the square hole, and the hand to the peg.
        twist = np.arctan2(around[11], around[10]) / 4.0
        turn = turn_down(state, present + np.arctan2(around[6], around[5]) / 4.0, 4)
        off_hand = float(turn[2])
        lifted = rise(end[2], 0.005, 0.02)
        righting = np.array([tilt[1], -tilt[0], turn_down(state, present + twist, 4)[2]])
        turn = (1.0 - lifted) * turn + lifted * righting

        inside = rise(self._mouth - end[2], 0.0005, 0.003) * (1.0 - rise(beside, 0.003, 0.005))
        misfit = (1.0 - inside) * max(
            rise(beside, 0.001, 0.0025),
            rise(abs(twist), 0.015, 0.06),
            rise(float(np.hypot(*tilt)), 0.1, 0.25),
        )
        height = self._wait_height
        height += (self._travel_height - height) * rise(beside, 0.008, 0.03)
        carry = np.array([*to_hole, height * misfit - end[2]])
        # A fast start or stop moves the peg by more than the hole forgives.
        slow = 0.008 + 0.1 * max(rise(beside, 0.01, 0.03), 1.0 - lifted)
        carry[2] = min(max(carry[2], -slow), slow)
        # Gently where it matters: who sees late and has a fast hand would sway over the hole.
        carry[:2] *= 0.6 + 0.4 * rise(beside, 0.004, 0.015)
        # Up before going sideways, where the peg would push against the socket.
        carry[:2] *= max(rise(end[2], 0.042, 0.05), 1.0 - rise(beside, 0.008, 0.015))
        target = peg + self._grip_above * axis
        move, gripper = fetch(state, target, off_hand * (1.0 - lifted), carry, self._grip)
        return command(move * GAIN, turn * GAIN, gripper)
