"""Pieces that the Panda's scripted experts share: steps, turns, and how to fetch an object."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

Observed = Mapping[str, NDArray[np.float32]]

_STEP_LIMIT = 0.015
"""m per tick; slower than the arm could, as a careful person is."""
_TURN_LIMIT = 0.08
"""rad per tick."""
GAIN = 0.3
"""Share of an error corrected per tick; the arm lags by 1.5 ticks, so 0.3 does not overshoot."""
_WRIST_MIDDLE = np.pi / 4
"""Yaw of a hand that points down while the last joint is in its middle, rad, from the arm's own
direction."""
_WRIST_REACH = 2.1
"""How far from there the hand may turn, rad: the joint ends at 2.9, and the arm needs the rest."""
_HOVER = 0.09
"""How far above an object the hand waits until it is aligned, m."""
_GRASP_FLOOR = 0.018
"""The least height of a grasp, m."""


def rise(value: float, low: float, high: float) -> float:
    """0 below ``low``, 1 above ``high``, a smooth step between."""
    t = min(max((value - low) / (high - low), 0.0), 1.0)
    return t * t * (3.0 - 2.0 * t)


def turn_down(state: NDArray[np.float64], yaw: float, fold: int) -> NDArray[np.float64]:
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


def command(
    move: NDArray[np.float64], turn: NDArray[np.float64], gripper: float
) -> NDArray[np.float32]:
    """An action; a vector beyond its limit keeps its direction."""
    move = move * min(1.0, _STEP_LIMIT / max(float(np.linalg.norm(move)), 1e-9))
    turn = turn * min(1.0, _TURN_LIMIT / max(float(np.linalg.norm(turn)), 1e-9))
    return np.concatenate([move, turn, [gripper]]).astype(np.float32)


def fetch(
    state: NDArray[np.float64],
    target: NDArray[np.float64],
    yaw_error: float,
    carry: NDArray[np.float64],
    width: float = 0.56,
) -> tuple[NDArray[np.float64], float]:
    """Grasp the object whose grip is at ``target`` (3,), m, from above, and carry it.

    Align above, descend as the alignment gets better, close; with the object between the fingers,
    move by ``carry`` (3,), m. Which of these it does follows from smooth weights of how far the
    gripper is from the object, how open it is, and whether the object stands between its fingers.
    ``width`` is the opening of a gripper closed on it.

    Returns:
        The move (3,), m, before its gain and limit, and the gripper's opening.
    """
    opening = state[9]
    ahead = target - state[:3]
    sideways = float(np.hypot(ahead[0], ahead[1]))
    # A hand that is closing needs no exact alignment any more: the fingers centre the object.
    loose = rise(0.95 - opening, 0.0, 0.2)
    misaligned = max(
        rise(sideways, 0.006 + 0.02 * loose, 0.03 + 0.02 * loose),
        rise(abs(yaw_error), 0.08 + 0.2 * loose, 0.3 + 0.2 * loose),
    )
    grasp_height = max(ahead[2], _GRASP_FLOOR - state[2])
    apart = max(misaligned, rise(abs(grasp_height), 0.008 + 0.012 * loose, 0.02 + 0.02 * loose))
    gripper = rise(apart, 0.0, 0.5)

    # Closed on the object: it stands between the fingers and they have stopped at its width.
    held = (1.0 - apart) * rise(width + 0.08 - opening, 0.0, 0.06)
    # With the gripper not open, stay above the object until it is.
    shut = rise(0.9 - opening, 0.0, 0.1) * rise(apart, 0.5, 1.0)
    reach = np.array([ahead[0], ahead[1], grasp_height + _HOVER * max(misaligned, shut)])
    # Rise before moving sideways, where the fingers would sweep the object away.
    clearance = rise(-ahead[2], 0.04, 0.07)
    reach[:2] *= max(clearance, 1.0 - rise(sideways, 0.02, 0.04))
    return held * carry + (1.0 - held) * reach, gripper
