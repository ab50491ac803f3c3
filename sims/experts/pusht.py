"""Scripted expert of Push-T: plan the best two pushes, walk round the T, push, look again."""

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sims.pusht.geometry import GOAL_POSE, INERTIA, MASS, PUSHER_RADIUS, TABLE, rotation
from sims.pusht.navigation import CLEARANCE, Navigator, corners
from sims.pusht.pushing import (
    CONTACTS,
    NORMALS,
    TWISTS,
    distance_to_t,
    push,
    to_centre_of_mass,
)

Array = NDArray[np.float64]

_BANDWIDTH = 10.0
"""The pusher follows its target as a critically damped oscillator of 10 rad/s."""
_PERIOD = 0.1
_SPIN = float(np.sqrt(INERTIA / MASS))
"""Radius of gyration, px: turns an angle into the distance that weighs as much."""
_GOAL = to_centre_of_mass(GOAL_POSE)

_WAITING: Array = CONTACTS + NORMALS * (PUSHER_RADIUS + 4.0)
"""Where the pusher stops before it pushes at each contact."""
_TOUCHING: Array = CONTACTS + NORMALS * PUSHER_RADIUS
_LENGTHS: Array = np.array(
    [0.0, 0.7, 1.4, 2.4, 3.6, 5.0, 7.0, 10.0, 14.0, 19.0, 25.0, 33.0, 42.0, 54.0, 68.0, 85.0, 105.0]
)
_LATER: Array = push(np.zeros(3), TWISTS[::2, None] * _LENGTHS[:, None]).reshape(-1, 3)
"""Displacements of the T, in its own frame, that a second push can bring about."""
_LEAD = 28.0
"""How far ahead of the contact the target runs while pushing, px: 0.2 s of its speed."""
_PATIENCE = 0.25
_DONE = 0.4
"""A push ends when less than this remains of it, px."""


def _wrapped(angle: Array) -> Array:
    """The same angle in [−π, π)."""
    return np.remainder(angle + np.pi, 2.0 * np.pi) - np.pi


def _value(poses: Array) -> Array:
    """Cost (K,) of having the T at ``poses`` (K, 3): how near one more push can bring it, in px.

    The share of the distance that is left without that push keeps the expert from putting off
    the better of two pushes.
    """
    offset = poses[:, :2] - _GOAL[:2]
    turn = _wrapped(poses[:, 2] - _GOAL[2])
    now = (offset**2).sum(axis=1)
    # |offset + R d|² for every later displacement d in the T's frame, as one matrix product.
    local = np.einsum("kij,ki->kj", _rotations(poses[:, 2]), offset)
    later = 2.0 * local @ _LATER[:, :2].T
    later += now[:, None]
    later += (_LATER[:, :2] ** 2).sum(axis=1)
    later += (_SPIN * _wrapped(turn[:, None] + _LATER[:, 2])) ** 2
    nearest = np.sqrt(np.maximum(later.min(axis=1), 0.0))
    value: Array = nearest + _PATIENCE * np.sqrt(now + (_SPIN * turn) ** 2)
    return value


