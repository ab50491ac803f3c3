"""Scripted experts of the Panda's tasks: numpy only, and they read nothing but observations.

Each is Markov and continuous almost everywhere: an action is a function of the present
observation alone, so it can be asked anywhere, also after a drop or with the cube pushed aside.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Observed = Mapping[str, NDArray[np.float32]]

_STEP_LIMIT = 0.015
"""m per tick; slower than the arm could, as a careful person is."""
_TURN_LIMIT = 0.08
"""rad per tick."""
_GAIN = 0.3
"""Share of an error corrected per tick; the arm lags by 1.5 ticks, so 0.3 does not overshoot."""
_WRIST_MIDDLE = np.pi / 4
"""Yaw of a hand that points down while the last joint is in its middle, rad, from the arm's own
direction."""
_WRIST_REACH = 2.1
"""How far from there the hand may turn, rad: the joint ends at 2.9, and the arm needs the rest."""


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
        return _command((goal - state[:3]) * _GAIN, _turn_down(state, 0.0, 2) * _GAIN, 1.0)


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
        high = _rise(state[2], 0.03, 0.05)
        slack = 0.02 * (1.0 - high)
        wrong = max(
            _rise(abs(beside), 0.006 + slack, 0.012 + slack),
            _rise(along, -0.06 + 2.0 * slack, -0.05 + 2.0 * slack),
        )
        low = 1.0 - _rise(state[2] - self._height, 0.008, 0.02)
        height = self._height + self._hover * wrong
        pushing = low * (1.0 - wrong)

        # Before the push: to a point behind the cube; while pushing: on, until the cube is there.
        approach = -self._behind - along
        push = min(distance, 0.04)
        move_along = (1.0 - pushing) * approach + pushing * push
        move = np.zeros(3)
        move[:2] = forward * move_along - left * beside
        # Sideways only where the fingers are above the cube or clear of it.
        clearance = _rise(state[2], 0.055, 0.08)
        clear = _rise(float(np.hypot(*from_cube)), 0.05, 0.06)
        move[:2] *= max(clearance, clear, pushing)
        move[2] = height - state[2]
        return _command(move * _GAIN, _turn_down(state, np.arctan2(*forward[::-1]), 2) * _GAIN, 0.0)


class PandaLiftExpert:
    """Align above the cube, descend as the alignment gets better, close, raise.

    Which of these it does follows from smooth weights of how far the gripper is from the cube's
    pose, how open it is, and whether the cube stands between its fingers.
    """

    _hover = 0.09
    _carry_height = 0.15
    _grasp_floor = 0.018

    def __init__(self, env: Any = None) -> None:
        """``env`` is not read: every expert is made from its environment."""

    def reset(self, seed: int | None = None) -> None:
        """Nothing to do: the expert has no memory and draws nothing."""

    def act(self, observation: Observed) -> NDArray[np.float32]:
        """The action (7,) of `PandaEnv` for ``state`` (10,) and ``environment_state`` (5,)."""
        state = observation["state"].astype(np.float64)
        cube = observation["environment_state"].astype(np.float64)
        opening = state[9]
        ahead = cube[:3] - state[:3]
        turn = _turn_down(state, np.arctan2(cube[4], cube[3]) / 4.0, 4)

        sideways = float(np.hypot(ahead[0], ahead[1]))
        # A hand that is closing needs no exact alignment any more: the fingers centre the cube.
        loose = _rise(0.95 - opening, 0.0, 0.2)
        misaligned = max(
            _rise(sideways, 0.006 + 0.02 * loose, 0.03 + 0.02 * loose),
            _rise(abs(turn[2]), 0.08 + 0.2 * loose, 0.3 + 0.2 * loose),
        )
        grasp_height = max(ahead[2], self._grasp_floor - state[2])
        apart = max(
            misaligned, _rise(abs(grasp_height), 0.008 + 0.012 * loose, 0.02 + 0.02 * loose)
        )
        gripper = _rise(apart, 0.0, 0.5)

        # Closed on the cube: it stands between the fingers and they have stopped at its width.
        held = (1.0 - apart) * _rise(0.64 - opening, 0.0, 0.06)
        # With the gripper not open, stay above the cube until it is.
        shut = _rise(0.9 - opening, 0.0, 0.1) * _rise(apart, 0.5, 1.0)
        hover = self._hover * max(misaligned, shut)
        rise = held * (self._carry_height - state[2]) + (1.0 - held) * (grasp_height + hover)

        move = np.array([ahead[0], ahead[1], rise]) * _GAIN
        # Rise before moving sideways, where the fingers would sweep the cube away.
        clearance = _rise(state[2] - cube[2], 0.04, 0.07)
        move[:2] *= max(clearance, 1.0 - _rise(sideways, 0.02, 0.04))
        return _command(move, turn * _GAIN, gripper)


def _rise(value: float, low: float, high: float) -> float:
    """0 below ``low``, 1 above ``high``, a smooth step between."""
    t = min(max((value - low) / (high - low), 0.0), 1.0)
    return t * t * (3.0 - 2.0 * t)


def _turn_down(state: NDArray[np.float64], yaw: float, fold: int) -> NDArray[np.float64]:
    """Rotation vector (3,), base frame, to point straight down with the hand's x axis at ``yaw``.

    ``fold`` is how many yaws within a full turn are as good as each other. It takes the nearest
    within the wrist's reach; always the nearest would wind the last joint up to its end.
    """
    x_axis, y_axis = state[3:6], state[6:9]
    approach = np.cross(x_axis, y_axis)
    turn = np.cross(approach, (0.0, 0.0, -1.0))
    period = 2.0 * np.pi / fold
    present = np.arctan2(x_axis[1], x_axis[0])
    error = yaw - present
    error -= period * np.round(error / period)
    wrist = np.arctan2(state[1], state[0]) + _WRIST_MIDDLE
    from_middle = np.remainder(present - wrist + np.pi, 2.0 * np.pi) - np.pi + error
    if abs(from_middle) > _WRIST_REACH:
        error -= np.copysign(period, from_middle)
    turn[2] = error
    return turn


def _command(
    move: NDArray[np.float64], turn: NDArray[np.float64], gripper: float
) -> NDArray[np.float32]:
    """An action; a vector beyond its limit keeps its direction."""
    move = move * min(1.0, _STEP_LIMIT / max(float(np.linalg.norm(move)), 1e-9))
    turn = turn * min(1.0, _TURN_LIMIT / max(float(np.linalg.norm(turn)), 1e-9))
    return np.concatenate([move, turn, [gripper]]).astype(np.float32)
