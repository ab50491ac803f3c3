"""Scripted experts of the Panda's tasks: numpy only, and they read nothing but observations.

Each is Markov and continuous almost everywhere: an action is a function of the present
observation alone, so it can be asked anywhere, also after a drop or with the cube pushed aside.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sims.experts.motion import GAIN, Observed, command, fetch, rise, turn_down

_CUBE_EDGE = 0.045
"""m."""


class PandaReachExpert:
    """Straight to the goal, pointing down, gripper open."""

    def __init__(self, env: Any = None) -> None:
        """``env`` is not read: every expert is made from its environment."""

    def reset(self, seed: int | None = None) -> None:
        """Nothing to do: the expert has no memory and draws nothing."""

    def act(self, observation: Observed) -> NDArray[np.float32]:
        """The action (7,) of `PandaEnv` for ``state`` (10,) and ``environment_state`` (3,)."""
        state = observation["state"].astype(np.float64)
        goal = observation["environment_state"].astype(np.float64)
        return command((goal - state[:3]) * GAIN, turn_down(state, 0.0, 2) * GAIN, 1.0)


class PandaPushExpert:
    """Over the cube to the side away from the goal, down, and push along the line to the goal.

    With d the direction from cube to goal, the hand's place is seen as its distance along d and
    beside that line. Low and behind the cube it goes forward, the faster the better it stands on
    the line; elsewhere it first rises, so that it never sweeps the cube away.
    """

    _behind = 0.07
    """How far behind the cube's centre the closed fingers come down, m."""
    _hover = 0.09
    _height = 0.02
    """Height of the pushing TCP over the table, m."""

    def __init__(self, env: Any = None) -> None:
        """``env`` is not read: every expert is made from its environment."""

    def reset(self, seed: int | None = None) -> None:
        """Nothing to do: the expert has no memory and draws nothing."""

    def act(self, observation: Observed) -> NDArray[np.float32]:
        """The action (7,) of `PandaEnv` for ``state`` (10,) and ``environment_state`` (7,)."""
        state = observation["state"].astype(np.float64)
        around = observation["environment_state"].astype(np.float64)
        to_goal = around[5:7] - around[:2]
        distance = float(np.hypot(*to_goal))
        forward = to_goal / max(distance, 1e-6)
        left = np.array([-forward[1], forward[0]])
        from_cube = state[:2] - around[:2]
        along, beside = float(from_cube @ forward), float(from_cube @ left)

        # 1 where the hand stands wrong for a push, 0 where it is behind the cube on the line. What
        # is good enough to go on pushing is not good enough to come down: without that gap the
        # hand could come to rest between the two.
        high = rise(state[2], 0.03, 0.05)
        slack = 0.02 * (1.0 - high)
        wrong = max(
            rise(abs(beside), 0.006 + slack, 0.012 + slack),
            rise(along, -0.06 + 2.0 * slack, -0.05 + 2.0 * slack),
        )
        low = 1.0 - rise(state[2] - self._height, 0.008, 0.02)
        height = self._height + self._hover * wrong
        pushing = low * (1.0 - wrong)

        # Before the push: to a point behind the cube; while pushing: on, until the cube is there.
        approach = -self._behind - along
        push = min(distance, 0.04)
        move_along = (1.0 - pushing) * approach + pushing * push
        move = np.zeros(3)
        move[:2] = forward * move_along - left * beside
        # Sideways only where the fingers are above the cube or clear of it.
        clearance = rise(state[2], 0.055, 0.08)
        clear = rise(float(np.hypot(*from_cube)), 0.05, 0.06)
        move[:2] *= max(clearance, clear, pushing)
        move[2] = height - state[2]
        return command(move * GAIN, turn_down(state, np.arctan2(*forward[::-1]), 2) * GAIN, 0.0)


class PandaLiftExpert:
    """Align above the cube, descend as the alignment gets better, close, raise; see `fetch`."""

    _carry_height = 0.15

    def __init__(self, env: Any = None) -> None:
        """``env`` is not read: every expert is made from its environment."""

    def reset(self, seed: int | None = None) -> None:
        """Nothing to do: the expert has no memory and draws nothing."""

    def act(self, observation: Observed) -> NDArray[np.float32]:
        """The action (7,) of `PandaEnv` for ``state`` (10,) and ``environment_state`` (5,)."""
        state = observation["state"].astype(np.float64)
        cube = observation["environment_state"].astype(np.float64)
        ahead = cube[:3] - state[:3]
        turn = turn_down(state, np.arctan2(cube[4], cube[3]) / 4.0, 4)
        carry = np.array([ahead[0], ahead[1], self._carry_height - state[2]])
        move, gripper = fetch(state, cube[:3], float(turn[2]), carry)
        return command(move * GAIN, turn * GAIN, gripper)


class PandaStackExpert:
    """Fetch the red cube, carry it over the blue one, lower it as it gets in place, let go."""

    _carry_clearance = 0.04
    """Height over its place on top at which the red cube travels, m."""

    def __init__(self, env: Any = None) -> None:
        """``env`` is not read: every expert is made from its environment."""

    def reset(self, seed: int | None = None) -> None:
        """Nothing to do: the expert has no memory and draws nothing."""

    def act(self, observation: Observed) -> NDArray[np.float32]:
        """The action (7,) of `PandaEnv` for ``state`` (10,) and ``environment_state`` (10,)."""
        state = observation["state"].astype(np.float64)
        around = observation["environment_state"].astype(np.float64)
        cube, below = around[:3], around[5:8]
        turn = turn_down(state, np.arctan2(around[4], around[3]) / 4.0, 4)
        place = below - cube
        place[2] += _CUBE_EDGE
        beside = float(np.hypot(place[0], place[1]))

        # Over the place: down. Anywhere else: first up, so that the blue cube is not pushed over.
        carry = place.copy()
        carry[2] += self._carry_clearance * rise(beside, 0.004, 0.02)
        carry[:2] *= max(rise(-place[2], 0.005, 0.02), 1.0 - rise(beside, 0.01, 0.02))
        move, gripper = fetch(state, cube, float(turn[2]), carry)

        standing = (1.0 - rise(beside, 0.012, 0.016)) * (1.0 - rise(abs(place[2]), 0.002, 0.004))
        gripper = max(gripper, standing)
        leave = standing * rise(state[9], 0.65, 0.8)
        move[:2] *= 1.0 - standing
        move[2] = (1.0 - standing) * move[2] + leave * 0.05
        return command(move * GAIN, turn * GAIN, gripper)


class PandaDrawerExpert:
    """Come down on either side of the handle, close, pull the way that the drawer opens."""

    _open = 0.15
    """How far it pulls, m."""
    _grip = 0.2
    """Opening of a gripper closed on the handle."""

    def __init__(self, env: Any = None) -> None:
        """``env`` is not read: every expert is made from its environment."""

    def reset(self, seed: int | None = None) -> None:
        """Nothing to do: the expert has no memory and draws nothing."""

    def act(self, observation: Observed) -> NDArray[np.float32]:
        """The action (7,) of `PandaEnv` for ``state`` (10,) and ``environment_state`` (6,)."""
        state = observation["state"].astype(np.float64)
        around = observation["environment_state"].astype(np.float64)
        pull = around[3:5]
        turn = turn_down(state, np.arctan2(-pull[1], -pull[0]), 2)
        carry = around[:3] - state[:3]
        carry[:2] += pull * (self._open - around[5])
        move, gripper = fetch(state, around[:3], float(turn[2]), carry, self._grip)
        return command(move * GAIN, turn * GAIN, gripper)