class PushTExpert:
    """Acts from the observation; remembers which contact it is heading for or pushing at.

    Every (contact, length) is scored by where the closed-form model of ``sims.pusht.pushing``
    leaves the T and by how near a second push could then bring it to the goal. The length is
    scored anew at each step of a push, so errors of the model do not add up.
    """

    def __init__(self, env: Any = None) -> None:
        """``env`` is not read: every expert is made from its environment."""
        self._navigator = Navigator(_WAITING)
        self.reset()

    def reset(self, seed: int | None = None) -> None:
        """Forget the last episode; nothing is drawn."""
        self._contact: int | None = None
        self._pushing = False
        self._planned_for = np.full(3, np.inf)
        self._last: tuple[Array, Array, Array] | None = None

    def act(self, observation: Array | dict[str, Array]) -> NDArray[np.float32]:
        """Target of the pusher (2,) in px for the five numbers of the observation."""
        if isinstance(observation, dict):
            observation = observation["state"]
        pusher = np.asarray(observation[:2], dtype=np.float64)
        pose = to_centre_of_mass(np.asarray(observation[2:], dtype=np.float64))
        velocity = self._velocity(pusher)
        target = np.clip(self._choose(pusher, velocity, pose), 0.0, TABLE)
        self._last = (pusher, velocity, target)
        return target.astype(np.float32)

    def _velocity(self, pusher: Array) -> Array:
        """Velocity that the pusher's controller has reached, px/s; zero after a surprise."""
        if self._last is None:
            return np.zeros(2)
        was, velocity, target = self._last
        error, velocity = _track(was - target, velocity, _PERIOD)
        return velocity if np.hypot(*(error + target - pusher)) < 5.0 else np.zeros(2)

    def _choose(self, pusher: Array, velocity: Array, pose: Array) -> Array:
        turn = rotation(pose[2])
        local = turn.T @ (pusher - pose[:2])
        if self._pushing:
            target = self._keep_pushing(local, pose)
            if target is not None:
                return target
        moved = float(_norm(pose - self._planned_for))
        if self._contact is None or not moved < 2.0:
            self._contact = self._plan(local, pose)
            self._planned_for = pose
        if np.hypot(*(_WAITING[self._contact] - local)) < 3.0 and np.hypot(*velocity) < 40.0:
            self._pushing = True
            target = self._keep_pushing(local, pose)
            if target is not None:
                return target
            self._contact = self._plan(local, pose)
        return self._approach(local, velocity, pose, self._contact)

    def _plan(self, local: Array, pose: Array) -> int:
        """Number of the contact to push at next; ``local`` is the pusher in the T's frame."""
        turn = rotation(pose[2])
        travel = self._navigator.lengths(local, self._allowed(pose))
        inside = _on_table(pose[:2] + _WAITING @ turn.T)
        poses = push(pose, TWISTS[:, None] * _LENGTHS[1:, None])
        value = _value(poses.reshape(-1, 3)).reshape(len(TWISTS), -1)
        ends = np.einsum("plij,pj->pli", _rotations(poses[..., 2]), _TOUCHING) + poses[..., :2]
        score = np.where(_on_table(ends), value, np.inf).min(axis=1) * (1.0 + 0.001 * travel)
        score = np.where(inside, score, np.inf)
        if not np.isfinite(score).any():
            score = np.where(inside, np.hypot(*(_WAITING - local).T), np.inf)
        return int(score.argmin())

    def _keep_pushing(self, local: Array, pose: Array) -> Array | None:
        """Target on the table that goes on with the push, or None where the push is over."""
        assert self._contact is not None
        offset = local - _TOUCHING[self._contact]
        height = float(offset @ NORMALS[self._contact])
        aside = float(np.hypot(*(offset - height * NORMALS[self._contact])))
        lengths = np.arange(0.0, 110.0, 0.5)
        poses = push(pose, TWISTS[self._contact] * lengths[:, None])
        remaining = float(lengths[_value(poses).argmin()])
        if remaining < _DONE or aside > 6.0 or height > 10.0:
            self._pushing = False
            self._contact = None
            return None
        ahead = push(pose, TWISTS[self._contact] * min(remaining, _LEAD))
        target: Array = ahead[:2] + rotation(ahead[2]) @ _TOUCHING[self._contact]
        return target

    def _approach(self, local: Array, velocity: Array, pose: Array, contact: int) -> Array:
        """The furthest target along the way that does not make the pusher graze the T."""
        turn = rotation(pose[2])
        way = self._navigator.way(local, contact, self._allowed(pose))
        nodes = np.concatenate([local[None], way])
        share = np.linspace(0.0, 1.0, 9)[1:, None]
        legs = [a + share * (b - a) for a, b in pairwise(nodes)]
        targets = np.concatenate(legs)
        times = np.linspace(0.02, 0.5, 16)[:, None, None]
        error, _ = _track(local - targets, turn.T @ velocity, times)
        gaps = distance_to_t(error + targets)
        floor = min(CLEARANCE - 1.0, float(distance_to_t(local)) - 0.02)
        clear = np.flatnonzero((gaps > floor).all(axis=0))
        if len(clear):
            choice = targets[clear[-1]]
        elif self._last is not None and np.hypot(*velocity) > 20.0:
            return self._last[2]
        else:
            choice = targets[0]
        target: Array = pose[:2] + turn @ choice
        return target

    def _allowed(self, pose: Array) -> NDArray[np.bool_]:
        return _on_table(pose[:2] + corners() @ rotation(pose[2]).T)


def _norm(twist: Array) -> Array:
    size: Array = np.hypot(np.hypot(twist[..., 0], twist[..., 1]), _SPIN * twist[..., 2])
    return size


def _on_table(points: Array) -> NDArray[np.bool_]:
    return np.asarray(((points > 1.0) & (points < TABLE - 1.0)).all(axis=-1))


def _rotations(angles: Array) -> Array:
    cosine, sine = np.cos(angles), np.sin(angles)
    return np.stack([np.stack([cosine, -sine], -1), np.stack([sine, cosine], -1)], -2)


def _track(error: Array, velocity: Array, time: Any) -> tuple[Array, Array]:
    """Position relative to the target, and velocity, ``time`` seconds later."""
    decay = np.exp(-_BANDWIDTH * time)
    slope = velocity + _BANDWIDTH * error
    return (error + slope * time) * decay, (velocity - _BANDWIDTH * slope * time) * decay
